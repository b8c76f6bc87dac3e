"""The student that fits a device: candidates are measured untrained, and trained where they fit."""
