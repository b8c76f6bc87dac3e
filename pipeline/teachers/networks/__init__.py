"""Keras files and SavedModel folders as functions of a batch, without running their code."""
