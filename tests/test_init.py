"""`pipeline init`: a folder of pictures in, a recipe with reasons out."""

import json
import re
import tomllib
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pipeline.cli.app import exit_code
from pipeline.recipe.load import load
from pipeline.recipe.proposal import Choice, Found, propose, toml

Init = Callable[..., tuple[int, str, str]]


@pytest.fixture
def init(
    capfd: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Init:
    """The command in this process, in an empty folder and with a cache of its own."""
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    monkeypatch.setenv("PIPELINE_CACHE", str(tmp_path / "cache"))

    def run(*argv: object) -> tuple[int, str, str]:
        code = exit_code(["init", *map(str, argv)])
        captured = capfd.readouterr()
        return code, captured.out, captured.err

    return run


def pictures(
    root: Path, classes: Sequence[str], *, each: int = 12, size: tuple[int, int] = (120, 100)
) -> Path:
    """Noisy pictures of a colour per class."""
    random = np.random.default_rng(0)
    for number, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for index in range(each):
            pixels = random.integers(0, 120, (*size[::-1], 3))
            pixels[..., number % 3] += 100
            Image.fromarray(pixels.astype(np.uint8)).save(root / name / f"{index}.png")
    return root


def found(**changes: object) -> Found:
    values: dict[str, object] = {
        "path": "photos",
        "classes": {"cat": 300, "dog": 300},
        "train": 480,
        "sides": [(640, 480)] * 5,
        "cores": 2,
    }
    return Found(**{**values, **changes})  # type: ignore[arg-type]


def chosen(choices: Sequence[Choice], key: str) -> object:
    return {f"{choice.table}.{choice.key}": choice.value for choice in choices}.get(key)


def test_the_recipe_of_photos_starts_from_imagenet_and_can_be_loaded(
    init: Init, tmp_path: Path
) -> None:
    folder = pictures(tmp_path / "my photos", ["cat", "dog"])
    code, out, _ = init(folder)
    assert code == 0
    assert "24 labelled pictures of 2 classes: cat 12, dog 12" in out
    recipe = load("my-photos.toml")
    assert recipe.dataset.path == folder
    assert recipe.teacher.weights == "imagenet"
    assert recipe.distill.init == "teacher"
    assert recipe.teacher.size is not None
    assert recipe.dataset.size is not None
    assert recipe.teacher.size > recipe.dataset.size


def test_each_decision_has_its_reason_beside_it(init: Init, tmp_path: Path) -> None:
    init(pictures(tmp_path / "photos", ["0", "1", "2"]))
    for minutes, size in ((60, 128), (60, 32)):
        several = found(sides=[(size, size), (size, size + 8)])
        assert all(choice.reason for choice in propose(several, minutes=minutes))
    line = next(
        line for line in Path("photos.toml").read_text().splitlines() if line.startswith("flip")
    )
    assert line == "flip = false  # a mirrored picture can have another label (0, 1, 2)"


def test_small_pictures_of_one_size_keep_it(init: Init, tmp_path: Path) -> None:
    init(pictures(tmp_path / "icons", ["a cat", "a dog"], size=(32, 32)))
    recipe = tomllib.loads(Path("icons.toml").read_text())
    assert recipe["dataset"]["size"] == 32
    assert "size" not in recipe["distill"]


def test_small_pictures_of_several_sizes_are_not_enlarged_to_photos() -> None:
    assert chosen(propose(found(sides=[(40, 48), (64, 50)]), minutes=60), "dataset.size") == 48


def test_an_existing_recipe_is_not_replaced(init: Init, tmp_path: Path) -> None:
    folder = pictures(tmp_path / "photos", ["cat", "dog"])
    Path("photos.toml").write_text("mine")
    code, _, err = init(folder)
    assert code == 2
    assert "photos.toml is there already" in err
    assert Path("photos.toml").read_text() == "mine"
    assert init(folder, "--overwrite")[0] == 0
    assert load("photos.toml").name == "photos"


def test_json_lists_what_was_found_and_chosen(init: Init, tmp_path: Path) -> None:
    _, out, _ = init(pictures(tmp_path / "photos", ["cat", "dog"]), "--json")
    document = json.loads(out)
    assert document["found"]["classes"] == {"cat": 12, "dog": 12}
    assert {"table": "teacher", "key": "weights"}.items() <= document["choices"][
        next(i for i, one in enumerate(document["choices"]) if one["key"] == "weights")
    ].items()


@pytest.mark.parametrize(
    ("classes", "names"), [(["cat"], "cat"), ([], "picture")], ids=["one class", "empty"]
)
def test_what_is_no_data_set_is_one_paragraph_and_writes_nothing(
    init: Init, tmp_path: Path, classes: list[str], names: str
) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    code, _, err = init(pictures(folder, classes))
    assert code == 2
    assert names in err
    assert len(err.strip().splitlines()) == 1
    assert not list(Path.cwd().iterdir())


def test_less_time_gives_smaller_networks_or_fewer_epochs() -> None:
    photos = found(train=5000)
    long, short = (propose(photos, minutes=minutes) for minutes in (300, 10))
    for key in ("distill.epochs", "teacher.epochs", "dataset.size"):
        assert float(str(chosen(short, key))) < float(str(chosen(long, key)))


@pytest.mark.parametrize("side", [32, 64, 400])
@pytest.mark.parametrize("train", [500, 2000, 10_000, 60_000])
@pytest.mark.parametrize("minutes", [1, 3, 8, 20, 60, 240])
def test_the_estimate_is_within_the_time_or_the_least_that_learns(
    minutes: int, train: int, side: int
) -> None:
    choices = propose(found(train=train, sides=[(side, side)] * 3), minutes=minutes)
    reason = next(c.reason for c in choices if (c.table, c.key) == ("teacher", "epochs"))
    match = re.search(r"about (\d+) minutes", reason)
    assert match is not None
    least = (chosen(choices, "teacher.epochs"), chosen(choices, "distill.epochs")) == (2, 4)
    assert int(match[1]) <= minutes or (least and reason.endswith(", the least that learns"))


def test_larger_small_pictures_take_longer() -> None:
    estimates = [
        next(
            c.reason
            for c in propose(found(train=5000, sides=[(s, s)] * 3), minutes=900)
            if (c.table, c.key) == ("teacher", "epochs")
        )
        for s in (32, 64)
    ]
    short, long = (int(re.findall(r"about (\d+)", reason)[0]) for reason in estimates)
    assert long > 1.5 * short


def test_less_time_gives_small_pictures_another_teacher_and_then_fewer_epochs() -> None:
    small = found(train=50_000, sides=[(32, 32)] * 3)
    long, short, shortest = (propose(small, minutes=minutes) for minutes in (240, 60, 10))
    weights = [chosen(choices, "teacher.weights") for choices in (long, short, shortest)]
    assert weights == ["imagenet", None, None]
    assert chosen(long, "teacher.size") == 96
    epochs = [int(str(chosen(one, "distill.epochs"))) for one in (long, short, shortest)]
    assert epochs == sorted(epochs, reverse=True)
    assert len(set(epochs)) == 3


def test_a_linked_folder_gives_its_own_name_to_the_recipe(init: Init, tmp_path: Path) -> None:
    (tmp_path / "photos").symlink_to(pictures(tmp_path / "v2-final", ["cat", "dog"]))
    init(tmp_path / "photos")
    assert load("photos.toml").name == "photos"


def test_photos_are_never_enlarged_to_the_student_s_size_where_a_smaller_one_fits() -> None:
    assert chosen(propose(found(sides=[(110, 100)]), minutes=600), "dataset.size") == 96


def test_wide_pictures_are_padded() -> None:
    assert chosen(propose(found(sides=[(1000, 400)]), minutes=60), "dataset.fit") == "pad"
    assert chosen(propose(found(), minutes=60), "dataset.fit") == "crop"
    square = propose(found(sides=[(200, 200), (300, 300)]), minutes=60)
    assert ("dataset", "fit", "crop", "the typical picture is square") in square


@pytest.mark.parametrize("names", [("turn left", "turn right"), ("A", "B"), ("10", "20")])
def test_pictures_whose_mirror_image_means_something_else_are_not_flipped(
    names: tuple[str, str],
) -> None:
    photos = found(classes=dict.fromkeys(names, 300))
    assert chosen(propose(photos, minutes=60), "augmentation.flip") is False


def test_very_unequal_classes_are_balanced_by_sampling() -> None:
    photos = found(classes={"ok": 2000, "defect": 100})
    assert chosen(propose(photos, minutes=60), "teacher.balance") == "sampling"
    assert chosen(propose(found(), minutes=60), "teacher.balance") is None


@pytest.mark.parametrize("name", ['a "b" \\ ☃', "two\nlines", "bell\x07", "delete\x7f"])
def test_any_name_is_valid_toml(name: str) -> None:
    text = toml("x", [Choice("dataset", "path", name, f"as {name}")], head=[name])
    assert tomllib.loads(text)["dataset"]["path"] == name


@pytest.mark.parametrize("name", ['a "quoted"\nname', "bell\x07"])
def test_a_folder_of_an_odd_name_has_a_recipe_that_loads(
    init: Init, tmp_path: Path, name: str
) -> None:
    code, _, err = init(pictures(tmp_path / name, ["c\x07at", "dog"]), "--out", "odd.toml")
    assert (code, err) == (0, "")
    assert load("odd.toml").dataset.path == tmp_path / name


def test_a_folder_whose_name_is_not_utf8_is_one_paragraph(init: Init, tmp_path: Path) -> None:
    code, _, err = init(pictures(tmp_path / "caf\udce9", ["cat", "dog"]))
    assert code == 2
    assert r"caf\udce9: the name is not UTF-8" in err
    assert not list(Path.cwd().iterdir())


def test_files_that_cannot_be_read_are_named(init: Init, tmp_path: Path) -> None:
    folder = pictures(tmp_path / "photos", ["cat", "dog"])
    (folder / "cat" / "page.png").write_text("<html>404</html>")
    _, out, _ = init(folder)
    assert "needs --skip-bad: cat/page.png (not a picture)" in out


def test_pictures_under_8_pixels_are_no_data_set_and_a_few_of_them_are_named(
    init: Init, tmp_path: Path
) -> None:
    folder = pictures(tmp_path / "photos", ["cat", "dog"])
    first, *others = sorted(folder.glob("*/*"))
    Image.new("RGB", (7, 30)).save(first)
    _, out, _ = init(folder, "--out", "some.toml")
    assert f"{first.name} (7x30 pixels; 8 are the least)" in out
    for number, path in enumerate(others):
        Image.new("RGB", (6, 6), (number, 0, 0)).save(path)
    code, _, err = init(folder, "--out", "none.toml")
    assert code == 2
    assert "no file in it can be used as a picture" in err
    assert "(6x6 pixels; 8 are the least)" in err
    assert [path.name for path in Path.cwd().iterdir()] == ["some.toml"]


def test_a_folder_of_other_files_named_like_pictures_is_told_so(init: Init, tmp_path: Path) -> None:
    for name in ("a", "b"):
        (tmp_path / "photos" / name).mkdir(parents=True)
        for number in range(4):
            (tmp_path / "photos" / name / f"{number}.jpg").write_text(f"{name}{number}")
    code, _, err = init(tmp_path / "photos")
    assert code == 2
    assert "no file in it can be used as a picture: a/0.jpg (not a picture)" in err


def test_a_recipe_that_cannot_be_written_is_named(init: Init, tmp_path: Path) -> None:
    Path("file").touch()
    code, _, err = init(pictures(tmp_path / "photos", ["cat", "dog"]), "--out", "file/x.toml")
    assert code == 2
    assert "file/x.toml: cannot be written" in err
    assert [path.name for path in Path.cwd().iterdir()] == ["file"]


def test_a_run_of_a_folder_points_to_init(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(["run", str(tmp_path)]) == 2
    assert f"pipeline init {tmp_path}" in capfd.readouterr().err
