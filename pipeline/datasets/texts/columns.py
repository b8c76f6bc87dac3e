"""Which column holds the texts, which their classes, and which the splits."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.datasets.texts.settings import Settings
from pipeline.datasets.texts.wording import RECIPE, Wording
from targets.errors import InputError, did_you_mean, listed

USUAL = {
    "text": (
        *("text", "sentence", "question", "review", "message", "utterance", "query", "tweet"),
        *("comment", "document", "content", "sms", "title", "headline", "body", "description"),
    ),
    "label": (
        *("label", "class", "category", "intent", "sentiment", "topic", "target", "type", "tag"),
        *("class_name", "label_name", "label_text", "labels", "y"),
    ),
    "split": ("split", "set", "subset", "partition", "fold"),
}
"""Role of a column -> its usual names, the best first; case is ignored."""


@dataclass(frozen=True, kw_only=True)
class Columns:
    text: str
    label: str
    split: str | None


def columns_of(header: Sequence[str], path: Path, settings: Settings) -> Columns:
    require_distinct(header, path, RECIPE)
    text = required(header, path, "text", settings.text_column)
    label = required(header, path, "label", settings.label_column)
    if text == label:
        raise InputError(
            f"data set texts: dataset.text_column and dataset.label_column of {path} are both "
            f"'{text}'. Name two of its columns: {listed(list(header))}."
        )
    return Columns(
        text=text, label=label, split=column(header, path, "split", settings.split_column)
    )


def require_distinct(header: Sequence[str], path: Path, wording: Wording) -> None:
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if twice:
        raise InputError(
            f"{wording.place}{path} has several columns of one name: {listed(twice)}. Give each "
            "column a name of its own."
        )


def is_usual(header: Sequence[str]) -> bool:
    """Whether a column of texts and one of labels are recognised."""
    return all(_usual(header, role) is not None for role in ("text", "label"))


def required(
    header: Sequence[str], path: Path, role: str, name: str | None, wording: Wording = RECIPE
) -> str:
    """The column of this role, as named or with a usual name. Raises `InputError` for none."""
    found = column(header, path, role, name, wording)
    if found is None:
        raise InputError(
            f"{wording.place}{path} has no column that is known to hold the {role}; its first line "
            f"names: {listed(list(header), most=10)}. Name one with "
            f"{wording.name(f'{role}_column')}, or add a first line that names the columns."
        )
    return found


def column(
    header: Sequence[str], path: Path, role: str, name: str | None, wording: Wording = RECIPE
) -> str | None:
    """None where no name is given and no column has a usual one."""
    if name is None:
        return _usual(header, role)
    if name not in header:
        raise InputError(
            f"{wording.place}{path} has no column '{name}' "
            f"({wording.name(f'{role}_column')}){did_you_mean(name, header)} It has: "
            f"{listed(list(header), most=10)}."
        )
    return name


def _usual(header: Sequence[str], role: str) -> str | None:
    folded = {name.casefold().replace(" ", "_"): name for name in reversed(header)}
    return next((folded[name] for name in USUAL[role] if name in folded), None)
