"""Picture files as pixels, and pixels as the input of a model."""

import io
import struct
import tracemalloc
import warnings
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Literal

import numpy as np
import numpy.typing as npt
import pytest
from PIL import Image

from targets.images.preprocessing import GREY, Preprocessing
from targets.images.reading import UnreadablePictureError, read

Pixels = npt.NDArray[np.uint8]
RED, GREEN, BLUE = (250, 10, 20), (10, 240, 30), (20, 30, 230)
ORIENTATION = 0x0112


def picture(*, height: int = 8, width: int = 12) -> Pixels:
    """Red on the left, green at the top right, blue at the bottom right."""
    pixels = np.full((height, width, 3), BLUE, np.uint8)
    pixels[: height // 2] = GREEN
    pixels[:, : width // 2] = RED
    return pixels


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


def png(width: int, height: int) -> bytes:
    """A PNG whose header claims this size; its one row of data is far too short."""

    def chunk(name: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + name + content + struct.pack(
            ">I", zlib.crc32(name + content)
        )  # fmt: skip

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(bytes(1000)))
    return b"\x89PNG\r\n\x1a\n" + head + data + chunk(b"IEND", b"")


@pytest.mark.parametrize("kind", ["PNG", "BMP", "TIFF", "PPM"])
def test_lossless_files_give_their_pixels(kind: str) -> None:
    pixels = picture()
    assert np.array_equal(read(encoded(Image.fromarray(pixels), kind)), pixels)


@pytest.mark.parametrize("kind", ["JPEG", "WEBP", "MPO"])
def test_lossy_files_give_nearly_their_pixels(kind: str) -> None:
    pixels = picture(height=64, width=96)
    found = read(encoded(Image.fromarray(pixels), kind, quality=95))
    assert np.abs(found.astype(int) - pixels).mean() < 4


def test_the_contents_decide_and_not_the_name(tmp_path: Path) -> None:
    path = tmp_path / "photo.jpg"
    path.write_bytes(encoded(Image.fromarray(picture()), "PNG"))
    assert np.array_equal(read(path), picture())


def test_any_name_can_be_read(tmp_path: Path) -> None:
    path = tmp_path / 'a "quoted"\nname, with a comma.png'
    path.write_bytes(encoded(Image.fromarray(picture()), "PNG"))
    assert np.array_equal(read(path), picture())


UPRIGHT: dict[int, Callable[[Pixels], Pixels]] = {
    1: lambda p: p,
    2: lambda p: p[:, ::-1],
    3: lambda p: p[::-1, ::-1],
    4: lambda p: p[::-1],
    5: lambda p: p.transpose(1, 0, 2),
    6: lambda p: np.rot90(p, -1),
    7: lambda p: p[::-1, ::-1].transpose(1, 0, 2),
    8: lambda p: np.rot90(p, 1),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
def test_exif_rotation_is_applied(orientation: int) -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    stored = encoded(Image.fromarray(picture()), "PNG", exif=exif)
    assert np.array_equal(read(stored), UPRIGHT[orientation](picture()))


def test_sixteen_bits_keep_their_brightness() -> None:
    values = np.array([[0, 257, 257 * 100, 257 * 200, 65535]], np.uint16)
    found = read(encoded(Image.fromarray(values), "PNG"), channels=1)
    assert found[0, :, 0].tolist() == [0, 1, 100, 200, 255]


def test_sixteen_bits_are_turned_upright_too() -> None:
    exif = Image.Exif()
    exif[ORIENTATION] = 6
    values = (np.arange(6).reshape(2, 3) * 257 * 20).astype(np.uint16)
    found = read(encoded(Image.fromarray(values), "PNG", exif=exif), channels=1)
    assert np.array_equal(found[..., 0], np.rot90(values // 257, -1))


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.zeros((2, 2), np.float32), "floating-point"),
        (np.full((2, 2), 70000, np.int32), "32-bit"),
    ],
)
def test_pixels_of_an_unknown_range_are_refused(values: Pixels, reason: str) -> None:
    with pytest.raises(UnreadablePictureError, match=reason):
        read(encoded(Image.fromarray(values), "TIFF"))


def test_cmyk_becomes_rgb() -> None:
    image = Image.new("CMYK", (16, 16), (0, 255, 255, 0))  # magenta and yellow: red
    for kind in ("JPEG", "TIFF"):
        red, green, blue = read(encoded(image, kind))[8, 8].tolist()
        assert red > 200, kind
        assert max(green, blue) < 60, kind


def test_a_palette_gives_its_colours() -> None:
    image = Image.fromarray(picture()).quantize(3)
    assert image.mode == "P"
    assert np.abs(read(encoded(image, "PNG")).astype(int) - picture()).max() <= 4


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_what_is_transparent_is_white(mode: str) -> None:
    image = Image.new("RGBA", (4, 2), (0, 0, 0, 0))
    image.paste((0, 0, 0, 255), (0, 0, 2, 2))
    found = read(encoded(image.convert(mode), "PNG"))
    assert found[:, :2].max() == 0
    assert found[:, 2:].min() == 255


def test_half_transparent_black_is_grey() -> None:
    assert (
        read(encoded(Image.new("RGBA", (2, 2), (0, 0, 0, 128)), "PNG"))[0, 0].tolist() == [127] * 3
    )


def test_of_an_animation_the_first_frame_counts() -> None:
    first, second = (Image.new("RGB", (6, 4), colour) for colour in (RED, BLUE))
    for kind in ("GIF", "WEBP"):
        found = read(encoded(first, kind, save_all=True, append_images=[second], lossless=True))
        assert np.abs(found.astype(int) - RED).max() <= 8, kind


def test_of_a_phone_s_pair_of_pictures_the_first_counts() -> None:
    first, second = (Image.new("RGB", (16, 16), colour) for colour in (RED, BLUE))
    stored = encoded(first, "MPO", save_all=True, append_images=[second], quality=95)
    assert np.abs(read(stored).astype(int) - RED).max() <= 8


def test_grey_has_three_equal_channels_or_one() -> None:
    values = np.arange(24, dtype=np.uint8).reshape(4, 6) * 10
    stored = encoded(Image.fromarray(values), "PNG")
    assert np.array_equal(read(stored, channels=1), values[..., np.newaxis])
    assert np.array_equal(read(stored), np.repeat(values[..., np.newaxis], 3, axis=2))


def test_one_channel_of_a_colour_is_its_brightness() -> None:
    stored = encoded(Image.new("RGB", (2, 2), (255, 0, 0)), "PNG")
    assert read(stored, channels=1)[0, 0, 0] == 76  # 0.299 * 255, ITU-R 601


def broken() -> dict[str, tuple[bytes, str]]:
    jpeg = encoded(Image.fromarray(picture(height=64, width=96)), "JPEG")
    whole = encoded(Image.fromarray(picture(height=64, width=96)), "PNG")
    return {
        "empty": (b"", "empty file"),
        "html": (b"<html><body>404</body></html>", "not a picture"),
        "text": (b"hello", "not a picture"),
        "half a jpeg": (jpeg[: len(jpeg) // 2], "broken: (?i:truncated)"),
        "half a png": (whole[: len(whole) // 2], "broken"),
        "head of a jpeg": (jpeg[:20], "not a picture|broken"),
        "a bomb": (png(30_000, 30_000), "more than 178,956,970"),
        "just too large": (png(13_378, 13_378), "more than 178,956,970"),
        "data of another size": (png(300, 300), "broken"),
    }


@pytest.mark.parametrize("name", broken())
def test_a_broken_file_has_its_reason_in_one_line(name: str) -> None:
    content, reason = broken()[name]
    with pytest.raises(UnreadablePictureError, match=reason) as error:
        read(content)
    assert "\n" not in str(error.value)


def test_a_bomb_takes_no_memory() -> None:
    tracemalloc.start()
    with pytest.raises(UnreadablePictureError):
        read(png(30_000, 30_000))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2_000_000


def test_what_is_not_there_or_a_folder_has_its_reason(tmp_path: Path) -> None:
    with pytest.raises(UnreadablePictureError, match="No such file"):
        read(tmp_path / "missing.png")
    with pytest.raises(UnreadablePictureError, match="directory"):
        read(tmp_path)


def test_warnings_are_as_before_when_threads_have_read_pictures() -> None:
    stored = encoded(Image.fromarray(picture(height=90, width=120)), "PNG")
    before = list(warnings.filters)
    with ThreadPoolExecutor(4) as pool:
        for _ in range(5):
            list(pool.map(read, [stored] * 40))
            assert list(warnings.filters) == before


Fit = Literal["crop", "pad", "stretch"]


def fitted(pixels: Pixels, height: int, width: int, fit: Fit) -> Pixels:
    return Preprocessing(height=height, width=width, fit=fit)(pixels)


def bands(height: int, *widths: int) -> Pixels:
    """Vertical bands of red, green and blue."""
    colours = [
        np.full((height, w, 3), c, np.uint8)
        for w, c in zip(widths, (RED, GREEN, BLUE), strict=False)
    ]
    return np.concatenate(colours, axis=1)


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
def test_a_picture_of_the_input_s_size_is_not_changed(fit: Fit) -> None:
    assert np.array_equal(fitted(picture(), 8, 12, fit), picture())


@pytest.mark.parametrize("fit", ["crop", "pad", "stretch"])
@pytest.mark.parametrize("size", [(96, 96), (64, 96), (7, 5), (1, 1)])
@pytest.mark.parametrize("of", [(480, 640), (30, 20), (1, 500), (500, 1), (1, 1)])
def test_every_picture_gets_the_size(fit: Fit, size: tuple[int, int], of: tuple[int, int]) -> None:
    random = np.random.default_rng(0).integers(0, 256, (*of, 3), np.uint8)
    found = fitted(random, *size, fit)
    assert found.shape == (*size, 3)
    assert found.dtype == np.uint8


def test_one_channel_stays_one() -> None:
    grey = np.full((30, 50, 1), 77, np.uint8)
    for fit in ("crop", "pad", "stretch"):
        found = Preprocessing(height=20, width=20, channels=1, fit=fit)(grey)
        assert found.shape == (20, 20, 1)
        assert found[10, 10, 0] == 77


def test_crop_takes_the_centre_and_keeps_the_aspect() -> None:
    wide = bands(100, 60, 80, 60)  # of 200 columns the middle 100 stay: 10 red, 80 green, 10 blue
    found = fitted(wide, 50, 50, "crop")
    assert found[25, 8:42].tolist() == [list(GREEN)] * 34
    assert found[25, 0].tolist() == list(RED)
    assert found[25, -1].tolist() == list(BLUE)
    tall = fitted(wide.transpose(1, 0, 2), 50, 50, "crop")
    assert np.array_equal(tall, found.transpose(1, 0, 2))


def test_crop_takes_the_largest_box_of_the_input_s_aspect() -> None:
    found = fitted(bands(100, 50, 100, 50), 50, 100, "crop")  # 200 x 100 has that aspect
    assert found[:, :20].reshape(-1, 3).tolist() == [list(RED)] * 1000
    assert found[:, -20:].reshape(-1, 3).tolist() == [list(BLUE)] * 1000


def test_pad_keeps_the_whole_picture_between_grey_bars() -> None:
    found = fitted(bands(100, 50, 100, 50), 80, 80, "pad")  # 40 high, 20 of grey on either side
    assert np.all(found[:20] == GREY)
    assert np.all(found[60:] == GREY)
    assert found[20:60, :18].reshape(-1, 3).tolist() == [list(RED)] * 720
    assert found[20:60, 22:58].reshape(-1, 3).tolist() == [list(GREEN)] * 1440
    assert found[20:60, 62:].reshape(-1, 3).tolist() == [list(BLUE)] * 720


def test_stretch_takes_the_whole_picture() -> None:
    found = fitted(bands(100, 50, 100, 50), 80, 80, "stretch")
    assert found[:, :18].reshape(-1, 3).tolist() == [list(RED)] * 1440
    assert found[:, 62:].reshape(-1, 3).tolist() == [list(BLUE)] * 1440


def test_a_smaller_picture_averages_areas() -> None:
    """Sampling without a filter would give black or white."""
    board = (np.indices((64, 64)).sum(axis=0) % 2 * 255).astype(np.uint8)
    found = fitted(np.repeat(board[..., np.newaxis], 3, axis=2), 8, 8, "stretch")
    assert np.abs(found.astype(int) - 128).max() <= 2


def test_a_larger_picture_is_interpolated_between_pixels() -> None:
    ends = np.array([[[0, 0, 0], [240, 240, 240]]], np.uint8)
    row = fitted(ends, 1, 8, "stretch")[0, :, 0].astype(int)
    assert row[0] == 0
    assert row[-1] == 240
    assert np.all(np.diff(row) >= 0)
    assert abs(int(row[3]) + int(row[4]) - 240) <= 1


def test_an_odd_margin_moves_the_crop_by_half_a_pixel() -> None:
    """The box has fractions: no side is favoured."""
    ramp = np.repeat(np.arange(0, 210, 10, dtype=np.uint8)[np.newaxis, :, np.newaxis], 10, axis=0)
    found = Preprocessing(height=10, width=10, channels=1)(ramp)[5, :, 0].astype(int)
    assert abs((found[0] + found[-1]) / 2 - 100) <= 1
