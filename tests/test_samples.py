"""Labels in another form are refused with the line that makes them what they must be."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from targets.bench.samples import read
from targets.errors import InputError

LABELS = np.array([0, 2, 1, 2])
TEXT = np.array(["a", "c", "b", "c"])


def given(tmp_path: Path, labels: Any) -> Path:
    path = tmp_path / "data.npz"
    np.savez(path, images=np.zeros((len(LABELS), 2, 2, 3), np.uint8), labels=labels)
    return path


@pytest.mark.parametrize(
    "labels",
    [
        LABELS[:, None],
        np.eye(3)[LABELS],
        np.eye(3, dtype=bool)[LABELS],
        LABELS.astype(np.float32),
        LABELS == 2,
        TEXT,
        TEXT.astype("S"),
    ],
    ids=["column", "one-hot", "one-hot bool", "float", "bool", "text", "bytes"],
)
def test_the_line_that_is_said_makes_labels_of_them(tmp_path: Path, labels: Any) -> None:
    with pytest.raises(
        InputError, match="one whole number for each of the 4 samples: labels = "
    ) as no:
        read(given(tmp_path, labels), tmp_path)
    line = str(no.value).rpartition("labels = ")[2].removesuffix(".").partition(", where")[0]
    mended = read(given(tmp_path, eval(line, {"np": np, "labels": labels})), tmp_path).labels
    assert mended is not None
    assert (
        mended.tolist()
        == ((LABELS == 2) if labels.dtype == bool and labels.ndim == 1 else LABELS).tolist()
    )


@pytest.mark.parametrize(
    "labels", [np.zeros(3, int), np.zeros((4, 3)), np.array([0.5, 1, 2, 0])],
    ids=["too few", "no class or several", "fractions"],
)  # fmt: skip
def test_what_no_line_can_mend_is_told_without_one(tmp_path: Path, labels: Any) -> None:
    with pytest.raises(InputError, match=r"one whole number for each of the 4 samples\.$"):
        read(given(tmp_path, labels), tmp_path)


def test_objects_are_told(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds Python objects.*labels\.astype\(str\)"):
        read(given(tmp_path, TEXT.astype(object)), tmp_path)
