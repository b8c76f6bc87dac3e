"""What a user should know of their data, in sentences for the console and the page."""

from collections.abc import Iterator, Sequence

from pipeline.datasets.audit.leaks import listed
from pipeline.datasets.audit.schema import Audit, Files, Sizes

NAMED = 5
UNEVEN = 1.5
"""Imbalance of the classes from which it is mentioned."""


def facts(audit: Audit) -> list[str]:
    """What the pictures are: sizes and kinds of files."""
    sizes = [] if audit.sizes is None else list(_sizes(audit.sizes, audit.pictures))
    return [*sizes, *_files(audit.files)]


def warnings(audit: Audit) -> list[str]:
    """What may be a mistake, the most serious first."""
    return [
        *_copies(audit),
        *_labels(audit),
        *_unreadable(audit),
    ]


def _sizes(sizes: Sizes, pictures: int) -> Iterator[str]:
    low, middle, high = (
        f"{getattr(sizes.width, part)}x{getattr(sizes.height, part)}"
        for part in ("min", "median", "max")
    )
    same = low == high
    yield (
        f"All pictures are {low}."
        if same
        else (
            f"Width x height: smallest {low}, median {middle}, largest {high}, each side by itself."
        )
    )
    if sizes.upscaled:
        share = 100 * sizes.upscaled / pictures
        yield (
            f"{sizes.upscaled:,} pictures ({share:.1f} %) are smaller than the {sizes.used} pixels "
            "of the images and are scaled up."
        )


def _files(files: Files) -> Iterator[str]:
    if len(files.formats) > 1:
        yield "Formats: " + ", ".join(f"{name} {n:,}" for name, n in files.formats.items()) + "."
    if files.wrong_extension:
        named_files = [f"{path} is {kind}" for path, kind in files.wrong_extension_shown]
        shown = _listed(named_files, of=files.wrong_extension)
        yield f"{files.wrong_extension:,} with the extension of another format: {shown}."
    for count, what in (
        (files.alpha, "with transparency, laid over white"),
        (files.deep, "of 16 bits, scaled to 8"),
        (files.grey, "grey"),
    ):
        if count:
            yield f"{count:,} {what}."


def _copies(audit: Audit) -> Iterator[str]:
    leaks, conflicts, every = audit.leaks, audit.conflicts, audit.duplicates
    if leaks.count:
        shares = [f"{100 * s:.2f} % of {split}" for split, s in leaks.near_share.items()]
        near = f" Such near copies are {', '.join(shares)}." if shares else ""
        yield f"In two splits: {listed(leaks)}.{near}"
    if conflicts.count:
        yield f"Under two labels, of which one is wrong: {listed(conflicts)}."
    if every.count > max(leaks.count, conflicts.count):
        yield f"Within and across splits: {listed(every)}."


def _labels(audit: Audit) -> Iterator[str]:
    for names in audit.label_variants:
        yield (
            f"Labels that look alike count as {len(names)} classes: "
            f"{', '.join(map(repr, names))}. If they are one class, give them one name, or set "
            "dataset.merge_labels = true."
        )
    for split, missing in audit.missing.items():
        yield f"Without a picture in {split}: {_listed(list(missing), of=len(missing))}."
    if audit.imbalance is not None and audit.imbalance > UNEVEN:
        yield (
            f"The largest class has {audit.imbalance:.1f} times as many training pictures as the "
            "smallest: see balanced accuracy beside top-1, and distill.balance."
        )


def _unreadable(audit: Audit) -> Iterator[str]:
    if audit.unreadable:
        shown = [f"{one.path} ({one.reason})" for one in audit.unreadable_shown]
        yield f"{audit.unreadable:,} files cannot be read: {_listed(shown, of=audit.unreadable)}."


def _listed(items: Sequence[str], *, of: int) -> str:
    """The first items, and how many more there are of all `of`."""
    more = of - NAMED
    text = ", ".join(item if item.isprintable() else repr(item) for item in items[:NAMED])
    return f"{text}, and {more:,} more" if more > 0 else text
