"""atheris over what reads bytes of strangers."""
