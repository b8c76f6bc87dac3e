"""What an audit finds in pictures, and what stops a run."""

import hashlib
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.datasets import DATASETS, audit_of
from pipeline.datasets.audit.copies import candidates, copies, duplicate_groups
from pipeline.datasets.audit.inspection import audit
from pipeline.datasets.audit.leaks import require_no_leaks
from pipeline.datasets.audit.pictures import PictureRecord, perceptual_hash, thumbnail
from pipeline.datasets.audit.schema import Audit
from pipeline.datasets.contract import AuditedSettings, AuditedSource, SourceConfig
from pipeline.datasets.splits import Dataset
from pipeline.engine.progress import SilentConsole
from pipeline.engine.runner import Runner
from pipeline.engine.store import Store
from pipeline.recipe.load import Override, load
from pipeline.reporting.pages.album import LIMIT, Album
from pipeline.reporting.tables.audit import lines
from targets.errors import InputError
from targets.formats.input_spec import Kind
from targets.images.reading import UnreadablePictureError, has_alpha, opened, pixels


def scene(seed: int, side: int = 64) -> Image.Image:
    """A smooth picture, different for each seed."""
    coarse = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), np.uint8)
    return Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC)


def encoded(image: Image.Image, kind: str = "PNG", **options: int) -> bytes:
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


class Folder:
    """Picture files below a folder, and their records: `split/label/name`."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.records: list[PictureRecord] = []

    def add(self, path: str, content: bytes | Image.Image) -> "Folder":
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content if isinstance(content, bytes) else encoded(content))
        self.records.append(record(self.root, path))
        return self

    def audit(self, size: int | None = None) -> Audit:
        classes = sorted({one.label for one in self.records if one.label is not None})
        return audit(self.records, classes, size=size)

    def pairs(self) -> list[tuple[str, str, str]]:
        found = copies(self.records)
        return [
            (one.kind, self.records[one.first].path, self.records[one.second].path) for one in found
        ]


def record(root: Path, path: str) -> PictureRecord:
    split, label = path.split("/")[:2]
    content = (root / path).read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    name = None if split == "unlabelled" else label
    try:
        image = opened(content)
    except UnreadablePictureError as error:
        return PictureRecord(path=path, label=name, split=split, sha256=sha256, error=str(error))
    shown = pixels(image, channels=3)
    return PictureRecord(
        path=path, label=name, split=split, sha256=sha256,
        width=shown.shape[1], height=shown.shape[0], format=image.format, mode=image.mode,
        alpha=has_alpha(image), perceptual_hash=perceptual_hash(shown), thumbnail=thumbnail(shown),
    )  # fmt: skip


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path)


def test_the_same_bytes_twice_are_an_exact_copy(folder: Folder) -> None:
    for name in ("a", "b", "c"):
        folder.add(f"train/cat/{name}.png", scene(1))
    folder.add("train/cat/d.png", scene(2))
    assert folder.pairs() == [
        ("exact", "train/cat/a.png", "train/cat/b.png"),
        ("exact", "train/cat/a.png", "train/cat/c.png"),
    ]


@pytest.mark.parametrize(
    "copy",
    [
        encoded(scene(1), "JPEG", quality=50),
        encoded(scene(1), "BMP"),
        encoded(scene(1).resize((40, 40))),
        encoded(scene(1).resize((160, 160)), "JPEG", quality=80),
    ],
    ids=["jpeg", "bmp", "smaller", "larger"],
)
def test_a_picture_that_was_encoded_or_scaled_again_is_a_near_copy(
    folder: Folder, copy: bytes
) -> None:
    folder.add("train/cat/a.png", scene(1)).add("train/cat/b.png", scene(2))
    folder.add("test/cat/c.png", copy)
    assert folder.pairs() == [("near", "train/cat/a.png", "test/cat/c.png")]


def test_equal_hashes_of_different_pictures_are_no_copies(folder: Folder) -> None:
    """The hash of a flat picture does not depend on its colour."""
    for number, colour in enumerate(["red", "green", "blue", "white"]):
        folder.add(f"train/flat/{number}.png", Image.new("RGB", (32, 32), colour))
    assert len({one.perceptual_hash for one in folder.records}) == 1
    assert folder.pairs() == []


def test_the_next_frame_of_a_series_is_no_copy(folder: Folder) -> None:
    wide = scene(3, 96)
    folder.add("train/cat/a.png", wide.crop((0, 0, 64, 64)))
    folder.add("train/cat/b.png", wide.crop((8, 8, 72, 72)))
    assert folder.pairs() == []


def test_every_pair_of_close_hashes_is_a_candidate() -> None:
    """Against the distances of all pairs, four differing bits anywhere in the hash."""
    random = np.random.default_rng(0)
    hashes = random.integers(0, 2**63, 300, np.uint64)
    for place in range(0, 200, 2):
        flipped = random.choice(64, place % 7, replace=False)
        mask = np.bitwise_or.reduce(np.uint64(1) << flipped.astype(np.uint64), initial=np.uint64(0))
        hashes[place + 1] = hashes[place] ^ mask
    near = [
        (a, b)
        for a in range(300)
        for b in range(a + 1, 300)
        if (int(hashes[a]) ^ int(hashes[b])).bit_count() <= 4
    ]
    assert len(near) > 50
    assert [tuple(pair) for pair in candidates(hashes).tolist()] == near


def test_a_hundred_thousand_blank_pictures_take_no_quadratic_time() -> None:
    hashes = np.full(100_000, 7, np.uint64)
    assert len(candidates(hashes)) < 10 * len(hashes)


def test_copies_and_copies_of_copies_are_one_group(folder: Folder) -> None:
    folder.add("train/cat/a.png", scene(1)).add("train/cat/b.png", scene(2))
    folder.add("train/cat/c.jpg", encoded(scene(1), "JPEG", quality=60))
    folder.add("train/cat/d.jpg", encoded(scene(1), "JPEG", quality=60))
    folder.add("train/cat/e.jpg", b"broken")
    a, b, c, d, e = duplicate_groups(folder.records)
    assert a == c == d
    assert len({a, b, e}) == 3


def test_an_audit_counts_classes_by_split_and_their_imbalance(folder: Folder) -> None:
    for number in range(4):
        folder.add(f"train/cat/{number}.png", scene(number))
    folder.add("train/dog/0.png", scene(10)).add("val/cat/0.png", scene(11))
    folder.add("test/dog/0.png", scene(12)).add("unlabelled/x/0.png", scene(13))
    found = folder.audit()
    assert found.splits == {"train": 5, "val": 1, "test": 1, "unlabelled": 1}
    assert [(one.name, one.train, one.val, one.test) for one in found.classes] == [
        ("cat", 4, 1, 0),
        ("dog", 1, 0, 1),
    ]
    assert found.imbalance == 4
    assert found.missing == {"val": ("dog",), "test": ("cat",)}


def test_an_audit_measures_sizes_and_counts_what_would_be_enlarged(folder: Folder) -> None:
    for side in (20, 30, 80):
        folder.add(f"train/cat/{side}.png", scene(side, side))
    sizes = folder.audit(size=32).sizes
    assert sizes is not None
    assert (sizes.width.min, sizes.width.median, sizes.width.max) == (20, 30, 80)
    assert (sizes.used, sizes.upscaled) == (32, 2)


def test_an_audit_goes_by_the_contents_of_a_file(folder: Folder) -> None:
    folder.add("train/cat/a.jpg", scene(1))
    folder.add("train/cat/b.JPEG", encoded(scene(2), "JPEG"))
    folder.add("train/cat/c.png", scene(3).convert("RGBA")).add("train/cat/d", scene(4))
    folder.add("train/cat/e.png", scene(5).convert("L"))
    folder.add("train/cat/f.png", Image.fromarray(np.full((9, 9), 40_000, np.uint16)))
    folder.add("train/cat/g.jpg", b"\xff\xd8 not really")
    found = folder.audit()
    assert found.files.wrong_extension_shown == (("train/cat/a.jpg", "PNG"),)
    assert found.files.formats == {"PNG": 5, "JPEG": 1}
    assert (found.files.alpha, found.files.deep, found.files.grey) == (1, 1, 2)
    assert (found.unreadable, found.unreadable_shown[0].path) == (1, "train/cat/g.jpg")
    assert found.unreadable_shown[0].reason


def test_the_same_picture_under_two_labels_is_a_conflict(folder: Folder) -> None:
    folder.add("train/cat/a.png", scene(1)).add("train/dog/b.png", scene(1))
    folder.add("train/dog/c.bmp", encoded(scene(1), "BMP")).add("train/cat/d.png", scene(1))
    conflicts = folder.audit().conflicts
    assert (conflicts.exact, conflicts.near) == (1, 1)
    assert [one.second.path for one in conflicts.shown] == ["train/dog/b.png", "train/dog/c.bmp"]


def test_labels_that_differ_by_case_or_space_are_named(folder: Folder) -> None:
    for number, label in enumerate(["Hat", "hat", "T-Shirt", "t shirt ", "-1", "1"]):
        folder.add(f"train/{label}/0.png", scene(number))
    assert folder.audit().label_variants == (("Hat", "hat"), ("T-Shirt", "t shirt "))


def test_the_same_file_in_two_splits_stops_a_run_unless_that_is_allowed(folder: Folder) -> None:
    folder.add("test/cat/a.png", scene(1)).add("train/cat/b\n.png", scene(1))
    found = folder.audit()
    with pytest.raises(InputError) as error:
        require_no_leaks(found, name="pets", allowed=False)
    for part in (
        "data set pets: in two splits: 1 pair of copies (1 of the same bytes, ",
        r"test/cat/a.png = train/cat/b\n.png",
        "dataset.allow_leaks = true",
    ):
        assert part in str(error.value)
    require_no_leaks(found, name="pets", allowed=True)


def test_the_same_file_twice_in_one_split_is_no_leak(folder: Folder) -> None:
    folder.add("train/cat/a.png", scene(1)).add("train/cat/b.png", scene(1))
    folder.add("unlabelled/x/c.png", scene(1))
    assert folder.audit().leaks.count == 0


def test_an_unlabelled_copy_of_a_test_picture_is_a_leak(folder: Folder) -> None:
    """The student would be distilled on what it is measured on."""
    folder.add("test/cat/a.png", scene(1)).add("unlabelled/x/c.png", scene(1))
    with pytest.raises(InputError):
        require_no_leaks(folder.audit(), name="pets", allowed=False)


def test_a_few_near_copies_across_splits_do_not_stop_a_run(folder: Folder) -> None:
    """As in published data sets; 1 of 100 does not, 2 of 101 do."""
    for number in range(99):
        folder.add(f"test/cat/{number}.png", scene(number, 16))
    folder.add("test/cat/x.png", scene(200)).add(
        "train/cat/x.jpg", encoded(scene(200), "JPEG", quality=80)
    )
    few = folder.audit()
    assert few.leaks.near_share == {"test": 0.01}
    require_no_leaks(few, name="pets", allowed=False)
    folder.add("test/cat/y.png", scene(201)).add(
        "train/cat/y.jpg", encoded(scene(201), "JPEG", quality=80)
    )
    with pytest.raises(InputError, match="0 of the same bytes, 2 encoded"):
        require_no_leaks(folder.audit(), name="pets", allowed=False)


def test_the_console_names_classes_and_what_may_be_a_mistake(folder: Folder) -> None:
    for number in range(4):
        folder.add(f"train/cat/{number}.png", scene(number))
    folder.add("train/dog/a.png", scene(0)).add("test/cat/b.png", scene(9, 70))
    shown = "\n".join(lines(folder.audit(size=80)))
    for part in (
        "data      6 pictures (5 train, 1 test), 2 classes",
        "          cat        4    0     1",
        "6 pictures (100.0 %) are smaller than the 80 pixels",
        "warning: Under two labels, of which one is wrong: 1 pair of copies (1 of the same bytes, "
        "0 encoded or scaled again): train/cat/0.png = train/dog/a.png.",
        "warning: Without a picture in test: dog.",
        "The largest class has 4.0 times as many training pictures",
    ):
        assert part in shown


def test_many_classes_are_one_line_on_the_console(folder: Folder) -> None:
    for number in range(21):
        folder.add(f"train/{number:02}/0.png", scene(number))
    shown = list(lines(folder.audit()))
    assert shown[1] == "          training pictures by class: 1 (00) to 1 (20)"


class Source:
    """A data set of picture files that is only audited: nothing may be loaded after a leak."""

    Settings = AuditedSettings

    def __init__(self, folder: Folder) -> None:
        self.folder = folder

    def source_digest(self, cfg: SourceConfig) -> str:
        return hashlib.sha256(repr(self.folder.records).encode()).hexdigest()

    KIND: Kind = "image"

    def load(self, cfg: SourceConfig) -> Dataset:
        raise AssertionError("loaded")

    def records(self, cfg: SourceConfig) -> list[PictureRecord]:
        return self.folder.records

    def notes(self, cfg: SourceConfig) -> list[str]:
        return ["thumbs/ is none of the splits."]


def runner(root: Path, console: SilentConsole, **dataset: object) -> Runner:
    values = {"dataset.name": "kept", "dataset.path": root, **dataset}
    overrides = [Override(key, value, f"--set {key}") for key, value in values.items()]
    return Runner(recipe=load("digits", overrides), store=Store(root / ".store"), console=console)


def test_a_leak_ends_a_run_before_anything_is_loaded_or_written(folder: Folder) -> None:
    folder.add("train/cat/a.png", scene(1)).add("test/cat/a.png", scene(1))
    console, results = SilentConsole(), folder.root / "results"
    source = Source(folder)
    assert isinstance(source, AuditedSource)
    with DATASETS.added("kept", source):
        with pytest.raises(InputError, match="in two splits"):
            runner(folder.root, console).run(results)
        assert sorted(path.name for path in folder.root.iterdir()) == ["test", "train"]
        with pytest.raises(AssertionError, match="loaded"):
            runner(folder.root, console, **{"dataset.allow_leaks": True}).run(results)
    assert console.lines[0].startswith("data      2 pictures")
    assert any("warning: In two splits: 1 pair" in line for line in console.lines)


def test_data_that_are_no_files_have_no_audit() -> None:
    assert audit_of(load("digits", []).dataset) is None


def test_classes_are_in_natural_order_and_those_without_a_picture_are_left_out(
    folder: Folder,
) -> None:
    for number, label in enumerate(["10", "2", "b", "A"]):
        folder.add(f"train/{label}/0.png", scene(number))
    folder.add("train/broken/0.png", b"")
    with DATASETS.added("kept", Source(folder)):
        found = audit_of(load("digits", [Override("dataset.name", "kept", "")]).dataset)
    assert found is not None
    assert [one.name for one in found.classes] == ["2", "10", "A", "b"]


def test_the_pictures_of_a_page_are_bounded() -> None:
    album = Album()
    noise = np.random.default_rng(0).integers(0, 256, (80, 80, 3), np.uint8)
    for number in range(200):
        album.add(str(number), lambda: noise)
    assert 1 < len(album.pictures) < 200
    assert sum(map(len, album.pictures.values())) <= LIMIT
