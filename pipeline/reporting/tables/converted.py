"""The files of a `convert/2` as a table."""

from collections.abc import Sequence

from pipeline.export.result import ConvertedFile
from pipeline.reporting.formatting import NOT_MEASURED, kilobytes, percent
from pipeline.reporting.tables.cells import print_rows

HEADER = ("file", "size", "agrees %", "max diff", "top-1 %", "int8", "float")


def print_converted(files: Sequence[ConvertedFile]) -> None:
    """Print a table of the files to stdout."""
    print_rows(HEADER, [_cells(file) for file in files])


def _cells(row: ConvertedFile) -> tuple[str, ...]:
    if row.file is None or row.size_bytes is None:
        return row.name, "refused", *[NOT_MEASURED] * (len(HEADER) - 2)
    return (
        row.name,
        kilobytes(row.size_bytes),
        percent(row.agreement),
        f"{row.max_abs_diff:.3g}",
        percent(row.top1),
        str(row.int8_ops),
        str(row.float_ops),
    )
