"""Samples of arrays, where errors of other data sets speak of files."""

from pathlib import Path

from pipeline.datasets.files.kind import FileKind


def _no_file(path: Path) -> bool:
    return False


SAMPLES = FileKind(
    dataset="arrays",
    one="sample",
    many="samples",
    suffix=".npz",
    sample="array",
    groups="groups",
    cache="arrays",
    may_be=_no_file,
    splits="an array 'split' with train, val or test for each sample",
)
