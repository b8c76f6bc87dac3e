"""What decides a stored result, and how a plan explains that it is made again."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import cast

import pytest

from pipeline.engine import fingerprint, uses
from pipeline.engine.graph import STAGES
from pipeline.engine.manifest import StageKey, key_digest
from pipeline.recipe.load import load, parse_override
from targets.files.digest import file_sha256
from tests.conftest import Lane

ROOT = Path(__file__).parent.parent
BY_NAME = {stage.name: stage for stage in STAGES}
TRAINED = {"teacher", "logits", "distill", "quantize"}
STORED = {stage.name for stage in STAGES if stage.reusable}


def key(stage: str, *sets: str, sha256: str = "d") -> StageKey:
    recipe = load("digits", [parse_override(text) for text in sets])
    needs = dict.fromkeys(BY_NAME[stage].needs, "x")
    return fingerprint.stage_key(BY_NAME[stage], recipe, inputs=needs, dataset_sha256=sha256)


@pytest.mark.parametrize(
    ("stage", "change"),
    [
        ("distill", "distill.temperature=2"),
        ("logits", "augmentation.shift=1"),
        ("logits", "augmentation.cutout=3"),
        ("logits", "seed=1"),
        ("logits", "logits.views=3"),
        ("logits", "dataset.split_seed=3"),
        ("distill", "augmentation.shift=1"),
        ("distill", "seed=1"),
        ("distill", "threads=1"),
        ("convert", 'convert.targets=["onnx"]'),
        ("teacher", "dataset.split_seed=3"),
        ("teacher", "teacher.mixed_precision=true"),
        ("distill", "distill.mixed_precision=true"),
        ("teacher", "dataset.size=16"),
        ("logits", "dataset.size=16"),
        ("logits", "teacher.size=16"),
        ("distill", "teacher.size=16"),
        ("quantize", "dataset.size=16"),
        ("convert", "teacher.size=16"),
    ],
)
def test_what_decides_the_result_changes_the_key(stage: str, change: str) -> None:
    assert key_digest(key(stage)) != key_digest(key(stage, change))


@pytest.mark.parametrize(
    ("stage", "change"),
    [
        ("teacher", "distill.temperature=2"),
        ("teacher", "logits.views=3"),
        ("logits", "distill.seed=1"),
        ("logits", "distill.loss=dkd"),
        ("logits", "teacher.epochs=1"),
        ("distill", "quantize.epochs=9"),
        ("distill", "bench.enabled=false"),
        ("distill", "tracking={tensorboard = true, mlflow = true}"),
        ("distill", "name=other"),
        ("distill", "about.cost=much"),
        ("convert", "seed=1"),
        ("teacher", "dataset.path=elsewhere"),
        ("quantize", "teacher.size=16"),
    ],
)
def test_what_does_not_decide_it_leaves_the_key(stage: str, change: str) -> None:
    assert key_digest(key(stage)) == key_digest(key(stage, change))


@pytest.mark.parametrize("stage", ["teacher", "logits"])
def test_students_of_all_sizes_share_a_teacher_of_a_size_of_its_own(stage: str) -> None:
    alone, small, same = (
        key_digest(key(stage, *sets))
        for sets in (
            ("teacher.size=24",),
            ("teacher.size=24", "dataset.size=16"),
            ("dataset.size=24",),
        )
    )
    assert alone == small == same


@pytest.mark.parametrize("setting", ["allow_leaks", "skip_bad", "verify"])
def test_how_a_folder_is_checked_decides_nothing(setting: str) -> None:
    folder = ("dataset.name=folder", "dataset.path=photos")
    assert key("teacher", *folder) == key("teacher", *folder, f"dataset.{setting}=true")


def test_the_contents_of_the_data_decide() -> None:
    assert key("teacher") != key("teacher", sha256="other")


@pytest.mark.parametrize("stage", ["teacher", "distill"])
def test_initial_weights_decide_by_their_contents(stage: str, tmp_path: Path) -> None:
    files = [tmp_path / name for name in ("a.npz", "b.npz", "c.npz")]
    for file, content in zip(files, (b"one", b"one", b"two"), strict=True):
        file.write_bytes(content)
    one, same, other = (key(stage, f"{stage}.weights={file}") for file in files)
    assert one == same
    assert one != other
    assert one != key(stage)


def test_initial_weights_are_read_once_until_they_change(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[Path] = []

    def counted(path: Path) -> str:
        read.append(path)
        return file_sha256(path)

    monkeypatch.setattr(fingerprint, "file_sha256", counted)
    file = tmp_path / "a.npz"
    file.write_bytes(b"one")
    first, again = (key("distill", f"distill.weights={file}") for _ in range(2))
    assert (first, len(read)) == (again, 1)
    file.write_bytes(b"three")
    assert key("distill", f"distill.weights={file}") != first


def test_a_plan_downloads_no_weights_and_they_decide_the_same_when_they_are_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import pooch

    monkeypatch.setattr(pooch, "retrieve", lambda *_, **__: pytest.fail("it downloads"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    whole = 'teacher={family = "efficientnet_v2b0", weights = "imagenet"}'
    before = key("teacher", whole)
    (tmp_path / "models").mkdir()
    (tmp_path / "models" / "efficientnetv2-b0_notop.h5").write_bytes(b"weights")
    assert key("teacher", whole) == before
    other = key("teacher", 'teacher={family = "resnet50v2", weights = "imagenet"}')
    shown = fingerprint.difference(before, other)
    assert "teacher.weights efficientnet" in shown


def test_weights_of_imagenet_decide_by_the_file_that_is_found() -> None:
    whole = 'teacher={family = "efficientnet_lite0", weights = "imagenet"}'
    found = key("teacher", whole)["recipe"]["teacher"]
    assert isinstance(found, dict)
    assert re.fullmatch("[0-9a-f]{64}", str(found["weights"]))


@pytest.mark.parametrize("stage", ["teacher", "logits"])
def test_the_code_for_a_teachers_file_decides_if_there_is_one(stage: str, tmp_path: Path) -> None:
    (tmp_path / "t.onnx").write_bytes(b"a network")
    with_file = key(stage, f"teacher.file={tmp_path / 't.onnx'}")
    assert {"pipeline/teachers/onnx_file.py", "pipeline/teachers/check.py"} <= {*with_file["code"]}
    assert "targets/bench/agent/preparation.py" in with_file["code"]  # prepares its input
    assert "onnxruntime" in with_file["libraries"]
    assert "pipeline/models/resnet.py" not in with_file["code"]
    assert not {"onnx", "onnxruntime"} & key(stage)["libraries"].keys()


Copy = Path
"""A folder with a copy of the packages, which a test changes and runs."""


@pytest.fixture
def copy(tmp_path: Path) -> Copy:
    for package in ("pipeline", "targets"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / package, tmp_path / package, ignore=ignored)
    return tmp_path


def run_in(copy: Copy, *argv: str) -> str:
    done = subprocess.run(
        [sys.executable, *argv],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def planned(copy: Copy, lane: Lane) -> dict[str, bool]:
    """Whether the copy would reuse each stored stage of the finished lane."""
    argv = ["plan", str(lane.recipe_file), "--data", str(lane.data_file), "--json"]
    argv += ["--target", "tflite", "--target", "onnx", "--store", str(lane.out / ".store")]
    steps = json.loads(run_in(copy, "-m", "pipeline", *argv))
    return {step["name"]: step["reused"] for step in steps if step["name"] in STORED}


def plug_in(copy: Copy, package: str, *, like: str) -> None:
    """Add `toy`: its file, a copy of another plug-in's, and its line in the registry."""
    folder = copy / "pipeline" / package
    shutil.copy(folder / f"{like}.py", folder / "toy.py")
    table = folder / "__init__.py"
    text = table.read_text()
    line = f'"{like}": {like}'
    assert line in text
    # The registry's function imports the module of each line.
    imported = re.sub(r"(def _\w+\(.*\n)", rf"\1    from pipeline.{package} import toy\n", text)
    table.write_text(imported.replace(line, f'"toy": toy, {line}', 1))


def edit(copy: Copy, file: str) -> None:
    with (copy / file).open("a") as source:
        source.write("\nADDED = 1\n")


def test_a_new_plug_in_and_a_limit_of_the_bench_leave_every_stored_stage(
    copy: Copy, finished: Lane
) -> None:
    plug_in(copy, "models", like="fused")
    plug_in(copy, "datasets", like="npy")
    edit(copy, "targets/bench/validity.py")
    assert planned(copy, finished) == dict.fromkeys(STORED, True)


def test_a_change_of_the_training_loop_makes_every_training_again(
    copy: Copy, finished: Lane
) -> None:
    edit(copy, "pipeline/training/loop.py")
    assert not any(planned(copy, finished).values())


DIGESTS = """
import json, sys
from pipeline.engine import fingerprint
from pipeline.engine.graph import STAGES
from pipeline.engine.manifest import key_digest
from pipeline.recipe.load import load, parse_override

recipe = load("digits", [parse_override(text) for text in sys.argv[1:]])
keys = {
    stage.name: fingerprint.stage_key(stage, recipe, inputs={}, dataset_sha256="d")
    for stage in STAGES if stage.reusable
}
print(json.dumps({name: key_digest(key) for name, key in keys.items()}))
"""


def digests(copy: Copy, *sets: str) -> dict[str, str]:
    found: dict[str, str] = json.loads(run_in(copy, "-c", DIGESTS, *sets))
    return found


def changed_by(copy: Copy, file: str, *sets: str) -> set[str]:
    """The stages whose key another line of code in `file` changes."""
    before = digests(copy, *sets)
    edit(copy, file)
    after = digests(copy, *sets)
    return {stage for stage in STORED if before[stage] != after[stage]}


@pytest.mark.parametrize(
    ("file", "stages"),
    [
        ("pipeline/datasets/digits.py", STORED),
        ("pipeline/datasets/npz.py", set()),
        ("pipeline/models/resnet.py", {"teacher", "logits", "distill", "convert"}),
        ("pipeline/models/mobilenet_v1.py", {"distill", "quantize", "convert"}),
        ("pipeline/models/mobilenet_v2.py", set()),
        ("pipeline/teachers/onnx_file.py", set()),
        ("pipeline/training/augmentation/images/table.py", TRAINED),
        ("pipeline/training/augmentation/draws.py", TRAINED),
        ("pipeline/training/augmentation/arrays.py", set()),
        ("pipeline/training/loop.py", {"teacher", "distill", "quantize"}),
        ("pipeline/training/distribution.py", {"teacher", "distill", "quantize"}),
        ("pipeline/cluster/multi_worker.py", set()),
        ("pipeline/training/preflight.py", set()),
        ("pipeline/quantization/qat.py", {"quantize", "convert"}),
        ("pipeline/stages/distill.py", {"distill"}),
        ("pipeline/engine/runner.py", set()),
        ("pipeline/recipe/schema.py", set()),
        ("targets/evaluation/parity.py", {"convert"}),
        ("targets/formats/tflite/export.py", {"convert"}),
        ("targets/runtimes/__init__.py", set()),
        ("targets/devices/inventory.py", set()),
    ],
)
def test_a_change_of_code_changes_the_keys_of_what_uses_it(
    copy: Copy, file: str, stages: set[str]
) -> None:
    assert changed_by(copy, file) == stages


def test_an_onnx_file_is_made_from_a_tflite_file(copy: Copy) -> None:
    only_onnx = 'convert.targets=["onnx"]'
    assert changed_by(copy, "targets/formats/tflite/export.py", only_onnx) == {"convert"}


def test_a_named_feature_loss_decides_the_distillation_alone(copy: Copy) -> None:
    file = "pipeline/losses/features/rkd.py"
    assert changed_by(copy, file, "distill.features=rkd") == {"distill"}


def test_a_named_loss_decides_the_trainings_with_a_teacher_alone(copy: Copy) -> None:
    module = uses.REGISTRIES["distill.loss"].module("dkd")
    file = f"{module.replace('.', '/')}.py"
    assert changed_by(copy, file, "distill.loss=dkd") == {"distill", "quantize"}
    assert changed_by(copy, file) == set()


def test_other_fields_of_an_artifact_are_another_result(copy: Copy) -> None:
    before = digests(copy)
    artifacts = copy / "pipeline" / "engine" / "artifacts.py"
    field = "    quantized: bool = False\n"
    artifacts.write_text(artifacts.read_text().replace(field, f"{field}    folded: bool = False\n"))
    after = digests(copy)
    assert {stage for stage in STORED if before[stage] != after[stage]} == {"distill", "quantize"}


def test_words_about_the_code_do_not_count(copy: Copy) -> None:
    before = digests(copy)
    loop = copy / "pipeline" / "training" / "loop.py"
    text = loop.read_text().replace('"""The one training loop', '"""The only one', 1)
    loop.write_text(f"{text}\n# a comment\n")
    assert digests(copy) == before


def test_a_missing_library_is_reported_with_its_remedy(copy: Copy) -> None:
    with (copy / "pipeline" / "training" / "loop.py").open("a") as source:
        source.write("\ndef later() -> None:\n    import no_such_library\n")
    done = subprocess.run(
        [sys.executable, "-m", "pipeline", "plan"],
        cwd=copy,
        env={**os.environ, "PYTHONPATH": str(copy)},
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 2
    assert "stage teacher needs the package 'no-such-library'" in done.stderr
    assert "pip install 'no-such-library'" in done.stderr


def changed(**parts: object) -> str:
    old = key("distill")
    return fingerprint.difference(old, cast(StageKey, {**old, **parts}))


def test_a_changed_value_is_shown_with_both_values() -> None:
    shown = fingerprint.difference(
        key("distill"), key("distill", "distill.temperature=2", "seed=7")
    )
    assert shown == "distill.temperature 4.0 → 2.0; seed 0 → 7"


def test_of_another_recipe_the_first_keys_are_shown() -> None:
    recipe = {f"key{number}": number for number in range(8)}
    shown = fingerprint.difference(
        cast(StageKey, {**key("distill"), "recipe": {}}),
        cast(StageKey, {**key("distill"), "recipe": recipe}),
    )
    assert shown.startswith("key0 none → 0; ")
    assert shown.endswith("key5 none → 5; 2 more keys of the recipe")


def test_changed_code_is_shown_by_file() -> None:
    code = {**key("distill")["code"], "pipeline/training/loop.py": "other"}
    assert changed(code=code) == "code changed: pipeline/training/loop.py"


def test_a_changed_library_and_input_are_shown() -> None:
    libraries = {**key("distill")["libraries"], "tensorflow": "1.0"}
    shown = changed(libraries=libraries, inputs={"teacher": "y", "logits": "x"})
    assert shown == "version of tensorflow; another result of teacher"
