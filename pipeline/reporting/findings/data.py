"""What a user should know of their data, in sentences for the console and the page."""

from collections.abc import Iterator

from pipeline.datasets.audit import leaks
from pipeline.datasets.audit.schema import Audit, Files, Sizes
from pipeline.reporting.schema.report import DatasetUsed
from targets.errors import listed

NAMED = 5
UNEVEN = 1.5
"""Imbalance of the classes above which top-1 is not enough: it says little of small classes."""


def uneven(dataset: DatasetUsed) -> bool:
    """Whether the classes of the training or the test split are uneven."""
    trained = dataset.audit.imbalance if dataset.audit else None
    return max(dataset.test_imbalance or 1, trained or 1) > UNEVEN


def facts(audit: Audit) -> list[str]:
    """What the pictures are, sizes and kinds of files, and what was left out."""
    sizes = [] if audit.sizes is None else list(_sizes(audit.sizes, audit.pictures))
    return [*sizes, *_files(audit.files), *audit.notes]


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
        shown = listed(named_files, most=NAMED, of=files.wrong_extension)
        yield f"With the extension of another format: {files.wrong_extension:,} ({shown})."
    for count, what in (
        (files.alpha, "Transparent, laid over white"),
        (files.deep, "16 bits, scaled to 8"),
        (files.grey, "Grey"),
    ):
        if count:
            yield f"{what}: {count:,}."


def _copies(audit: Audit) -> Iterator[str]:
    shared, conflicts, every = audit.leaks, audit.conflicts, audit.duplicates
    if shared.count:
        shares = [f"{100 * s:.2f} % of {split}" for split, s in shared.near_share.items()]
        near = f" Such near copies are {', '.join(shares)}." if shares else ""
        yield f"In two splits: {leaks.listed(shared)}.{near}"
    if conflicts.count:
        yield f"Under two labels, of which one is wrong: {leaks.listed(conflicts)}."
    if every.count > max(shared.count, conflicts.count):
        yield f"Within and across splits: {leaks.listed(every)}."


def _labels(audit: Audit) -> Iterator[str]:
    for names in audit.label_variants:
        yield (
            f"Labels that look alike count as {len(names)} classes: "
            f"{', '.join(map(repr, names))}. If they are one class, give them one name, or set "
            "dataset.merge_labels = true."
        )
    for split, missing in audit.missing.items():
        yield f"Without a picture in {split}: {listed(missing, most=NAMED)}."
    if audit.imbalance is not None and audit.imbalance > UNEVEN:
        yield (
            f"The largest class has {audit.imbalance:.1f} times as many training pictures as the "
            "smallest: see balanced accuracy beside top-1, and distill.balance."
        )


def _unreadable(audit: Audit) -> Iterator[str]:
    if audit.unreadable:
        files = [f"{one.path} ({one.reason})" for one in audit.unreadable_shown]
        yield f"Unreadable: {listed(files, most=NAMED, of=audit.unreadable)}."
