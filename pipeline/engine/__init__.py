"""Runs the graph of stages: fingerprints, the store of results, artifacts and progress."""
