"""From labelled data and a teacher to a small int8 network."""

__version__ = "0.1.0"
