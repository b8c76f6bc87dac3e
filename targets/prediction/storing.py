"""Picture files as the raw inputs of a model in one .npy, for a program that has no pictures."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from targets.ahead import ahead
from targets.images.preprocessing import Preprocessing
from targets.images.reading import Pixels, UnreadablePictureError, read
from targets.prediction.classifier import readers


def store(
    paths: Sequence[Path],
    preprocessing: Preprocessing,
    to: Path,
    *,
    done: Callable[[], object] = lambda: None,
) -> list[tuple[Path, str]]:
    """Write `to`, uint8 [files, height, width, channels]; a few pictures are in memory at a time.

    Returns the files that cannot be read, and why; `to` then has zeros for them. `done` is called
    after each file.
    """
    shape = preprocessing.height, preprocessing.width, preprocessing.channels

    def prepared(path: Path) -> Pixels:
        return preprocessing(read(path, channels=preprocessing.channels))

    unreadable = []
    with to.open("wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": (len(paths), *shape)}
        np.lib.format.write_array_header_1_0(file, header)  # type: ignore[no-untyped-call]
        for future, path in ahead(prepared, paths, threads=readers()):
            try:
                pixels = future.result()
            except UnreadablePictureError as error:
                unreadable.append((path, str(error)))
                pixels = np.zeros(shape, np.uint8)
            file.write(pixels.tobytes())
            done()
    return unreadable
