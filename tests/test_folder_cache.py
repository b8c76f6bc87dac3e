"""The cache of decoded pictures, and the files that are none."""

import json
import os
import shutil
import signal
import struct
import subprocess
import sys
import time
import zlib
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from pipeline.datasets import folder
from pipeline.datasets.audit.pictures import PictureFacts, thumbnail
from pipeline.datasets.files.storage import write
from pipeline.datasets.folder import darkroom
from pipeline.datasets.folder.cached import Line
from pipeline.datasets.folder.source import fresh
from pipeline.datasets.splits import Split
from pipeline.engine import code
from pipeline.engine.progress import SilentConsole
from pipeline.engine.runner import Runner
from pipeline.engine.store import Store
from pipeline.recipe.load import Override, load
from targets.errors import InputError
from targets.files.digest import file_sha256
from targets.files.file_lock import waiting_lock
from targets.images.reading import read
from tests.folders import config, fill, loaded, picture


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An own cache folder."""
    monkeypatch.setenv("PIPELINE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "photos"


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    return fill(tmp_path / "pets", {"cat": 20, "dog": 24})


def decoded(place: Path) -> list[Path]:
    """The complete folders of decoded pictures."""
    return sorted(path.parent for path in place.glob("*/images.npy") if path.parent.suffix == "")


def age(root: Path, seconds: float) -> None:
    """As if the files had been there for a while."""
    then = time.time() - seconds
    for path in root.rglob("*.png"):
        os.utime(path, (then, then))


def test_pictures_are_decoded_once(place: Path, pets: Path) -> None:
    loaded(config(pets))
    (made,) = decoded(place)
    before = (made / "canvases.bin").stat().st_mtime_ns
    moved = pets.rename(pets.parent / "animals")
    (moved / "dog" / "0043.png").rename(moved / "cat" / "new name.png")
    loaded(config(moved))
    assert decoded(place) == [made]
    assert (made / "canvases.bin").stat().st_mtime_ns == before


@pytest.mark.parametrize("change", [{"size": 24}, {"fit": "pad"}, {"channels": 1}, {"canvas": 10}])
def test_another_form_is_another_cache(place: Path, pets: Path, change: dict[str, object]) -> None:
    loaded(config(pets))
    loaded(config(pets, **change))
    assert len(decoded(place)) == 2


def test_the_images_file_is_one_array_of_all_files(place: Path, pets: Path) -> None:
    fill(pets / "unlabelled", {"": 1})
    data = loaded(config(pets, size=12))
    stored = np.load(decoded(place)[0] / "images.npy", mmap_mode="r")
    assert stored.shape == (44, 12, 12, 3)  # one is a copy
    assert stored.dtype == np.uint8
    assert data.unlabelled is not None


def index(place: Path) -> Path:
    (path,) = (place / "index").glob("*.jsonl")
    return path


def test_an_unchanged_file_is_not_read_again(
    place: Path, pets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipeline.datasets.files.index.RACY_NS", 0)
    time.sleep(0.05)
    first = folder.source_digest(config(pets))
    (pets / "cat" / "0000.png").chmod(0o644)  # the digest that is remembered counts
    lines = [json.loads(line) for line in index(place).read_text().splitlines()]
    (known,) = (line for line in lines if line[0] == "dog/0030.png")
    known[-1] = "0" * 64
    index(place).write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert folder.source_digest(config(pets)) != first
    assert folder.source_digest(config(pets, verify=True)) == first


def test_a_file_of_the_same_size_and_time_is_read_again(place: Path, pets: Path) -> None:
    target = pets / "cat" / "0000.png"
    age(pets, 3600)
    stamp = target.stat()
    first = folder.source_digest(config(pets))
    content = bytearray(target.read_bytes())
    content[-20] ^= 1
    target.write_bytes(content)
    os.utime(target, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert folder.source_digest(config(pets)) != first


@pytest.mark.parametrize("line", ["5", "{}", "[1]", '[["cat/0000.png"], 1, 2, 3, "a"]', "cut"])
def test_a_damaged_index_is_made_again(line: str, place: Path, pets: Path) -> None:
    digest = folder.source_digest(config(pets))
    index(place).write_text(line)
    assert folder.source_digest(config(pets)) == digest


def test_a_file_as_young_as_the_index_is_not_trusted(place: Path, pets: Path) -> None:
    folder.source_digest(config(pets))
    assert index(place).read_bytes() == b""


def test_a_file_from_before_the_clock_went_backwards_is_not_trusted(
    place: Path, pets: Path
) -> None:
    age(pets, -3600)
    folder.source_digest(config(pets))
    assert index(place).read_bytes() == b""


LOAD = """
import sys
from pathlib import Path
from pipeline.datasets import folder
from tests.folders import config
folder.load(config(Path(sys.argv[1]), size=64))
"""


def test_a_killed_decoding_goes_on_and_ends_with_the_same_bytes(
    place: Path, tmp_path: Path
) -> None:
    root = fill(tmp_path / "many", {"a": 200, "b": 200})
    child = subprocess.Popen([sys.executable, "-c", LOAD, str(root)], cwd=Path(__file__).parents[1])
    lines = place / "none"
    while child.poll() is None and not (lines.exists() and lines.stat().st_size):
        lines = next(place.glob("*.work/pictures.jsonl"), lines)
        time.sleep(0.005)
    child.send_signal(signal.SIGKILL)
    child.wait()
    work = lines.parent
    assert work.is_dir(), "killed too late: nothing was left to do"
    kept = lines.read_bytes().split(b"\n")[0]
    with lines.open("ab") as file:
        file.write(b'[[{"width": 2')  # a line that the kill cut off
    loaded(config(root, size=64))
    (made,) = decoded(place)
    assert (made / "pictures.jsonl").read_bytes().startswith(kept)
    resumed = {path.name: path.read_bytes() for path in made.iterdir()}
    shutil.rmtree(made)
    loaded(config(root, size=64))
    assert {path.name: path.read_bytes() for path in made.iterdir()} == resumed


def test_a_damaged_chunk_is_decoded_again_when_verified(place: Path, pets: Path) -> None:
    expected = np.asarray(loaded(config(pets))[Split.TRAIN].raw)
    (made,) = decoded(place)
    with (made / "images.npy").open("r+b") as file:
        file.seek(-1000, os.SEEK_END)
        file.write(b"\x00" * 1000)
    data = loaded(config(pets, verify=True))
    assert np.array_equal(np.asarray(data[Split.TRAIN].raw), expected)


def broken_line(made: Path) -> None:
    text = (made / "pictures.jsonl").read_bytes()
    (made / "pictures.jsonl").write_bytes(text[:-9])


def short_images(made: Path) -> None:
    with (made / "images.npy").open("r+b") as file:
        file.truncate(1000)


def no_canvases(made: Path) -> None:
    (made / "canvases.bin").unlink()


@pytest.mark.parametrize("damage", [broken_line, short_images, no_canvases])
def test_an_incomplete_cache_is_made_again(
    place: Path, pets: Path, damage: Callable[[Path], None]
) -> None:
    expected = np.asarray(loaded(config(pets))[Split.TRAIN].raw)
    (made,) = decoded(place)
    damage(made)
    data = loaded(config(pets))[Split.TRAIN]
    assert np.array_equal(np.asarray(data.raw), expected)
    assert data.pictures is not None
    assert data.pictures[0].shape == (16, 20, 3)


def test_a_run_that_verifies_takes_no_file_from_another_run(place: Path, pets: Path) -> None:
    data = loaded(config(pets))[Split.TRAIN]
    expected = np.asarray(data.raw)
    (made,) = decoded(place)
    made.rename(made.with_suffix(".work"))
    assert np.array_equal(np.asarray(data.raw), expected)
    assert data.pictures is not None
    assert data.pictures[0].shape == (16, 20, 3)


def test_two_runs_decode_once_and_the_second_reports_that_it_waits(place: Path, pets: Path) -> None:
    loaded(config(pets))
    (made,) = decoded(place)
    hidden = made.rename(place / "hidden")
    with waiting_lock(made.with_suffix(".lock"), on_wait=lambda: None):
        second = subprocess.Popen(
            [sys.executable, "-c", LOAD.replace(", size=64", ""), str(pets)],
            cwd=Path(__file__).parents[1],
            stderr=subprocess.PIPE,
            text=True,
        )
        assert second.stderr is not None
        first_line = second.stderr.readline()
        hidden.rename(made)
        before = made.stat().st_ctime_ns
    assert second.wait(60) == 0
    second.stderr.close()
    assert first_line == "Another run decodes these pictures; this one waits for it.\n"
    assert made.stat().st_ctime_ns == before


def test_a_write_that_fails_leaves_no_file_behind(place: Path) -> None:
    (place / "index.json").mkdir(parents=True)
    with pytest.raises(InputError, match="cannot be written"):
        write(place / "index.json", b"content")
    assert [path.name for path in place.iterdir()] == ["index.json"]


def test_a_line_keeps_a_hash_of_zero() -> None:
    facts = PictureFacts(perceptual_hash=0, alpha=True, format="PNG")
    line = Line(facts=(facts,), canvases=((3, 4),), crc=7)
    assert Line.decoded(line.encoded()) == line


def test_a_full_disk_names_the_cache_and_the_bytes(
    place: Path, pets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=1000))
    with pytest.raises(InputError, match=rf"{place} is on a full disk.* 1,216,512 bytes"):
        loaded(config(pets, size=96))


def test_a_disk_that_fills_up_names_the_bytes_of_all(
    place: Path, pets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(self: darkroom.Roll, chunk: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(darkroom.Roll, "append", full)
    with pytest.raises(InputError, match=r"is on a full disk.* need [\d,]+ bytes.* PIPELINE_CACHE"):
        loaded(config(pets))


def test_a_cache_folder_that_cannot_be_made_is_an_input_error(
    pets: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("PIPELINE_CACHE", str(tmp_path / "file"))
    with pytest.raises(InputError, match=r"cannot be written: .*\. Set PIPELINE_CACHE"):
        folder.source_digest(config(pets))


@pytest.fixture
def spoiled(pets: Path) -> Path:
    whole = pets / "cat" / "0000.png"
    (pets / "cat" / "cut.png").write_bytes(whole.read_bytes()[:300])
    (pets / "cat" / "empty.jpg").write_bytes(b"")
    (pets / "dog" / "page.jpg").write_text("<html>404</html>")
    (pets / "dog" / 'a "quoted"\nname.png').write_bytes(b"x")
    (pets / "dog" / "gone.png").symlink_to("nowhere.png")
    picture(99, width=30, height=7).save(pets / "dog" / "thin.png")
    return pets


def test_a_run_lists_and_hashes_the_files_once(
    place: Path, pets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hashed: list[Path] = []

    def counted(path: Path) -> str:
        hashed.append(path)
        return file_sha256(path)

    monkeypatch.setattr("pipeline.datasets.files.index.file_sha256", counted)
    digest = folder.source_digest(config(pets, verify=True))
    assert len(folder.records(config(pets, verify=True))) == 44
    for size in (None, 24):
        assert folder.load(config(pets, verify=True, size=size)).sha256 == digest
    folder.notes(config(pets, verify=True))
    assert len(hashed) == 44
    picture(99).save(pets / "cat" / "new.png")
    assert folder.source_digest(config(pets, verify=True)) != digest
    assert len(hashed) == 89


def test_a_file_that_changes_while_a_run_reads_it_is_explained(place: Path, pets: Path) -> None:
    folder.source_digest(config(pets))
    picture(99).save(pets / "cat" / "0000.png")
    with pytest.raises(InputError, match=r"cat/0000.png changed while it was read"):
        folder.load(config(pets))


def test_all_files_that_cannot_be_read_are_listed_at_once(place: Path, spoiled: Path) -> None:
    with pytest.raises(InputError) as error:
        loaded(config(spoiled))
    text = str(error.value)
    assert "6 of the 50 files" in text
    assert "\n" not in text
    for part in (
        "cat/cut.png (broken: ",
        "cat/empty.jpg (empty file)",
        "dog/page.jpg (not a picture)",
        'dog/a "quoted"\\nname.png (not a picture)',
        "dog/gone.png (No such file or directory)",
        "dog/thin.png (30x7 pixels; 8 are the least)",
        "--skip-bad",
    ):
        assert part in text


def test_bad_files_can_be_left_out(place: Path, spoiled: Path) -> None:
    cfg = config(spoiled, skip_bad=True)
    data = loaded(cfg)
    assert sum(len(data[split]) for split in Split) == 44
    assert sum(record.error is not None for record in folder.records(cfg)) == 6


@pytest.mark.parametrize("kinds", [("empty.png", b""), ("gone.png", None)])
def test_files_that_cannot_be_read_are_not_counted_and_connect_no_pictures(
    place: Path, tmp_path: Path, kinds: tuple[str, bytes | None]
) -> None:
    """Such files have one digest, or one reason."""
    root, (name, content) = fill(tmp_path / "all", {"images": 40}), kinds
    for number in range(8):
        bad = root / "images" / f"{number} {name}"
        bad.symlink_to("nowhere") if content is None else bad.write_bytes(content)
    lines = [f"images/{n:04}.png,{'ab'[n % 2]},{n % 8}" for n in range(40)]
    lines += [f"images/{n} {name},{'ab'[n % 2]},{n}" for n in range(8)]
    (root / "list.csv").write_text("\n".join(["path,label,group", *lines]))
    data = loaded(config(root, skip_bad=True))
    assert [len(data[split]) for split in Split] == [25, 5, 10]
    for at in range(3, 40):  # two pictures of class a are left, and six bad files
        (root / "images" / f"{at:04}.png").unlink()
    lines = [f"images/{n:04}.png,{'aba'[n]}" for n in range(3)]
    lines += [f"images/{n} {name},{'ab'[n % 2]}" for n in range(8)]
    (root / "list.csv").write_text("\n".join(["path,label", *lines]))
    with pytest.raises(InputError, match=r"needs 3 different .* fewer of a \(2\), b \(1\)"):
        loaded(config(root, skip_bad=True))
    with pytest.raises(InputError, match=r"8 of the 11 files in .* cannot be used"):
        folder.records(config(root))


@pytest.mark.parametrize(
    ("bad", "good", "table"),
    [("", (), None), ("train/", ("val/a", "val/b"), None), ("", (), "list.csv")],
    ids=["class folders", "a training split", "groups"],
)
def test_a_folder_with_nothing_left_to_split_is_one_paragraph(
    bad: str, good: tuple[str, ...], table: str | None, place: Path, tmp_path: Path
) -> None:
    root = fill(tmp_path / "pets", {f"{bad}a": 5, f"{bad}b": 5, **dict.fromkeys(good, 5)})
    files = sorted(root.glob(f"{bad}[ab]/*"))
    for file in files:
        file.write_text("<html>")
    if table:
        lines = [f"{file.relative_to(root)},{file.parent.name},{file.stem}" for file in files]
        (root / table).write_text("\n".join(["path,label,group", *lines]))
    with pytest.raises(InputError, match=r"there are fewer of a \(0\), b \(0\)\. Give more"):
        loaded(config(root, skip_bad=True, manifest=table))


def test_a_long_list_of_bad_files_ends_with_their_number(place: Path, pets: Path) -> None:
    for number in range(25):
        (pets / "cat" / f"bad{number}.jpg").write_bytes(b"x")
    with pytest.raises(InputError, match=r"bad19.jpg .* and 5 more\. Replace"):
        loaded(config(pets))


def test_a_decompression_bomb_is_refused_by_its_header(place: Path, pets: Path) -> None:
    header = b"IHDR" + struct.pack(">IIBBBBB", 30_000, 30_000, 1, 0, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    (pets / "cat" / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + chunk + b"\0\0\0\1IDAT\0")
    with pytest.raises(InputError, match=r"cat/bomb.png \(more than 178,956,970 pixels\)"):
        loaded(config(pets, size=16))


def test_grey_pictures_have_one_channel_and_small_equal_ones_keep_their_size(
    place: Path, tmp_path: Path
) -> None:
    root = tmp_path / "grey"
    for number in range(16):
        (root / "ab"[number % 2]).mkdir(parents=True, exist_ok=True)
        picture(number, width=28, height=28).convert("L").save(
            root / "ab"[number % 2] / f"{number}.png"
        )
    assert loaded(config(root)).input.shape == (28, 28, 1)
    assert loaded(config(root, channels=3, size=32)).input.shape == (32, 32, 3)
    picture(20, width=28, height=28).save(root / "a" / "colour.png")
    assert loaded(config(root)).input.shape == (28, 28, 3)
    picture(21, width=28, height=30).save(root / "a" / "tall.png")
    assert loaded(config(root)).input.shape == (96, 96, 3)


def test_equal_small_pictures_that_are_not_square_keep_no_size(place: Path, tmp_path: Path) -> None:
    root = fill(tmp_path / "wide", {"a": 8, "b": 8})  # of 20x16
    assert loaded(config(root)).input.shape == (96, 96, 3)


@pytest.mark.parametrize("library", ["imagehash", "scipy"])
def test_pictures_are_hashed_again_by_another_version_of_the_library(
    library: str, place: Path, pets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loaded(config(pets))
    known = metadata.version
    monkeypatch.setattr(metadata, "version", lambda name: known(name) + "1" * (name == library))
    folder.source_digest(config(pets))
    loaded(config(pets))
    assert len(decoded(place)) == 2
    assert len(list((place / "copies").iterdir())) == 2


def test_the_libraries_that_decide_drawn_splits_are_in_the_keys_of_a_folder_alone() -> None:
    decide = {*code.behind("pipeline.datasets.folder").libraries}
    assert {"imagehash", "pillow", "scikit-learn", "scipy"} <= decide
    assert not {"filelock", "rich"} & decide
    others = code.behind("pipeline.datasets.digits", "pipeline.stages.teacher").libraries
    assert not {"imagehash", "scipy"} & {*others}


def test_a_padded_picture_has_a_square_canvas(place: Path, pets: Path) -> None:
    pictures = loaded(config(pets, size=96, fit="pad"))[Split.TEST].pictures
    assert pictures is not None
    assert pictures[0].shape == (20, 20, 3)
    assert (pictures[0][:2] == 128).all()


def test_near_copies_come_into_the_same_split(place: Path, tmp_path: Path) -> None:
    root = tmp_path / "series"
    for number in range(20):
        kind = root / "ab"[number % 2]
        kind.mkdir(parents=True, exist_ok=True)
        coarse = picture(number, width=6, height=6).resize((64, 64), Image.Resampling.BICUBIC)
        coarse.save(kind / f"{number:02d} first.png")
        coarse.save(kind / f"{number:02d} again.jpg", quality=90)
        shutil.copy(kind / f"{number:02d} first.png", kind / f"{number:02d} copy.png")
    splits: dict[str, set[str]] = {}
    for size in (64, 24):
        for record in folder.records(config(root, size=size)):
            splits.setdefault(Path(record.path).name[:2], set()).add(record.split)
    assert len(splits) == 20
    assert all(len(found) == 1 for found in splits.values())


def in_other_colours(root: Path) -> Path:
    """Two pictures of each brightness, whose colours are far apart."""
    weights = np.array([0.299, 0.587, 0.114])  # of the brightness, ITU-R 601
    for number in range(16):
        coarse = picture(number, width=6, height=6).resize((64, 64), Image.Resampling.BICUBIC)
        brightness = 64 + np.asarray(coarse) @ weights / 2
        for name, tint in (("warm", (60, -30, 0)), ("cold", (-60, 0, 60))):
            shift = np.array(tint) - np.array(tint) @ weights
            pixels = (brightness[..., np.newaxis] + shift).round().astype(np.uint8)
            place = root / "ab"[number % 2] / f"{number:02d} {name}.png"
            place.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(pixels).save(place)
    return root


def test_drawn_splits_do_not_depend_on_the_channels_nor_on_earlier_runs(
    place: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = in_other_colours(tmp_path / "tinted")

    def drawn(channels: int) -> list[Split | None]:
        return list(fresh(config(root, channels=channels)).splits)

    alone = drawn(3)
    monkeypatch.setenv("PIPELINE_CACHE", str(tmp_path / "other cache"))
    assert [drawn(1), drawn(3)] == [alone, alone]


def test_a_run_with_bad_files_ends_before_anything_is_written(
    place: Path, spoiled: Path, recipe_file: Path, tmp_path: Path
) -> None:
    given = (("dataset.name", "folder"), ("dataset.path", spoiled))
    recipe = load(str(recipe_file), [Override(key, value, "") for key, value in given])
    store = Store(tmp_path / "out" / ".store")
    with pytest.raises(InputError, match=r"6 of the 50 files in .* cannot be used"):
        Runner(recipe=recipe, store=store, console=SilentConsole()).run(tmp_path / "out" / "x")
    assert not (tmp_path / "out").exists()


def test_a_thumbnail_stays_in_the_cache_until_it_is_asked_for(place: Path, pets: Path) -> None:
    (pets / "cat" / "broken.png").write_bytes(b"none")
    data = config(pets, skip_bad=True)
    loaded(data)
    for record in folder.records(data):
        if record.error is None:
            pixels = read(pets / record.path)
            assert not isinstance(record.thumbnail, bytes)
            assert bytes(record.thumbnail or b"") == thumbnail(pixels)
