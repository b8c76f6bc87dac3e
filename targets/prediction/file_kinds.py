"""How the files of each kind are told apart, and what a person is asked for."""

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from targets.arrays import recognition as of_arrays
from targets.errors import InputError
from targets.formats.input_spec import Kind
from targets.images import recognition as of_pictures
from targets.prediction.preparation.contract import NOUNS
from targets.sounds import recognition as of_sounds
from targets.texts import recognition as of_texts


class FileKind(NamedTuple):
    may_be: Callable[[Path], bool]
    """Whether a file in a folder is taken."""
    suffixes: Collection[str]
    begins: Callable[[Path], bool]
    """Whether the contents are of the kind, whatever the name is."""
    give: str


FILE_KINDS: Mapping[Kind, FileKind] = MappingProxyType(
    {
        "image": FileKind(
            of_pictures.may_be_picture,
            of_pictures.SUFFIXES,
            of_pictures.begins_as_picture,
            "Give picture files, or folders that hold some",
        ),
        "waveform": FileKind(
            of_sounds.may_be_sound,
            of_sounds.SUFFIXES,
            of_sounds.begins_as_sound,
            "Give sound files, or folders that hold some",
        ),
        "tokens": FileKind(
            of_texts.may_be_texts,
            of_texts.SUFFIXES,
            lambda path: False,
            "Give .csv, .tsv, .jsonl or .txt files, folders that hold some, or - for the lines of "
            "the standard input",
        ),
        "array": FileKind(
            of_arrays.may_be_arrays,
            of_arrays.SUFFIXES,
            of_arrays.begins_as_array,
            "Give .npy or .npz files, or folders that hold some",
        ),
    }
)


def require_kind(file: Path, kind: Kind) -> None:
    """Refuse a file that a model of another kind takes, by its name and its contents."""
    suffix, own = file.suffix.lower(), FILE_KINDS[kind]
    if file.is_dir() or suffix in own.suffixes or own.begins(file):
        return
    other = next((one for one, known in FILE_KINDS.items() if suffix in known.suffixes), None)
    if other is not None:
        raise InputError(
            f"{file}: holds {NOUNS[other].many}, and the model takes {NOUNS[kind].many}. "
            f"{own.give}, or a model of {NOUNS[other].many}."
        )
