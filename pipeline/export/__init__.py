"""Writes model files and proves them against the network that they are made from."""
