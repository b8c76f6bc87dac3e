"""From a picture, a sound, a text or an array to the raw input of a model."""
