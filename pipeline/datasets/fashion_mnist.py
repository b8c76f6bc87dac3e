"""Fashion-MNIST: 60,000 + 10,000 grey images of ten kinds of clothing, 28x28 (MIT licence).

Sources in this order: `--data`, the cache, Debian's package `dataset-fashion-mnist`, a
download. Source: Xiao, Rasul, Vollgraf 2017, arXiv 1708.07747.
"""

import gzip
import hashlib
import zlib
from pathlib import Path

import numpy as np

from pipeline.datasets.contract import SourceConfig
from pipeline.datasets.splits import Dataset, Samples, Split, hold_out
from pipeline.recipe.section import NoSettings
from targets.errors import InputError
from targets.formats.input_spec import Kind

CLASSES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
    "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip

# sha256 of the decompressed IDX contents: the .gz files differ, as Debian compressed them again.
CONTENTS = {
    "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
}
DEBIAN = Path("/usr/share/datasets/fashion-mnist")
DOWNLOAD = "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/"
IDX_HEADER_BYTES = {"images": 16, "labels": 8}

Settings = NoSettings
KIND: Kind = "image"


def source_digest(cfg: SourceConfig) -> str:
    """Return one digest over those of the four contents, checked first: equal for all sources."""
    _contents(cfg)
    return hashlib.sha256("".join(CONTENTS.values()).encode()).hexdigest()


def load(cfg: SourceConfig) -> Dataset:
    raw = _contents(cfg)
    train = _samples(raw, "train")
    # The share is of the 60,000; the 10,000 are the test split of published results.
    trained, validated = hold_out(train, cfg.validation, seed=cfg.split_seed, name="fashion-mnist")
    return Dataset(
        name="fashion-mnist",
        classes=CLASSES,
        splits={Split.TRAIN: trained, Split.VAL: validated, Split.TEST: _samples(raw, "t10k")},
        sha256=source_digest(cfg),
    )


def _samples(raw: dict[str, bytes], part: str) -> Samples:
    images = raw[f"{part}-images-idx3-ubyte"][IDX_HEADER_BYTES["images"] :]
    labels = raw[f"{part}-labels-idx1-ubyte"][IDX_HEADER_BYTES["labels"] :]
    return Samples(
        raw=np.frombuffer(images, np.uint8).reshape(-1, 28, 28, 1),
        labels=np.frombuffer(labels, np.uint8).astype(np.int64),
    )


def _contents(cfg: SourceConfig) -> dict[str, bytes]:
    """The four decompressed files from the first source that has them."""
    return {name: _checked(path, name) for name, path in _files(cfg.path).items()}


def _files(folder: Path | None) -> dict[str, Path]:
    if folder is not None:
        found = _in_folder(folder)
        if found is None:
            raise InputError(
                f"fashion-mnist: --data {folder} does not hold the four files "
                f"{', '.join(CONTENTS)} (plain or .gz). {_remedies()}"
            )
        return found
    return _in_folder(cache_folder()) or _in_folder(DEBIAN) or _downloaded()


def cache_folder() -> Path:
    from platformdirs import user_cache_path

    return user_cache_path("edge-distill") / "fashion-mnist"


def _in_folder(folder: Path) -> dict[str, Path] | None:
    found = {
        name: path
        for name in CONTENTS
        for path in (folder / f"{name}.gz", folder / name)
        if path.is_file()
    }
    return found if len(found) == len(CONTENTS) else None


def _downloaded() -> dict[str, Path]:
    import pooch

    # The contents are checked by `_checked`; the .gz itself differs from source to source.
    fetcher = pooch.create(
        path=cache_folder(), base_url=DOWNLOAD, registry={f"{n}.gz": None for n in CONTENTS}
    )
    pooch.get_logger().setLevel("WARNING")
    try:
        return {name: Path(fetcher.fetch(f"{name}.gz")) for name in CONTENTS}
    except (OSError, ValueError) as error:  # requests' errors are OSErrors
        raise InputError(
            f"fashion-mnist: not in {cache_folder()}, not in {DEBIAN}, and the download failed "
            f"({type(error).__name__}). {_remedies()}"
        ) from error


def _checked(path: Path, name: str) -> bytes:
    """The decompressed contents of `path`; `InputError` if they are not the published ones."""
    try:
        raw = path.read_bytes()
        content = gzip.decompress(raw) if path.suffix == ".gz" else raw
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(
            f"fashion-mnist: {path} cannot be read ({error}); delete it. {_remedies()}"
        ) from error
    digest = hashlib.sha256(content).hexdigest()
    if digest != CONTENTS[name]:
        raise InputError(
            f"fashion-mnist: {path} is not the published file (sha256 of its contents {digest}, "
            f"expected {CONTENTS[name]}); delete it. {_remedies()}"
        )
    return content


def _remedies() -> str:
    return (
        "Any one of these helps: `apt-get install dataset-fashion-mnist` on Debian or Ubuntu; "
        f"put the four files into {cache_folder()}; give their folder with --data; or run once "
        "with a network connection."
    )
