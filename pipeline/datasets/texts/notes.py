"""What a user should know of their texts before anything trains on them, in sentences."""

from collections import Counter
from collections.abc import Iterator

from pipeline.datasets.splits import Split
from pipeline.datasets.texts.classes import alike
from pipeline.datasets.texts.copies import copies_of, copy_notes
from pipeline.datasets.texts.source import Source
from pipeline.datasets.texts.vocabulary import lengths
from targets.errors import listed
from targets.texts.tokens import CLS, PAD, UNK

UNEVEN = 1.5
"""Training texts of the largest class over those of the smallest above which top-1 says little."""
MOST = 10
"""Classes that are named."""


def notes_on(source: Source) -> Iterator[str]:
    """First what there is, then what was decided, then what may be a mistake."""
    yield _counts(source)
    yield _classes(source)
    yield _vocabulary(source)
    yield _length(source)
    yield from source.about_files
    yield from alike(source.classes)
    yield from _missing(source)
    yield from copy_notes(copies_of(source.entries, source.copies))


def _counts(source: Source) -> str:
    parts = ", ".join(f"{len(source.splits[split]):,} {split}" for split in Split)
    read = {"text": source.columns.text, "label": source.columns.label}
    if source.columns.split is not None:
        read["split"] = source.columns.split
    columns = ", ".join(f"{role} from '{name}'" for role, name in read.items())
    return f"{len(source.entries):,} texts ({parts}): {columns}."


def _classes(source: Source) -> str:
    rows = source.splits[Split.TRAIN].tolist()
    counts = Counter(source.entries[row].label for row in rows)
    shown = listed([f"{name} {counts[name]:,}" for name in source.classes], most=MOST)
    most, least = max(counts.values()), min(counts.values())
    uneven = (
        f" The largest has {most / least:.1f} times as many as the smallest: see balanced accuracy "
        "beside top-1, and distill.balance."
    )
    many = uneven if most > UNEVEN * least else ""
    return f"{len(source.classes)} classes, training texts: {shown}.{many}"


def _missing(source: Source) -> Iterator[str]:
    for split in (Split.VAL, Split.TEST):
        there = {source.entries[row].label for row in source.splits[split].tolist()}
        names = [name for name in source.classes if name not in there]
        if names:
            yield f"Without a {split} text: {listed(names, most=MOST)}."


def _vocabulary(source: Source) -> str:
    tokenizer = source.tokenizer
    what = "words that training texts have twice" if tokenizer.kind == "words" else "pieces"
    held = source.dataset[Split.VAL].raw
    words = (held != PAD) & (held != CLS)
    unknown = 100 * (held[words] == UNK).mean()
    return (
        f"{len(tokenizer.vocabulary):,} tokens, {what}; of those of the validation texts, "
        f"{unknown:.1f} % are unknown."
    )


def _length(source: Source) -> str:
    length = source.tokenizer.length
    cut = {
        split: sum(n > length for n in lengths(source.texts(split), source.tokenizer.vocabulary))
        for split in Split
    }
    if not any(cut.values()):
        return f"Length {length} tokens; no text is longer."
    parts = ", ".join(f"{count:,} {split}" for split, count in cut.items() if count)
    return f"Length {length} tokens; longer texts are cut: {parts} (dataset.length)."
