"""The folder of a conversion: it replaces an earlier one of the same network, and nothing else."""

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pipeline.export.result import NAME
from targets.errors import InputError


def relative_path(model: Path, out: Path) -> str:
    """The place of `model` relative to `out`, so that both can be moved."""
    return Path(os.path.relpath(model.resolve(), out.resolve())).as_posix()


def require_replaceable(out: Path, *, model: Path, signature: str | None) -> None:
    """Raise `InputError` where `out` holds anything but a conversion of `model`."""
    if not out.exists() or (out.is_dir() and not any(out.iterdir())):
        return
    earlier = _earlier(out)
    if earlier is None:
        raise InputError(
            f"--out: {out} exists and holds no earlier conversion; it would be replaced. Choose "
            "another folder with --out."
        )
    identity = {
        "file": model.name, "path": relative_path(model, out), "signature": signature,
    }  # fmt: skip
    if any(identity[key] != value for key, value in earlier.items() if key in identity):
        raise InputError(
            f"--out: {out} holds the conversion of another model, {_shown(out, earlier)}, which "
            f"would be replaced. Choose another folder for that of {model} with --out."
        )


def _earlier(out: Path) -> dict[str, object] | None:
    """The model that an earlier conversion in `out`, of any version, was made from."""
    try:
        model: dict[str, object] = json.loads((out / NAME).read_text(encoding="utf-8"))["model"]
        return model if "file" in model else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _shown(out: Path, model: dict[str, object]) -> str:
    path = os.path.normpath(out / str(model["path"])) if "path" in model else model["file"]
    signature = model.get("signature")
    return f"{path}, signature {signature}" if signature else str(path)


@contextmanager
def workplace(out: Path) -> Iterator[tuple[Path, Path]]:
    """A folder that replaces `out` where the block succeeds, and a scratch folder."""
    from pipeline.engine.store import folder_beside, publish_folder

    out = out.absolute()
    with folder_beside(out) as work:
        for name in ("new", "scratch"):
            (work / name).mkdir()
        yield work / "new", work / "scratch"
        publish_folder(work / "new", out)
