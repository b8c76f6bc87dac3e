"""A .jsonl file: an object for each text, one a line."""

import json
from collections.abc import Iterator

from pipeline.datasets.texts.delimited import Row


class JsonLines:
    """Its columns are the keys of the first object."""

    def __init__(self, text: str) -> None:
        lines = enumerate(text.split("\n"), start=1)
        self.read = [(number, _row(line)) for number, line in lines if line.strip()]
        first = next((row for _, row in self.read if not isinstance(row, str)), {})
        self.columns = list(first)

    def rows(self) -> Iterator[tuple[int, Row]]:
        for number, row in self.read:
            missing = [] if isinstance(row, str) else [c for c in self.columns if c not in row]
            yield number, f"no key '{missing[0]}', as the first object has" if missing else row


def _row(line: str) -> Row:
    try:
        made = json.loads(line)
    except (ValueError, RecursionError) as error:
        return f"not JSON: {error}"
    if isinstance(made, dict):
        return made
    return 'not an object, as {"text": "…", "label": "…"} is'
