"""Initial weights: where they are, how their files are read, how they fit a network."""
