"""Stand-ins for devices, and what is tested on them."""
