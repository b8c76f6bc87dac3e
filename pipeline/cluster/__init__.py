"""Where independent trainings run: in this process, or as tasks of Ray."""
