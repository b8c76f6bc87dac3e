"""Which column holds the texts, which their classes, and which the splits."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pipeline.datasets.texts.settings import Settings
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
    twice = sorted({name for name in header if name and header.count(name) > 1})
    if twice:
        raise InputError(
            f"data set texts: {path} has several columns of one name: {listed(twice)}. Give each "
            "column a name of its own."
        )
    text = _required(header, path, "text", settings.text_column)
    label = _required(header, path, "label", settings.label_column)
    if text == label:
        raise InputError(
            f"data set texts: dataset.text_column and dataset.label_column of {path} are both "
            f"'{text}'. Name two of its columns: {listed(list(header))}."
        )
    return Columns(
        text=text, label=label, split=_column(header, path, "split", settings.split_column)
    )


def is_usual(header: Sequence[str]) -> bool:
    """Whether a column of texts and one of labels are recognised."""
    return all(_usual(header, role) is not None for role in ("text", "label"))


def _required(header: Sequence[str], path: Path, role: str, name: str | None) -> str:
    column = _column(header, path, role, name)
    if column is None:
        raise InputError(
            f"data set texts: {path} has no column that is known to hold the {role}; its first "
            f"line names: {listed(list(header), most=10)}. Name one with dataset.{role}_column, or "
            "add a first line that names the columns."
        )
    return column


def _column(header: Sequence[str], path: Path, role: str, name: str | None) -> str | None:
    if name is None:
        return _usual(header, role)
    if name not in header:
        raise InputError(
            f"data set texts: {path} has no column '{name}' "
            f"(dataset.{role}_column){did_you_mean(name, header)} It has: "
            f"{listed(list(header), most=10)}."
        )
    return name


def _usual(header: Sequence[str], role: str) -> str | None:
    folded = {name.casefold().replace(" ", "_"): name for name in reversed(header)}
    return next((folded[name] for name in USUAL[role] if name in folded), None)
