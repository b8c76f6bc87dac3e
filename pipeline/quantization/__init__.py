"""Quantization-aware networks: the per-channel scheme, calibration and the pre-flight check."""
