"""What `pipeline bench` reads from a classifier's outputs: a right figure, or a word why not."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click.testing
import numpy as np
import pytest

from pipeline.cli.app import main
from targets.bench import scores
from targets.bench.record import AccuracyPass
from targets.bench.result import BenchResult, read
from targets.errors import InputError
from tests.brief import brief

SAMPLES, CLASSES = 40, 4
Node = tuple[str, Sequence[str], Sequence[str], dict[str, Any]]
Output = tuple[str, str, Sequence[int | str]]
"""Name, numpy's name of the type, shape."""
SCORES: Output = ("scores", "float32", ["n", CLASSES])
SAME: Node = ("Identity", ["x"], ["scores"], {})


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    brief(monkeypatch)


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Samples [4] whose largest value is the label's, each class as often as any other."""
    labels = np.arange(SAMPLES) % CLASSES
    x = np.random.default_rng(0).uniform(0, 1, (SAMPLES, CLASSES)).astype(np.float32)
    x[np.arange(SAMPLES), labels] += 1
    path = tmp_path_factory.mktemp("data") / "data.npz"
    np.savez(path, samples=x, labels=labels)
    return path


Write = Callable[..., Path]


@pytest.fixture
def network(tmp_path: Path) -> Write:
    """An ONNX file of nodes behind the input "x" [n, 4]."""
    from onnx import helper, numpy_helper, save

    def value(name: str, dtype: str, shape: Sequence[int | str]) -> Any:
        return helper.make_tensor_value_info(
            name, helper.np_dtype_to_tensor_dtype(np.dtype(dtype)), shape
        )

    def write(
        name: str,
        *nodes: Node,
        outputs: Sequence[Output] = (SCORES,),
        constants: dict[str, Any] | None = None,
        batch: int | str = "n",
    ) -> Path:
        graph = helper.make_graph(
            [helper.make_node(op, of, to, **more) for op, of, to, more in nodes or (SAME,)],
            name,
            [value("x", "float32", [batch, CLASSES])],
            [value(*one) for one in outputs],
            [numpy_helper.from_array(np.asarray(v), k) for k, v in (constants or {}).items()],
        )
        path = tmp_path / f"{name}.onnx"
        opset = [helper.make_opsetid("", 13)]
        save(helper.make_model(graph, opset_imports=opset, ir_version=8), path)
        return path

    return write


def bench(tmp_path: Path, *argv: object) -> Any:
    given = ["bench", *map(str, argv), "--tier", "rapid", "--out", str(tmp_path / "bench")]
    return click.testing.CliRunner().invoke(main, given, standalone_mode=False)


def document(tmp_path: Path) -> BenchResult:
    return read(tmp_path / "bench" / "local.json")


def accuracy(tmp_path: Path) -> dict[str, AccuracyPass]:
    return {row.model: row for row in document(tmp_path).accuracy}


def test_scores_that_are_not_finite_are_an_error_and_no_class(
    network: Write, data: Path, tmp_path: Path
) -> None:
    good = network("good")
    constants = {"bad": np.array([0, 0, -np.inf, 0], np.float32)}
    lost = network("lost", ("Add", ["x", "bad"], ["scores"], {}), constants=constants)
    done = bench(tmp_path, good, lost, "--baseline", good, "--data", data)
    assert done.return_value == 2
    assert "lost.onnx: 40 of 40 samples give outputs that are not finite" in done.output
    assert "the first of them sample 0" in done.output
    seen = accuracy(tmp_path)
    assert seen["good.onnx"].top1 == 1
    assert (seen["lost.onnx"].top1, seen["lost.onnx"].agreement) == (None, None)


def test_a_baseline_that_is_not_finite_is_compared_with_nothing(
    network: Write, data: Path, tmp_path: Path
) -> None:
    constants = {"bad": np.full(CLASSES, np.nan, np.float32)}
    lost = network("lost", ("Add", ["x", "bad"], ["scores"], {}), constants=constants)
    good = network("good")
    assert bench(tmp_path, good, "--baseline", lost, "--data", data).return_value == 2
    row = accuracy(tmp_path)["good.onnx"]
    assert (row.top1, row.agreement) == (1, None)


def output(name: str, *shape: int | None, dtype: str = "float32", scale: float = 0) -> Any:
    quantization = [scale, 0] if scale else None
    return {"name": name, "shape": list(shape), "dtype": dtype, "quantization": quantization}


@pytest.mark.parametrize(
    ("outputs", "classes", "judged"),
    [
        ([output("boxes", 1, 100, 4), output("scores", 1, 10)], None, "scores"),
        ([output("embedding", None, 8), output("scores", None, 4)], 4, "scores"),
        ([output("scores", None, 4, 1, 1), output("embedding", None, 8)], 4, "scores"),
        ([output("label", None, dtype="int64"), output("p", None, 4)], 4, "p"),
        ([output("label", None, dtype="int64"), output("map", 1, 8, 8)], 4, "label"),
        ([output("embedding", 1, 8), output("p", 1, 1)], 2, "p"),
        ([output("index", 1, 5, dtype="int64"), output("top5", 1, 5)], None, "top5"),
        ([output("text", 1, dtype="tensor(string)"), output("p", 1, 4)], None, "p"),
        ([output("q", 1, 4, dtype="int8", scale=0.1), output("e", 1, 8, dtype="int8")], 4, "q"),
        ([output("only", 1, 1000)], 5, "only"),  # the labels are of some of its classes
        ([output("embedding", 1, 8), output("scores", 1, 1000)], 5, None),
        ([output("a", 1, 4), output("b", 1, 4)], 4, None),
        ([output("a", 1, 4), output("b", 1, 5)], None, None),
    ],
)
def test_the_output_is_chosen_that_alone_can_be_meant(
    outputs: list[Any], classes: int | None, judged: str | None
) -> None:
    choice = scores.choose(outputs, classes=classes)
    assert (choice.undecided is None) == (judged is not None)
    if judged is None:
        assert "--output NAME" in str(choice.undecided)
        assert scores.choose(outputs, classes=classes, named=["scores", "b"]).index == 1
        assert scores.choose(outputs, classes=outputs[1]["shape"][1], like=outputs[1]["name"]).index
    else:
        assert outputs[choice.index]["name"] == judged


FORMS: dict[str, tuple[list[Node], list[Output], dict[str, Any]]] = {
    "map": (
        [("Reshape", ["x", "shape"], ["y"], {})],
        [("y", "float32", ["n", CLASSES, 1, 1])],
        {"shape": np.array([-1, CLASSES, 1, 1])},
    ),
    "label": (
        [("ArgMax", ["x"], ["y"], {"axis": 1, "keepdims": 0})], [("y", "int64", ["n"])], {}
    ),
    "column": (
        [("ArgMax", ["x"], ["y"], {"axis": 1, "keepdims": 1})], [("y", "int64", ["n", 1])], {}
    ),
    "embedding_first": (
        [SAME, ("MatMul", ["x", "mixing"], ["e"], {})],
        [("e", "float32", ["n", 8]), SCORES],
        {"mixing": np.random.default_rng(1).normal(size=(CLASSES, 8)).astype(np.float32)},
    ),
}  # fmt: skip


def test_every_form_of_scores_is_judged_alike(network: Write, data: Path, tmp_path: Path) -> None:
    good = network("good")
    forms = [
        network(name, *nodes, outputs=outputs, constants=constants)
        for name, (nodes, outputs, constants) in FORMS.items()
    ]
    forms.append(two_heads(network))  # the baseline's only output says which is meant
    done = bench(tmp_path, *forms, "--baseline", good, "--data", data)
    assert done.return_value == 0, done.output
    seen = accuracy(tmp_path)
    for form in forms:
        assert (seen[form.name].top1, seen[form.name].agreement) == (1, 1), form
    assert seen["embedding_first.onnx"].output == "scores"
    assert "embedding_first.onnx: computed from its output 'scores' float32 [?, 4]" in done.output


def two_heads(network: Write) -> Path:
    flip: Node = ("Neg", ["x"], ["other"], {})
    return network("two", flip, SAME, outputs=[("other", "float32", ["n", CLASSES]), SCORES])


def test_several_outputs_that_fit_are_not_guessed_between(
    network: Write, data: Path, tmp_path: Path
) -> None:
    two, good = two_heads(network), network("good")
    done = bench(tmp_path, two, good, "--data", data)
    assert done.return_value == 2
    assert (
        "two.onnx: no top-1: it has the outputs 'other' float32 [?, 4]; 'scores' float32 [?, 4]"
        in done.output
    )
    assert "--output NAME" in done.output
    assert [row.top1 for row in document(tmp_path).accuracy] == [None, 1]
    done = bench(tmp_path, two, good, "--data", data, "--output", "scores")
    assert done.return_value == 0, done.output
    assert accuracy(tmp_path)["two.onnx"].top1 == 1


def test_an_output_that_no_model_has_is_refused(network: Write, data: Path, tmp_path: Path) -> None:
    done = bench(tmp_path, network("good"), "--data", data, "--output", "score")
    assert isinstance(done.exception, InputError)
    assert "--output: unknown output 'score'; did you mean 'scores'?" in str(done.exception)


def test_a_background_class_is_told_and_can_be_said(
    network: Write, data: Path, tmp_path: Path
) -> None:
    good = network("good")
    behind = network(
        "background",
        ("Concat", ["zero", "x"], ["scores"], {"axis": 1}),
        outputs=[("scores", "float32", [1, CLASSES + 1])],
        constants={"zero": np.zeros((1, 1), np.float32)},
        batch=1,
    )
    given = [behind, "--baseline", good, "--data", data]
    done = bench(tmp_path, *given)
    assert done.return_value == 0
    assert (
        "background.onnx: top-1 0.00 % is not shown to be above 25.00 %, the most frequent "
        "label's; it gives 5 scores, and the labels are 0 to 3; with --class-offset=1 it would be "
        "100.00 %" in done.output
    )
    assert "no agreement: it has 5 classes, and good.onnx 4" in done.output
    row = accuracy(tmp_path)["background.onnx"]
    assert (row.top1, row.above_chance, row.most_frequent) == (0, False, 0.25)
    done = bench(tmp_path, *given, "--class-offset", "background.onnx=1")
    assert done.return_value == 0
    assert {row.top1 for row in document(tmp_path).accuracy} == {1}
    assert accuracy(tmp_path)["background.onnx"].agreement == 1
    assert "not shown" not in done.output


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("much", "--class-offset much: is a whole number"),
        ("god.onnx=1", "unknown model 'god.onnx'"),
    ],
)
def test_a_class_offset_that_is_none_is_told(
    network: Write, data: Path, tmp_path: Path, text: str, said: str
) -> None:
    done = bench(tmp_path, network("good"), "--data", data, "--class-offset", text)
    assert isinstance(done.exception, InputError)
    assert said in str(done.exception)


def test_labels_of_some_classes_are_judged_as_they_are(
    network: Write, data: Path, tmp_path: Path
) -> None:
    with np.load(data) as all_of_them:
        few = all_of_them["labels"] < 2
        kept = {name: all_of_them[name][few] for name in ("samples", "labels")}
    np.savez(tmp_path / "few.npz", **kept)
    done = bench(tmp_path, network("good"), "--data", tmp_path / "few.npz")
    row = accuracy(tmp_path)["good.onnx"]
    assert (done.return_value, row.top1, row.above_chance, row.notes) == (0, 1, True, ())


def test_labels_that_count_from_one_are_told(network: Write, data: Path, tmp_path: Path) -> None:
    with np.load(data) as right:
        np.savez(tmp_path / "ones.npz", samples=right["samples"], labels=right["labels"] + 1)
    done = bench(tmp_path, good := network("good"), "--data", tmp_path / "ones.npz")
    assert "Where the labels count from 1: --class-offset=-1." in done.output
    assert done.return_value == 2
    bench(tmp_path, good, "--data", tmp_path / "ones.npz", "--class-offset=-1")
    assert accuracy(tmp_path)["good.onnx"].top1 == 1


@pytest.mark.parametrize("uneven", [True, False])
def test_balanced_accuracy_stands_beside_top1_where_the_labels_are_uneven(
    network: Write, tmp_path: Path, uneven: bool
) -> None:
    """Label 3 is taken for 0; with `uneven` it is one label of ten, of three classes."""
    labels = np.repeat([0, 1, 3], [6, 3, 1] if uneven else [4, 4, 4])
    x = np.eye(CLASSES, dtype=np.float32)[np.where(labels == 3, 0, labels)]
    np.savez(tmp_path / "data.npz", samples=x, labels=labels)
    done = bench(tmp_path, network("good"), "--data", tmp_path / "data.npz")
    row = accuracy(tmp_path)["good.onnx"]
    assert row.balanced_accuracy == pytest.approx(2 / 3)
    assert row.imbalance == (6 if uneven else 1)
    assert ("balanced %" in done.output) == ("macro F1 %" in done.output) == uneven
    if uneven:
        assert row.top1 == 0.9
        assert row.macro_f1 == pytest.approx((12 / 13 + 1 + 0) / 3)


@pytest.mark.parametrize("squash", ["Identity", "Sigmoid"])
def test_one_score_is_a_class_of_two(network: Write, tmp_path: Path, squash: str) -> None:
    """Above 0 of logits and above 0.5 of probabilities."""
    x = np.random.default_rng(0).normal(size=(SAMPLES, CLASSES)).astype(np.float32)
    weights = np.ones((CLASSES, 1), np.float32)
    np.savez(tmp_path / "two.npz", samples=x, labels=(x.sum(axis=1) > 0).astype(np.int64))
    nodes: list[Node] = [("MatMul", ["x", "w"], ["z"], {}), (squash, ["z"], ["y"], {})]
    one = network("one", *nodes, outputs=[("y", "float32", ["n", 1])], constants={"w": weights})
    done = bench(tmp_path, one, "--data", tmp_path / "two.npz")
    assert done.return_value == 0, done.output
    assert accuracy(tmp_path)["one.onnx"].top1 == 1
    limit = "0" if squash == "Identity" else "0.5"
    assert f"one.onnx: its one number is read as class 1 above {limit}, else" in done.output


def test_an_output_without_classes_says_why_there_is_no_figure(
    network: Write, data: Path, tmp_path: Path
) -> None:
    mapped = network(
        "map",
        ("Reshape", ["x", "shape"], ["y"], {}),
        outputs=[("y", "float32", ["n", 2, 2])],
        constants={"shape": np.array([-1, 2, 2])},
    )
    done = bench(tmp_path, mapped, "--data", data)
    assert done.return_value == 0
    assert (
        "map.onnx: no top-1: its output is 'y' float32 [2, 2] for a sample, and no class can be "
        "read from that" in done.output
    )


def test_bytes_for_an_input_of_real_numbers_are_told_where_top1_is_at_chance(
    network: Write, data: Path, tmp_path: Path
) -> None:
    """A network that expects samples / 255 and less a half, for which bytes are all too large."""
    nodes: list[Node] = [("Clip", ["x", "low", "high"], ["scores"], {})]
    bounds = {"low": np.float32(-0.5), "high": np.float32(0.5)}
    clipped = network("clipped", *nodes, constants=bounds)
    with np.load(data) as real:
        images = np.clip(120 * real["samples"] + 1, 0, 255).astype(np.uint8)
        np.savez(tmp_path / "bytes.npz", images=images, labels=real["labels"])
    given = [clipped, "--data", tmp_path / "bytes.npz"]
    done = bench(tmp_path, *given)
    assert done.return_value == 0
    assert (
        "clipped.onnx: top-1 25.00 % is not shown to be above 25.00 %, the most frequent label's; "
        "its input 'x' is float32 and was given whole numbers as they are" in done.output
    )
    assert "not shown" not in bench(tmp_path, *given, "--scale=0.004", "--offset=-0.5").output
    assert accuracy(tmp_path)["clipped.onnx"].above_chance


def test_a_fixed_batch_is_judged_by_sample_and_not_compared_as_one_query(
    network: Write, data: Path, tmp_path: Path
) -> None:
    good = network("good")
    sixteen = network("sixteen", outputs=[("scores", "float32", [16, CLASSES])], batch=16)
    done = bench(tmp_path, sixteen, "--baseline", good, "--data", data)
    assert done.return_value == 0, done.output
    row = accuracy(tmp_path)["sixteen.onnx"]
    assert (row.samples, row.top1, row.agreement) == (SAMPLES, 1, 1)
    seen = document(tmp_path)
    assert [model.samples_per_query for model in seen.models] == [16, 1]
    (compared,) = seen.comparison
    assert (compared.ratio, compared.verdict) == (None, "invalid")
    assert "samples per query" in done.output
    assert (
        "sixteen.onnx: no speed-up: a query of it is 16 samples, and of good.onnx 1" in done.output
    )


def test_an_output_of_text_is_that_models_error(network: Write, data: Path, tmp_path: Path) -> None:
    from onnx import TensorProto, load, save

    text = network("text", ("Cast", ["x"], ["y"], {"to": TensorProto.STRING}), outputs=[
        ("y", "float32", ["n", CLASSES])
    ])  # fmt: skip
    file = load(text)
    file.graph.output[0].type.tensor_type.elem_type = TensorProto.STRING
    save(file, text)
    done = bench(tmp_path, text, network("good"), "--data", data)
    assert done.return_value == 2
    assert "its output 'y' tensor(string) [?, 4] holds no numbers" in done.output
    assert accuracy(tmp_path)["good.onnx"].top1 == 1


def test_a_quantized_single_score_is_judged_by_its_real_value() -> None:
    for step in (1 / 256, 0.00392157):  # 255 of the second are more than 1
        described = output("y", None, 1, dtype="uint8", scale=step)
        seen = scores.predictions(
            np.array([[0], [127], [129], [255]], np.uint8), described, model="m"
        )
        assert seen is not None
        assert seen.classes.tolist() == [0, 0, 1, 1]
