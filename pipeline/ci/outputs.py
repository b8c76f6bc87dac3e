"""What a step hands on: to the next step, to GitHub's outputs, to GitLab's dotenv report."""

import os
from pathlib import Path

from pipeline.ci.inputs import PREFIX, Inputs
from targets.errors import InputError

FILE = "outputs.env"


def write(inputs: Inputs, **values: str) -> None:
    """Add `values` to the file of the outputs, and to GITHUB_OUTPUT."""
    for name, value in values.items():
        if len(value.splitlines()) != 1:  # it could set an output that no step has
            raise InputError(f"output {name}: is not one line: {value!r}. Choose another `out`.")
    lines = {f"{PREFIX}{name.upper()}": value for name, value in values.items()}
    _append(inputs.folder / FILE, lines)
    if github := os.environ.get("GITHUB_OUTPUT"):
        _append(Path(github), values)


def read(inputs: Inputs, name: str) -> str:
    """The value that an earlier step wrote, or the empty text."""
    path, key = inputs.folder / FILE, f"{PREFIX}{name.upper()}"
    lines = path.read_text(encoding="utf-8").splitlines() if path.exists() else []
    values = dict(line.split("=", 1) for line in lines)
    return values.get(key, "")


def summarise(text: str) -> None:
    """Add Markdown to the summary of a GitHub job."""
    if summary := os.environ.get("GITHUB_STEP_SUMMARY"):
        with Path(summary).open("a", encoding="utf-8") as file:
            file.write(text)


def _append(path: Path, values: dict[str, str]) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.writelines(f"{name}={value}\n" for name, value in values.items())
