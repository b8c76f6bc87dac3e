"""Photos of mixed sizes through every stage: a teacher of 32 pixels, its student of 24."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline import datasets
from pipeline.datasets.splits import Split
from pipeline.engine.artifacts import Teacher, TeacherLogits
from pipeline.reporting.pages.activations import MOST
from pipeline.reporting.schema.report import read
from pipeline.teachers.trained import open_checkpoint
from pipeline.training.augmentation import training_view
from targets import Classifier
from targets.formats import sidecar
from targets.images.preprocessing import Preprocessing
from tests.browser import browser, faults
from tests.conftest import Lane
from tests.kept import Setting, kept

PHOTOS: tuple[Setting, ...] = (
    ("dataset.name", "folder"),
    ("dataset.size", 24),
    ("dataset.fit", "pad"),
    ("teacher.size", 32),
    ("teacher.epochs", 2),
    ("augmentation.shift", 0),
    ("augmentation.crop", 0.5),
    ("augmentation.brightness", 0.2),
    ("logits.views", 2),
    ("distill.epochs", 2),
    ("convert.precisions", ["float32"]),
)


def photo(kind: int, number: int) -> Image.Image:
    """Noise, brighter in the colour of its kind, 24 to 40 pixels wide."""
    random = np.random.default_rng(number)
    pixels = random.integers(0, 128, (28, 24 + number % 17, 3))
    pixels[..., kind] += 100
    return Image.fromarray(pixels.astype(np.uint8))


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two classes of 60 photos, and 20 photos without labels."""
    root = tmp_path_factory.mktemp("photos")
    made = 0
    for folder, kinds in (("red", (0,)), ("green", (1,)), ("unlabelled", (0, 1))):
        (root / folder).mkdir()
        for number in range(20 if folder == "unlabelled" else 60):
            photo(kinds[number % len(kinds)], made).save(root / folder / f"{number}.png")
            made += 1
    return root


@pytest.fixture(scope="module")
def finished_photos(
    recipe_file: Path, photos: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Lane, Path]]:
    lane = Lane(recipe_file, photos, tmp_path_factory.mktemp("photo-lane"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PIPELINE_CACHE", str(lane.out / "cache"))
        results, _ = lane.run(*PHOTOS)
        yield lane, results


def test_the_logits_are_of_the_same_views_in_the_size_of_the_teacher(
    finished_photos: tuple[Lane, Path],
) -> None:
    lane, _ = finished_photos
    recipe = lane.recipe(*PHOTOS)
    data = datasets.load(recipe.teacher_data)
    teacher = open_checkpoint(kept(lane, "teacher", Teacher).checkpoint, data)
    both = data.for_distillation()
    train = both[Split.TRAIN]
    assert len(train) == len(data[Split.TRAIN]) + 20
    stored = np.load(kept(lane, "logits", TeacherLogits).path)
    for view in range(2):
        table = training_view(recipe.augmentation.views, both, seed=recipe.seed, view=view)
        expected = teacher.logits(table.render(train, np.arange(len(train))))
        np.testing.assert_array_equal(stored[view], expected.astype(np.float16))


def test_the_sidecars_say_how_a_photo_becomes_the_input_of_each_network(
    finished_photos: tuple[Lane, Path],
) -> None:
    for name, side in (("teacher", 32), ("student", 24)):
        found = sidecar.read(finished_photos[1] / "models" / f"{name}.float32.tflite")
        assert found is not None
        assert found.preprocessing == Preprocessing(height=side, width=side, fit="pad")
        assert found.classes == ("green", "red")


def test_the_accuracies_are_those_of_the_deployed_files_on_the_photos(
    finished_photos: tuple[Lane, Path], photos: Path
) -> None:
    lane, results = finished_photos
    report = json.loads((results / "report.json").read_text())
    assert report["dataset"]["unlabelled"] == 20
    records = datasets.records(lane.recipe(*PHOTOS).dataset)
    test = [record for record in records if record.split == "test"]
    assert len(test) == report["dataset"]["test"]
    for row in report["models"]:
        classifier = Classifier(results / row["file"])
        right = [classifier.predict(photos / one.path).name == one.label for one in test]
        assert np.mean(right) == pytest.approx(row["top1"])


@pytest.mark.browser
def test_the_page_shows_where_the_student_looked_and_is_accessible(
    finished_photos: tuple[Lane, Path], tmp_path: Path
) -> None:
    results = finished_photos[1]
    report, page = read(results / "report.json"), results / "report.html"
    flipped = {flip.path for flip in report.flips}
    assert flipped
    looked = page.read_text("utf-8").count('alt="Where the float network looked"')
    assert looked == len(report.flips[:MOST]) == len(flipped)
    with browser() as chromium:
        photos = tmp_path / "photos.html"
        photos.write_bytes(page.read_bytes())
        assert faults(chromium, photos) == {}


def test_a_student_of_another_size_has_the_same_teacher_and_logits(
    finished_photos: tuple[Lane, Path],
) -> None:
    runner = finished_photos[0].runner(*PHOTOS, ("dataset.size", 20), ("dataset.skip_bad", True))
    steps = {step.name: step for step in runner.plan()}
    assert (steps["teacher"].reused, steps["logits"].reused) == (True, True)
    assert steps["distill"].reason == "dataset.size 24 → 20"
