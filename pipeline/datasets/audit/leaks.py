"""Which copies across splits stop a run.

The same file in two splits is a mistake of whoever made them. Near copies can be a property of a
published data set, whose figures everybody reports with them: 24 of the 10,000 test pictures of
CIFAR-10 are near copies of training pictures. At most `NEAR_LIMIT` of a split can change its
accuracy by that share, and by a tenth of it at 90 %: less than the interval of most test splits.
So few are a warning, more are an error.
"""

from pipeline.datasets.audit.schema import Audit, Leaks, Pairs, Picture
from targets.errors import InputError, printable

NEAR_LIMIT = 0.01
"""Largest share of a measured split that may have near copies in other splits."""
NAMED = 5


def stops(leaks: Leaks) -> bool:
    return leaks.exact > 0 or max(leaks.near_share.values(), default=0) > NEAR_LIMIT


def require_no_leaks(audit: Audit, *, name: str, allowed: bool) -> None:
    """Raise `InputError` where a measured split shares its pictures with another split.

    `allowed`: `dataset.allow_leaks` of the recipe.
    """
    if not allowed and stops(audit.leaks):
        raise InputError(
            f"data set {name}: in two splits: {listed(audit.leaks)}. Figures on these pictures "
            "would be too good: a model is trained, or chosen, on what it is measured on. Remove "
            "one picture of each pair, or set dataset.allow_leaks = true to go on with them. If "
            "the splits are drawn by seed, dataset.group_column keeps the pictures of a group in "
            "one split."
        )


def listed(pairs: Pairs) -> str:
    """The number of pairs by kind, and the first ones; names stay on one line."""
    more = f"; and {pairs.count - NAMED:,} more" if pairs.count > NAMED else ""
    kinds = f"{pairs.exact:,} of the same bytes, {pairs.near:,} encoded or scaled again"
    shown = "; ".join(
        f"{_named(pair.first)} {'=' if pair.kind == 'exact' else '~'} {_named(pair.second)}"
        for pair in pairs.shown[:NAMED]
    )
    noun = "pair" if pairs.count == 1 else "pairs"
    return f"{pairs.count:,} {noun} of copies ({kinds}): {shown}{more}"


def _named(picture: Picture) -> str:
    """The path, and the split where the path does not begin with it."""
    path = printable(picture.path)
    return path if path.startswith(f"{picture.split}/") else f"{path} ({picture.split})"
