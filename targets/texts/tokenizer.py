"""A tokenizer: the vocabulary, and how many tokens a model takes."""

import hashlib
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict

from targets.errors import InputError
from targets.formats.input_spec import InputSpec, token_input
from targets.texts import tokens

Tokens = npt.NDArray[np.int32]
TokenKind = Literal["words", "wordpiece"]

VOCABULARY = "vocab.txt"
CODE = "tokens.py"


class TokenizerRecord(BaseModel):
    """What a sidecar says of the tokenizer whose vocabulary lies beside the model."""

    model_config = ConfigDict(frozen=True)

    kind: TokenKind
    """`words`: whole ones; `wordpiece`: parts of words too, BERT's format."""
    length: int
    """Tokens that the model takes; a longer text is cut."""
    vocabulary_sha256: str
    """Of `vocab.txt`: the numbers of another vocabulary mean other words."""


@dataclass(frozen=True, kw_only=True)
class Tokenizer:
    kind: TokenKind
    vocabulary: tuple[str, ...]
    """Tokens in the order of their numbers, `tokens.SPECIAL` first."""
    length: int

    def __call__(self, texts: Sequence[str]) -> Tokens:
        """[texts, length]"""
        rows = [tokens.encode(text, self.numbers, self.length) for text in texts]
        return np.array(rows, np.int32).reshape(-1, self.length)

    @cached_property
    def numbers(self) -> Mapping[str, int]:
        return {token: number for number, token in enumerate(self.vocabulary)}

    @property
    def input(self) -> InputSpec:
        return token_input(self.length, len(self.vocabulary))

    @property
    def record(self) -> TokenizerRecord:
        digest = hashlib.sha256(self._file).hexdigest()
        return TokenizerRecord(kind=self.kind, length=self.length, vocabulary_sha256=digest)

    @property
    def _file(self) -> bytes:
        return "".join(f"{token}\n" for token in self.vocabulary).encode()

    def write(self, folder: Path) -> None:
        """The vocabulary and the code that a device needs."""
        (folder / VOCABULARY).write_bytes(self._file)
        shutil.copyfile(tokens.__file__, folder / CODE)


def read(folder: Path, record: TokenizerRecord) -> Tokenizer:
    """The tokenizer of a model in `folder`.

    Raises `InputError` where its vocabulary is missing, or is another one.
    """
    path = folder / VOCABULARY
    try:
        content = path.read_bytes()
    except OSError as error:
        raise InputError(
            f"{path}: the vocabulary of the model cannot be read ({error.strerror}). Copy "
            f"{VOCABULARY} from the folder of the run to where the model is."
        ) from error
    if hashlib.sha256(content).hexdigest() != record.vocabulary_sha256:
        raise InputError(
            f"{path}: is not the vocabulary that the model was trained with, so that its numbers "
            f"mean other words. Copy {VOCABULARY} from the folder of the run that made the model."
        )
    try:
        vocabulary = content.decode().split("\n")[:-1]
    except UnicodeDecodeError as error:
        raise InputError(f"{path}: is no UTF-8. Copy it again from the run.") from error
    return Tokenizer(
        kind=record.kind,
        vocabulary=tuple(vocabulary),
        length=record.length,
    )
