"""scikit-learn's 1,797 handwritten digits (UCI Optical Recognition), at 28x28 and 0-255.

It is part of scikit-learn, so the default recipe needs no download. Source: E. Alpaydin,
C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository, 1998.
"""

from importlib.util import find_spec
from pathlib import Path

import numpy as np
import numpy.typing as npt

from pipeline.datasets.contract import SourceConfig
from pipeline.datasets.image_files import how_to_read
from pipeline.datasets.on_access import Images
from pipeline.datasets.splits import Dataset, Samples, three_way
from pipeline.recipe.section import NoSettings
from targets.errors import InputError, missing_package
from targets.files.digest import file_sha256
from targets.formats.input_spec import Kind

SIDE = 28

Settings = NoSettings
KIND: Kind = "image"


def source_digest(cfg: SourceConfig) -> str:
    if cfg.path is not None:
        way = how_to_read(cfg.path)
        raise InputError(
            f"--data {cfg.path}: the data set digits is embedded and takes no file. "
            + (way or "For your own images add --set dataset.name=npz, or folder for pictures.")
        )
    return file_sha256(_source())


def load(cfg: SourceConfig) -> Dataset:
    digest = source_digest(cfg)
    from sklearn.datasets import load_digits

    small, labels = load_digits(return_X_y=True)
    samples = Samples(raw=enlarge(small.reshape(-1, 8, 8)), labels=labels.astype(np.int64))
    return Dataset(
        name="digits",
        classes=tuple("0123456789"),
        splits=three_way(
            samples,
            validation=cfg.validation,
            test=cfg.test,
            seed=cfg.split_seed,
            name="digits",
        ),
        sha256=digest,
    )


def enlarge(small: npt.NDArray[np.float64]) -> Images:
    """Values 0-16 at 8x8 as pixels 0-255 at 28x28, bilinear; [n, 8, 8] to [n, 28, 28, 1]."""
    from PIL import Image

    def one(image: npt.NDArray[np.float64]) -> npt.NDArray[np.float32]:
        scaled = Image.fromarray((image * (255 / 16)).astype(np.float32))
        return np.asarray(scaled.resize((SIDE, SIDE), Image.Resampling.BILINEAR))

    pixels: Images = np.stack([one(image) for image in small]).round().astype(np.uint8)
    return pixels[..., np.newaxis]


def _source() -> Path:
    # find_spec imports nothing; importing sklearn would take a second.
    package = find_spec("sklearn")
    if package is None or package.origin is None:
        raise missing_package("scikit-learn", needed_for="data set digits")
    return Path(package.origin).parent / "datasets" / "data" / "digits.csv.gz"
