"""Files that cannot be used end a run before anything trains, unless they are to be left out."""

from collections.abc import Mapping

from targets.errors import InputError, listed


def require_readable(bad: Mapping[str, str], *, name: str, total: int) -> None:
    """`bad` is path -> reason, `total` the number of all files."""
    if not bad:
        return
    files = [f"{path} ({reason})" for path, reason in bad.items()]
    raise InputError(
        f"data set {name}: {len(bad):,} of the {total:,} files cannot be used: "
        f"{listed(files, separator='; ')}. Replace or remove them, or go on without them: "
        "--skip-bad."
    )
