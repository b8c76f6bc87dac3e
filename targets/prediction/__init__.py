"""Predictions for pictures in this process, by the runtime and the input bytes of a device."""
