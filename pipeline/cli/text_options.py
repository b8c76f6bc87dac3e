"""The options that say how a file of texts is read."""

import codecs
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from targets.errors import InputError

if TYPE_CHECKING:
    from pipeline.datasets.texts.settings import Settings

TEXT_COLUMN = click.option(
    "--text-column", metavar="NAME", help="Column of the texts [default: one with a usual name]."
)
LABEL_COLUMN = click.option(
    "--label-column", metavar="NAME", help="Column of the classes, for the accuracy [as above]."
)
ENCODING = click.option(
    "--encoding", metavar="NAME", help="Encoding of the files of texts [default: utf-8]."
)
UNQUOTED = click.option(
    "--unquoted", is_flag=True, help="Quotation marks in a table are letters like any other."
)


@dataclass(frozen=True, kw_only=True)
class TextOptions:
    """These options as the command line gives them."""

    text_column: str | None = None
    label_column: str | None = None
    encoding: str | None = None
    unquoted: bool = False

    def reading(self) -> "Settings":
        from pipeline.datasets.texts.settings import Settings

        encoding = self.encoding or "utf-8"
        _require_encoding(encoding)
        return Settings(
            text_column=self.text_column,
            label_column=self.label_column,
            encoding=encoding,
            quoted=not self.unquoted,
        )

    def require_none(self, takes: str) -> None:
        """Refuse them for a model that takes something else."""
        given = {
            "--text-column": self.text_column,
            "--label-column": self.label_column,
            "--encoding": self.encoding,
            "--unquoted": self.unquoted or None,
        }
        for option, value in given.items():
            if value is not None:
                raise InputError(
                    f"{option}: says how texts are read, and the model takes {takes}. Leave it out."
                )


def _require_encoding(name: str) -> None:
    try:
        "a".encode(name)
        codecs.lookup(name)
    except (LookupError, ValueError) as error:
        raise InputError(
            f"--encoding {name}: {error}. Common ones are utf-8, cp1252, latin-1, utf-16 and "
            "gb18030."
        ) from error
