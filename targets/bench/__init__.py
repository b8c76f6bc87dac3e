"""Measures model files on a device: protocol, agent, statistics and the result document."""
