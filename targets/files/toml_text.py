"""TOML text as tables, with one kind of error."""

import tomllib


def parsed(text: str) -> dict[str, object]:
    """Raises `ValueError` in one line, also where `tomllib` meets a limit of Python."""
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError:
        raise
    except RecursionError as error:
        raise ValueError("lists or tables are nested too deeply") from error
    except ValueError as error:  # the limit of int(), whose text is about Python
        raise ValueError("a number has too many digits") from error
