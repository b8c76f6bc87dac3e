"""Files that cannot be used end a run before anything trains, unless they are to be left out."""

from collections.abc import Mapping

from targets.errors import InputError

SHOWN = 20
"""Files that the error lists."""


def require_readable(bad: Mapping[str, str], *, name: str, total: int) -> None:
    """`bad` is path -> reason, `total` the number of all files."""
    if not bad:
        return
    lines = [
        f"{path if path.isprintable() else repr(path)} ({reason})"
        for path, reason in list(bad.items())[:SHOWN]
    ]
    more = f"; and {len(bad) - SHOWN:,} more" if len(bad) > SHOWN else ""
    raise InputError(
        f"data set {name}: {len(bad):,} of the {total:,} files cannot be used: "
        f"{'; '.join(lines)}{more}. Replace or remove them, or go on without them: --skip-bad."
    )
