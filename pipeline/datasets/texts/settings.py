"""The keys of `[dataset]` that texts have."""

import codecs
from typing import Annotated, ClassVar

from pydantic import Field, field_validator

from pipeline.recipe.section import Section
from targets.texts.tokenizer import TokenKind


class Settings(Section):
    DECIDES_NOTHING: ClassVar[frozenset[str]] = frozenset({"allow_leaks"})

    text_column: str | None = None
    """The column of texts. Null, as for the next two, takes the column with a usual name."""
    label_column: str | None = None
    split_column: str | None = None
    encoding: str = "utf-8"
    """Of the files: a name that Python knows, as cp1252, latin-1, utf-16, gb18030."""
    quoted: bool = True
    """Cells of a .csv or .tsv file may be in quotation marks; false where such a mark is a letter
    like any other."""
    tokens: TokenKind = "words"
    """`words`: those that are seen twice or more in training; `wordpiece`: parts of words too, for
    texts with many rare words, or of languages that put words together."""
    vocabulary: Annotated[int, Field(ge=16, le=100_000)] | None = None
    """Most tokens; null is 4,000 for `wordpiece`, and no limit for `words`."""
    length: Annotated[int, Field(ge=4, le=8192)] | None = None
    """Tokens that the model takes; longer texts are cut. Null takes what 99 % of the training texts
    need."""
    allow_leaks: bool = False
    """Go on although the same text is in two splits."""

    @field_validator("encoding")
    @classmethod
    def _is_known(cls, name: str) -> str:
        try:
            codecs.lookup(name)
            "a".encode(name)  # there are codecs of other things than text
        except (LookupError, ValueError) as error:
            raise ValueError(
                f"{error}; common ones are utf-8, cp1252, latin-1, utf-16 and gb18030"
            ) from error
        return name
