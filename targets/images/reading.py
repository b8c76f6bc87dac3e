"""A picture file as upright 8-bit pixels, by its contents and not by its name.

Every place that reads a picture uses this module: training, measurement and `predict` get the same
pixels. Pillow decides the format; formats that start another program (EPS) are left out.
"""

import io
import struct
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, Literal

import numpy as np
import numpy.typing as npt

from targets.errors import UnreadableError
from targets.images.silence import without_warnings

if TYPE_CHECKING:
    from PIL.Image import Image

Pixels = npt.NDArray[np.uint8]
Channels = Literal[1, 3]

FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "PNG", "PPM", "TIFF", "WEBP")
"""JPEG includes MPO, which several phones write as .jpg: Pillow opens both by this name."""

MAX_PIXELS = 178_956_970
"""Pillow's own limit, above which it takes a file for a decompression bomb: 512 MiB of RGB."""

WHITE = 255
DEEP = ("I;16", "I;16B", "I;16L", "I;16N", "I")
"""Modes with 16 bits, which Pillow's `convert` turns white (pytorch/vision#2218)."""
GREY = ("1", "L", "LA", "La", *DEEP)
"""Modes without colour."""

FAILURES = (OSError, SyntaxError, ValueError, EOFError, KeyError, IndexError, TypeError,
            struct.error, zlib.error, OverflowError, MemoryError)  # fmt: skip
"""What Pillow's decoders raise for broken files."""


class UnreadablePictureError(UnreadableError):
    """Why a file is not a picture, in a few words without its name."""


def read(source: Path | bytes, *, channels: Channels = 3) -> Pixels:
    """The picture as [height, width, channels]; RGB, or brightness with one channel.

    EXIF rotation is applied, transparent pixels are laid over white, 16-bit values become
    value/257, of an animation the first frame counts. Raises `UnreadablePictureError`.
    """
    return pixels(opened(source), channels=channels)


def opened(source: Path | bytes) -> "Image":
    """The picture with its metadata, decoded; its `mode` and `format` are those of the file."""
    try:
        content = source if isinstance(source, bytes) else source.read_bytes()
    except OSError as error:
        raise UnreadablePictureError(error.strerror or str(error)) from error
    if not content:
        raise UnreadablePictureError("empty file")
    with _explained():
        image = _recognised(io.BytesIO(content))
        image.load()
    return image


def header(path: Path) -> tuple[int, int, str]:
    """Width, height and mode as the file has them: before its rotation, and nothing is decoded."""
    with _explained(), path.open("rb") as file:
        image = _recognised(file)
        return image.width, image.height, image.mode


def _recognised(file: BinaryIO) -> "Image":
    from PIL import Image

    Image.init()
    # Pillow raises KeyError for a format that it was built without, as AVIF.
    image = Image.open(file, formats=[name for name in FORMATS if name in Image.OPEN])
    _require_size(image)
    return image


@contextmanager
def _explained() -> Iterator[None]:
    """What Pillow raises as `UnreadablePictureError`."""
    from PIL import Image, UnidentifiedImageError

    try:
        with without_warnings():  # Pillow warns of large pictures and of odd metadata
            yield
    except UnidentifiedImageError as error:
        raise UnreadablePictureError("not a picture") from error
    except Image.DecompressionBombError as error:
        raise UnreadablePictureError(f"more than {MAX_PIXELS:,} pixels") from error
    except FAILURES as error:
        raise UnreadablePictureError(f"broken: {_first_line(error)}") from error


def pixels(image: "Image", *, channels: Channels) -> Pixels:
    """The upright pixels of an opened picture, [height, width, channels]."""
    from PIL import ImageOps

    try:
        eight_bit = _eight_bit(image)
        upright = ImageOps.exif_transpose(eight_bit)
        flat = over_white(upright).convert("RGB" if channels == 3 else "L")
    except FAILURES as error:
        raise UnreadablePictureError(f"broken: {_first_line(error)}") from error
    values = np.asarray(flat)
    return values if channels == 3 else values[..., np.newaxis]


def has_alpha(image: "Image") -> bool:
    """Whether some pixels may be transparent."""
    return image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info


def over_white(image: "Image") -> "Image":
    """The picture on a white background, if it can be transparent."""
    from PIL import Image

    if not has_alpha(image):
        return image
    layer = image.convert("RGBA")
    background = Image.new("RGBA", layer.size, (WHITE, WHITE, WHITE, WHITE))
    return Image.alpha_composite(background, layer)


def _require_size(image: "Image") -> None:
    if image.width * image.height > MAX_PIXELS:
        raise UnreadablePictureError(
            f"{image.width}x{image.height} pixels, more than {MAX_PIXELS:,}"
        )


def _eight_bit(image: "Image") -> "Image":
    """The picture with 8 bits a channel; its metadata, and so its rotation, is kept."""
    from PIL import Image

    if image.mode == "F":
        raise UnreadablePictureError("floating-point pixels, whose range is not known")
    if image.mode not in DEEP:
        return image
    values = np.asarray(image)
    if values.min() < 0 or values.max() > 0xFFFF:
        raise UnreadablePictureError("32-bit pixels, whose range is not known")
    shallow = Image.fromarray((values / 257).round().astype(np.uint8))
    shallow.info = {key: value for key, value in image.info.items() if key != "transparency"}
    shallow.getexif().update(image.getexif())
    return shallow


def _first_line(error: BaseException) -> str:
    return next(iter(str(error).splitlines()), "") or type(error).__name__
