"""Small sets of texts, in the forms that people have them in."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

Rows = Sequence[tuple[str, ...]]

THINGS = ("cat", "dog", "bird", "fish", "moon", "sun", "river", "tree", "house", "road")
FORMS = {
    "WHERE": ("where does the {} live near {}", "in which place is a {} and a {}"),
    "WHAT": ("what is the {} of the {}", "what do you call a {} with a {}"),
    "COUNT": ("how many of the {} have a {}", "how often does a {} see the {}"),
}


def questions(each: int = 20) -> Rows:
    """Text and label: `each` different questions of three classes, told apart by their words."""
    pairs = [(a, b) for a in THINGS for b in THINGS if a != b][: (each + 1) // 2]
    return [
        (form.format(a, b), label)
        for label, forms in FORMS.items()
        for form, (a, b) in [(form, pair) for pair in pairs for form in forms][:each]
    ]


def delimited(rows: Iterable[Sequence[str]], *, header: str = "text,label") -> str:
    """Cells are as they are: quotation is the test's."""
    mark = "\t" if "\t" in header else ","
    return "\n".join([header, *(mark.join(row) for row in rows)]) + "\n"


def write(path: Path, rows: Rows | None = None, *, header: str = "text,label") -> Path:
    """A .csv, .tsv or .jsonl file, by the name."""
    rows = questions() if rows is None else rows
    if path.suffix == ".jsonl":
        names = header.split(",")
        lines = [json.dumps(dict(zip(names, row, strict=True))) for row in rows]
        path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    else:
        header = header.replace(",", "\t") if path.suffix == ".tsv" else header
        path.write_text(delimited(rows, header=header), encoding="utf-8")
    return path
