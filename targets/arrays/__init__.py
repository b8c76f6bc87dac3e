"""Files of arrays as the values of a model: one way for measuring and predicting."""
