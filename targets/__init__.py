"""From a quantized network to a measured deliverable: formats, runtimes, devices, benchmark."""
