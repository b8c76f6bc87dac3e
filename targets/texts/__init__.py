"""Texts as tokens: one way for training, predicting and devices."""
