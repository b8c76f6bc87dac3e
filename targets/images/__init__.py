"""Pictures as a program on the device reads them: from a file to the bytes that a model takes."""
