"""Optuna, imported where a search begins."""

from types import ModuleType

from targets.errors import InputError


def imported() -> ModuleType:
    """Raises `InputError` where it is not installed, or older than its constraints by name."""
    try:
        import optuna
        import tomli_w  # noqa: F401 # writes best.toml, hours later
        from optuna.trial import Trial
    except ModuleNotFoundError as error:
        raise InputError(
            f"pipeline search needs the package '{error.name}', which is not installed: python -m "
            "pip install 'edge-distill[search]'."
        ) from error
    if not hasattr(Trial, "set_constraint"):
        raise InputError(
            f"pipeline search needs Optuna 5 or newer, and {optuna.__version__} is installed: "
            "python -m pip install 'optuna>=5'."
        )
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    return optuna
