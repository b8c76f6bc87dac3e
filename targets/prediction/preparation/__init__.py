"""From a picture, a sound or a text to the raw input of a model."""
