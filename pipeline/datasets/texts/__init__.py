"""Your own texts in a .csv, .tsv or .jsonl file: on each line a text, its class, perhaps its split.

`files` finds the files, `table` reads them and says what is wrong with which line, `parts` splits
them; `vocabulary` learns the tokens of the training texts alone, and `targets.texts` makes the
numbers of all texts, as devices do.
"""

from pipeline.datasets.contract import SourceConfig
from pipeline.datasets.splits import Dataset, Split
from pipeline.datasets.texts.notes import notes_on
from pipeline.datasets.texts.settings import Settings
from pipeline.datasets.texts.source import fresh
from targets.formats.input_spec import Kind

__all__ = ["KIND", "Settings", "load", "notes", "source_digest", "texts"]

KIND: Kind = "tokens"


def source_digest(cfg: SourceConfig) -> str:
    """Of the files. Raises `InputError` for all that is wrong with them: nothing else is needed."""
    return fresh(cfg).sha256


def load(cfg: SourceConfig) -> Dataset:
    return fresh(cfg).dataset


def notes(cfg: SourceConfig) -> tuple[str, ...]:
    return tuple(notes_on(fresh(cfg)))


def texts(cfg: SourceConfig, split: Split) -> list[str]:
    return fresh(cfg).texts(split)
