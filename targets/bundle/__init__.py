"""A finished run as one file for its receiver: contents, container, signature, verification."""
