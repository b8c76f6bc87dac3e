"""The training loop of teacher, student and QAT: augmentation, checkpoints, the session."""
