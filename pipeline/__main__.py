"""`python -m pipeline` is the command `pipeline`."""

from pipeline.cli.app import entry

entry()
