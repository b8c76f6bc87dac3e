"""The untrained file of a candidate is the trained one but for the values of its weights."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest

from pipeline.engine.artifacts import Exports
from pipeline.recipe.schema import Recipe
from pipeline.search.untrained import ModelFile, untrained
from targets.errors import InputError
from targets.formats.record import ExportedModel
from targets.formats.tflite import inspect
from tests.conftest import Lane, stripes

Make = Callable[[Recipe], ModelFile]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    numbers = iter(range(9))
    return lambda recipe: untrained(recipe, tmp_path / f"trial-{next(numbers)}")


@pytest.fixture
def records(finished: Lane) -> dict[str, ExportedModel]:
    """What the finished lane recorded about its files, by their names."""
    stored = next(path for path in (finished.out / ".store").glob("convert-*") if path.is_dir())
    return {one.name: one for one in Exports.read(stored).models}


def variant(
    lane: Lane, precision: str, target: str = "tflite", *more: tuple[str, object]
) -> Recipe:
    return lane.recipe(("convert.precisions", [precision]), ("convert.targets", [target]), *more)


def structure(path: Path) -> list[Any]:
    """Every operator, and the types and shapes of its tensors."""
    if path.suffix == ".onnx":
        graph = onnx.load(path).graph
        weights = {one.name: (one.data_type, *one.dims) for one in graph.initializer}
        return [(node.op_type, [weights.get(name) for name in node.input]) for node in graph.node]
    model = inspect.read(path)
    (graph,) = model.subgraphs
    return [
        (inspect.operator_name(model, op), [tensor(graph.tensors[i]) for i in op.inputs if i >= 0])
        for op in graph.operators
    ]


def tensor(one: Any) -> tuple[object, ...]:
    return one.type, *([] if one.shape is None else map(int, one.shape))


@pytest.mark.parametrize("target", ["tflite", "onnx"])
@pytest.mark.parametrize(("precision", "tolerance"), [("float32", 0.0), ("int8", 0.05)])
def test_the_untrained_file_is_the_trained_one_but_for_its_values(
    finished: Lane,
    run: Path,
    records: dict[str, ExportedModel],
    make: Make,
    target: str,
    precision: str,
    tolerance: float,
) -> None:
    trained = run / "models" / f"student.{precision}.{target}"
    made = make(variant(finished, precision, target))
    assert structure(made.path) == structure(trained)
    assert made.path.read_bytes() != trained.read_bytes()
    size = trained.stat().st_size
    assert abs(made.path.stat().st_size - size) <= tolerance * size
    assert made.record.size_bytes == made.path.stat().st_size
    own = {"sha256", "size_bytes"}
    assert made.record.model_dump(exclude=own) == records[trained.name].model_dump(exclude=own)


def test_the_same_recipe_gives_the_same_bytes_whatever_was_made_before(
    finished: Lane, make: Make
) -> None:
    recipe = variant(finished, "float32")
    first = make(recipe)
    other = make(variant(finished, "int8_ptq"))
    wide = make(variant(finished, "float32", "tflite", ("distill.width_multiplier", 0.5)))
    assert make(recipe).record == first.record
    assert len({first.record.sha256, other.record.sha256, wide.record.sha256}) == 3
    assert wide.record.size_bytes > first.record.size_bytes > other.record.size_bytes


def test_probabilities_are_part_of_it(finished: Lane, make: Make) -> None:
    plain = make(variant(finished, "float32"))
    both = make(variant(finished, "float32", "tflite", ("convert.probabilities", True)))
    names = [name for name, _ in structure(both.path)]
    assert names == [*(name for name, _ in structure(plain.path)), "SOFTMAX"]


def test_too_few_samples_to_calibrate_with_are_refused_as_in_a_run(
    lane: Lane, make: Make, tmp_path: Path
) -> None:
    np.savez(few := tmp_path / "few.npz", **stripes(samples=90))
    with pytest.raises(InputError, match="too few to calibrate int8"):
        make(variant(lane, "int8", "tflite", ("dataset.path", few)))
    assert not (tmp_path / "trial-0").exists()
