"""A .csv or .tsv file: a line that names the columns, and a line for each text."""

import csv
import io
from collections.abc import Iterator, Mapping
from typing import Literal

DELIMITERS = "\t,;|"
Row = Mapping[str, object] | str
"""Column -> cell, or what is wrong with the line."""


QUOTATION = (
    "a cell that begins with a quotation mark must end with one, and marks inside it are doubled, "
    "so that nothing behind this line is read; where marks are letters like others, set "
    "dataset.quoted = false, or give --unquoted"
)


class Delimited:
    """Its delimiter is the one that the header has most of. Quotation marks are as in RFC 4180."""

    def __init__(self, text: str, *, quoted: bool) -> None:
        self.text, self.quoted = text, quoted
        first = next(filter(str.strip, self._file()), "")
        self.delimiter = max(DELIMITERS, key=first.count)
        header = next(self._cells(), (0, []))[1]
        self.columns = [] if isinstance(header, str) else [cell.strip() for cell in header]

    def rows(self) -> Iterator[tuple[int, Row]]:
        """The number of the line that each begins in, and its cells; lines of spaces are left out.

        A broken quotation is the last: what comes behind it cannot be told apart.
        """
        for place, (number, cells) in enumerate(self._cells()):
            if isinstance(cells, str):
                yield number, cells
            elif place > 0:
                yield number, self._row(cells)

    def _row(self, cells: list[str]) -> Row:
        if len(cells) == len(self.columns):
            return dict(zip(self.columns, cells, strict=True))
        mark = "a tab" if self.delimiter == "\t" else f"'{self.delimiter}'"
        return (
            f"the line has {len(cells)} cells, and the first one names {len(self.columns)} (a text "
            f"with {mark} in it must be in quotation marks)"
        )

    def _cells(self) -> Iterator[tuple[int, list[str] | str]]:
        quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if self.quoted else csv.QUOTE_NONE
        reader = csv.reader(self._file(), delimiter=self.delimiter, quoting=quoting, strict=True)
        begun = 1
        try:
            for cells in reader:
                if any(map(str.strip, cells)):
                    yield begun, cells
                begun = reader.line_num + 1
        except csv.Error as error:
            yield begun, f"{error}: {QUOTATION}"

    def _file(self) -> io.StringIO:
        return io.StringIO(self.text, newline="")
