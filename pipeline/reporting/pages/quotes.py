"""The texts that a page shows of samples that are texts."""

from collections.abc import Mapping, Sequence

from pipeline.datasets.splits import Dataset, Split
from pipeline.reporting.pages.pictures import key
from pipeline.reporting.schema.report import Report
from targets.errors import printable

LONGEST = 240
"""Characters of a text; the rest is left out."""


def quotes(report: Report, data: Dataset, texts: Mapping[Split, Sequence[str]]) -> dict[str, str]:
    """By `pages.pictures.key`. `texts`: of each split, in the order of its samples.

    A text is left out unless it gives the tokens of its sample: the file may have changed since.
    """
    found = {}
    for sample in (*report.flips, *report.label_suspects):
        split = Split(sample.split)
        of_split = texts.get(split, ())
        if len(of_split) == len(data[split]):
            text, tokens = of_split[sample.index], data[split].raw[sample.index]
            if data.tokenizer is None or (data.tokenizer([text])[0] == tokens).all():
                found[key(sample)] = shortened(text)
    return found


def shortened(text: str) -> str:
    """On one line, without what no screen shows."""
    line = printable(" ".join(text.split()))
    return line if len(line) <= LONGEST else f"{line[: LONGEST - 1]}…"
