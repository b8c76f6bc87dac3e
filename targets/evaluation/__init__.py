"""Metrics, significance tests, parity proofs and corruptions: pure functions of numpy arrays."""
