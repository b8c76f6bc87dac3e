"""The ablation: variants of one recipe that share a teacher, over seeds."""

import json
import shutil
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pipeline import datasets
from pipeline.datasets.splits import Samples, Split
from pipeline.engine.ablation import (
    Observation,
    chains,
    files,
    observed_teacher,
    table_rows,
    unproved,
    variant,
)
from pipeline.engine.artifacts import Exports
from pipeline.engine.progress import SilentConsole
from pipeline.recipe.schema import Recipe
from targets.bench.plan import logits_of
from targets.errors import ProofError
from tests.conftest import Lane

SMALL = (
    ("bench.enabled", False),
    ("ablation.enabled", True),
    ("ablation.seeds", [1]),
    ("ablation.distill_epochs", 2),
    ("ablation.corrupted_samples", 20),
)


@pytest.fixture(scope="module")
def ablated(
    finished: Lane, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Lane, dict[str, Any]]:
    out = tmp_path_factory.mktemp("ablated")
    shutil.copytree(finished.out / ".store", out / ".store")
    console = SilentConsole()
    lane = Lane(finished.recipe_file, finished.data_file, out, console)
    results, _ = lane.run(*SMALL)
    return lane, json.loads((results / "report.json").read_text())["ablation"]


def test_every_variant_is_there_with_every_seed(ablated: tuple[Lane, dict[str, Any]]) -> None:
    seeds = {row["name"]: row["seeds"] for row in ablated[1]["variants"]}
    students = ("student_scratch", "student_kd", "kd_ptq", "kd_qat", "kd_qat_hard")
    assert seeds == {"teacher": [0], **{name: [1] for name in students}}
    for row in ablated[1]["variants"]:
        assert set(row["corrupted"]) == {"noise", "blur", "shift", "contrast"}
        assert {len(curve) for curve in row["corrupted"].values()} == {5}


def test_the_accuracies_are_those_of_trained_networks(
    ablated: tuple[Lane, dict[str, Any]],
) -> None:
    rows = {row["name"]: row["top1"] for row in ablated[1]["variants"]}
    assert rows["teacher"] > 0.9
    assert rows["student_kd"] > 0.5  # chance is 1/3


def test_every_step_has_a_gain_an_interval_and_a_test(
    ablated: tuple[Lane, dict[str, Any]],
) -> None:
    rows = {row["name"]: row["top1"] for row in ablated[1]["variants"]}
    assert len(ablated[1]["steps"]) == 5
    for step in ablated[1]["steps"]:
        assert step["gain"] == pytest.approx(rows[step["after"]] - rows[step["before"]])
        assert step["interval"][0] <= step["gain"] <= step["interval"][1]
        assert step["separated"] is (step["p_images"] <= 0.05)


def test_the_teacher_is_trained_once_and_the_student_with_kd_once_per_seed(
    ablated: tuple[Lane, dict[str, Any]],
) -> None:
    store = ablated[0].out / ".store"
    made = {stage: len(list(store.glob(f"{stage}-*"))) for stage in ("teacher", "logits")}
    assert made == {"teacher": 1, "logits": 1}
    # Of the recipe itself; alone and with KD for the seed, the latter fine-tuned in two ways.
    assert len(list(store.glob("distill-*"))) == 1 + 2
    assert len(list(store.glob("quantize-*"))) == 1 + 2


def test_the_page_shows_it(ablated: tuple[Lane, dict[str, Any]]) -> None:
    page = (ablated[0].out / "tiny" / "report.html").read_text()
    for row in ablated[1]["variants"]:
        assert row["is"] in page


def test_a_plan_lists_every_variant_and_what_of_it_is_there(
    ablated: tuple[Lane, dict[str, Any]],
) -> None:
    runner = ablated[0].runner(*SMALL, ("ablation.seeds", [1, 2]))
    assert [(step.reused, step.reason) for step in runner.plan_ablation()] == [
        (True, "seed 1, scratch: nothing changed"),
        (True, "seed 1, kd: nothing changed"),
        (True, "seed 1, hard: nothing changed"),
        (False, "seed 2, scratch: distill, convert"),
        (False, "seed 2, kd: distill, quantize, convert"),
        (False, "seed 2, hard: distill, quantize, convert"),
    ]
    assert ablated[0].runner().plan_ablation() == []


def test_stored_images_are_measured_without_a_copy(finished: Lane, tmp_path: Path) -> None:
    images = datasets.load(finished.recipe().dataset)[Split.TEST].raw
    np.save(tmp_path / "images.npy", images)
    model = finished.out / "tiny" / "models" / "student.float32.tflite"
    expected = logits_of(model, "tflite", images, tmp_path)
    (tmp_path / "samples.npy").unlink()
    found = logits_of(model, "tflite", tmp_path / "images.npy", tmp_path)
    np.testing.assert_array_equal(found, expected)
    assert not (tmp_path / "samples.npy").exists()


def test_precomputed_logits_are_the_teacher(lane: Lane, tmp_path: Path) -> None:
    """Students are compared with them; there are none of corrupted images."""

    def never(*_: object) -> Observation:
        raise AssertionError("there is no file to measure")

    logits = np.eye(3, dtype=np.float32)
    np.save(tmp_path / "logits.npy", logits)
    given: dict[str, Any] = {"folder": tmp_path, "models": (), "teacher_logits": "logits.npy"}
    exports = Exports.model_construct(**given)
    (teacher,) = observed_teacher(lane.recipe(), exports, never)
    student = replace(teacher, variant="student_kd", logits=logits[[0, 1, 0]])
    test = Samples(raw=np.zeros((3, 1, 1, 1), np.uint8), labels=np.arange(3))
    first, second = table_rows([teacher, student], test)
    assert (second.agreement_with_teacher, second.negative_flip_rate) == (2 / 3, 1 / 3)
    assert (first.agreement_with_teacher, first.negative_flip_rate) == (1.0, None)
    assert first.corrupted == {}
    assert second.balanced_accuracy == 2 / 3
    assert second.macro_f1 == pytest.approx(5 / 9)
    without = exports.model_copy(update={"teacher_logits": None})
    assert list(observed_teacher(lane.recipe(), without, never)) == []


def test_from_scratch_means_without_the_teachers_features_too(lane: Lane) -> None:
    recipe = lane.recipe(("distill.features", "rkd"))
    assert variant(recipe, "scratch", 0).distill.features == "none"
    assert variant(recipe, "kd", 0).distill.features == "rkd"


def test_a_student_from_random_weights_freezes_none_of_them(lane: Lane) -> None:
    frozen = [("distill.freeze_batch_norm", True), ("distill.frozen_share", 0.5)]
    recipe = lane.recipe(("distill.weights", "imagenet"), *frozen)
    kd, random = (variant(recipe, chain, 0).distill for chain in ("kd", "random"))
    assert (kd.freeze_batch_norm, kd.frozen_share) == (True, 0.5)
    assert (random.freeze_batch_norm, random.frozen_share) == (False, 0.0)


def test_what_initial_weights_buy_is_a_variant_where_the_recipe_gives_them(lane: Lane) -> None:
    plain = lane.recipe()
    inheriting = plain.distill.model_copy(update={"init": "teacher"})
    recipe = plain.model_copy(update={"distill": inheriting})
    assert chains(plain) == ("scratch", "kd", "hard")
    assert chains(recipe) == ("scratch", "kd", "hard", "random")
    inits = {chain: variant(recipe, chain, 0).distill.init for chain in chains(recipe)}
    assert inits == dict.fromkeys(("scratch", "kd", "hard"), "teacher") | {"random": "random"}
    kd, random = (variant(recipe, chain, 0).distill for chain in ("kd", "random"))
    assert random == kd.model_copy(update={"init": "random"})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("convert.keep_float", ["logits"]),
        ("convert.max_drop", 1),
        ("convert.probabilities", True),
        ("convert.prove_on", ["aarch64"]),
    ],
)
def test_files_that_only_the_recipe_asks_for_are_not_part_of_a_chain(
    key: str, value: object, lane: Lane
) -> None:
    targets = ("convert.targets", ["tflite", "onnx"])
    asked, plain = lane.recipe(targets, (key, value)), lane.recipe(targets)
    for chain in chains(asked):
        assert variant(asked, chain, 0).convert == variant(plain, chain, 0).convert


def test_variants_differ_in_nothing_but_what_they_are_about(lane: Lane) -> None:
    recipe = lane.recipe(("distill.loss", "dkd"))
    scratch, kd, hard = (variant(recipe, chain, 1) for chain in ("scratch", "kd", "hard"))
    assert (scratch.distill.alpha, kd.distill.alpha) == (0.0, 0.5)
    assert kd.distill.loss == hard.distill.loss == "dkd"
    budget = {"epochs", "batch_size", "learning_rate", "weight_decay", "seed", "family"}
    assert scratch.distill.model_dump(include=budget) == kd.distill.model_dump(include=budget)
    assert hard.distill == kd.distill
    assert (kd.quantize.loss, kd.quantize.alpha, hard.quantize.alpha) == ("dkd", 0.5, 0.0)
    assert {recipe.teacher, scratch.teacher, kd.teacher, hard.teacher} == {recipe.teacher}


def without_calibration(recipe: Recipe) -> Exports:
    """Makes files as `convert` does where the calibrated one is not its network any more."""
    if "int8_ptq" in recipe.convert.precisions:
        raise ProofError("student.int8_ptq.tflite: differs")
    names = [f"student.{precision}.tflite" for precision in recipe.convert.precisions]
    given: dict[str, Any] = {"models": [SimpleNamespace(name=name) for name in names]}
    return Exports.model_construct(**given)


def test_a_calibrated_file_that_is_not_its_network_is_left_out_and_said(lane: Lane) -> None:
    said = list[str]()
    kd = variant(lane.recipe(), "kd", 0)
    made = files(kd, without_calibration, said.append)
    assert [one.name for one in made.models] == ["student.float32.tflite", "student.int8.tflite"]
    assert "int8_ptq.tflite: differs" in said[0]

    def never(_: Recipe) -> Exports:
        raise ProofError("student.float32.tflite: differs")

    with pytest.raises(ProofError, match="float32"):
        files(variant(lane.recipe(), "scratch", 0), never, said.append)


def test_a_variant_without_a_file_of_one_seed_has_no_mean() -> None:
    logits = np.eye(2, dtype=np.float32)
    observed = [
        Observation(variant=name, seed=seed, logits=logits, corrupted={})
        for name in ("student_kd", "kd_ptq", "kd_qat")
        for seed in (0, 1)
        if (name, seed) != ("kd_ptq", 1)
    ]
    (note,) = unproved(observed).values()
    assert note.startswith("Left out: int8 by calibration alone. With seed 1 the outputs")
    assert not unproved([one for one in observed if one.seed == 0])
