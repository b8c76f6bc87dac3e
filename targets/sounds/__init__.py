"""Sounds as a program on the device reads them: from a file to the samples that a model takes."""
