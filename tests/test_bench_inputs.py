"""What each input of somebody else's model is given, or why that cannot be known."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from targets.bench.agent.preparation import prepare
from targets.bench.inputs import Given, batch_of, doubt, require_known, resolve
from targets.errors import InputError

MODEL = Path("net.onnx")


def described(name: str, shape: Sequence[int | None], dtype: str = "float32", **more: Any) -> Any:
    return {"name": name, "shape": list(shape), "dtype": dtype, "quantization": None, **more}


def samples(*shape: int, dtype: str = "uint8", **more: Any) -> Given:
    return Given(samples=(shape, np.dtype(dtype)), **more)


def test_a_leading_open_dimension_is_a_batch_of_one() -> None:
    entry = resolve([described("x", [None, 3, 8, 8])], Given(), MODEL)["x"]
    assert (entry["kind"], entry["shape"]) == ("random", [1, 3, 8, 8])


def test_any_other_open_dimension_must_be_said() -> None:
    opened = [described("x", [None, 3, None, None])]
    with pytest.raises(InputError, match=r"not the batch: 'x' float32 .* --shape x=1,3,N,N\."):
        resolve(opened, Given(), MODEL)
    said = Given(shapes={"x": (1, 3, 48, 320)})
    assert resolve(opened, said, MODEL)["x"]["shape"] == [1, 3, 48, 320]


def test_a_shape_that_is_fixed_cannot_be_said_otherwise() -> None:
    with pytest.raises(InputError, match=r"--shape x=2,3: net.onnx takes 'x' float32 \[1, 3\]"):
        resolve([described("x", [1, 3])], Given(shapes={"x": (2, 3)}), MODEL)


def test_made_up_token_ids_are_in_every_vocabulary() -> None:
    entry = resolve([described("input_ids", [1, 128], "int64")], Given(), MODEL)["input_ids"]
    assert (entry["low"], entry["high"]) == (0, 1)


@pytest.mark.parametrize("dtype", ["tensor(string)", "tensor(bfloat16)", "seq(tensor(float))"])
def test_a_type_that_numpy_does_not_know_cannot_be_given(tmp_path: Path, dtype: str) -> None:
    file = tmp_path / "x.npy"
    np.save(file, np.array(["dog"]))
    one = [described("x", [None], dtype)]
    for given in (Given(), Given(files={"x": file}), samples(), samples(1, dtype="float32")):
        with pytest.raises(InputError, match=rf"input 'x' takes {re.escape(dtype)}, and only num"):
            resolve(one, given, MODEL)


def test_an_input_is_given_the_contents_of_a_file(tmp_path: Path) -> None:
    file = tmp_path / "mask.npy"
    np.save(file, np.ones((1, 7), np.int64))
    entry = resolve([described("mask", [None, None], "int64")], Given(files={"mask": file}), MODEL)
    assert entry["mask"] == {"dtype": "int64", "kind": "file", "shape": [1, 7], "path": str(file)}


@pytest.mark.parametrize(
    "content", [np.ones((1, 7), np.int32), np.ones((1, 8), np.int64)], ids=["type", "shape"]
)
def test_contents_that_do_not_fit_are_told_with_what_does(tmp_path: Path, content: Any) -> None:
    file = tmp_path / "mask.npy"
    np.save(file, content)
    with pytest.raises(InputError, match=r"--input mask=.*takes 'mask' int64 \[1, 7\]"):
        resolve([described("mask", [1, 7], "int64")], Given(files={"mask": file}), MODEL)


def test_contents_that_are_no_array_are_told(tmp_path: Path) -> None:
    file = tmp_path / "mask.npy"
    file.write_bytes(b"no array")
    with pytest.raises(InputError, match=r"--input mask=.*cannot be read as \.npy"):
        resolve([described("mask", [1, 7])], Given(files={"mask": file}), MODEL)


def test_the_samples_go_to_the_only_input_or_to_the_one_they_fit() -> None:
    image, length = described("image", [1, 8, 8, 3], "uint8"), described("n", [1], "int32")
    entries = resolve([length, image], samples(8, 8, 3), MODEL)
    assert {name: entry["kind"] for name, entry in entries.items()} == {
        "image": "samples", "n": "random"
    }  # fmt: skip


def test_samples_that_fit_two_inputs_are_not_guessed_about() -> None:
    two = [described("a", [1, 8, 8, 3]), described("b", [1, 8, 8, 3])]
    with pytest.raises(InputError, match=r"more than one of its inputs takes a sample"):
        resolve(two, samples(8, 8, 3), MODEL)


def test_samples_of_a_wrong_shape_are_told_with_the_right_one() -> None:
    with pytest.raises(InputError, match=r"a sample is \[9, 9, 3\], and net.onnx takes 'x'"):
        resolve([described("x", [1, 8, 8, 3])], samples(9, 9, 3), MODEL)


def test_images_are_laid_out_as_the_network_wants_them() -> None:
    entry = resolve([described("x", [1, 3, 4, 5])], samples(4, 5, 3), MODEL)["x"]
    raw = np.arange(60, dtype=np.uint8).reshape(1, 4, 5, 3)
    given = prepare(raw, entry["adapter"], np.float32)
    np.testing.assert_array_equal(given, np.moveaxis(raw, -1, 1))
    assert entry["shape"] == [1, 3, 4, 5]


def test_a_batch_that_is_fixed_is_one_query_of_as_many_samples() -> None:
    opened, fixed = described("x", [None, 3, 8, 8]), described("x", [8, 3, 8, 8])
    scores = [described("y", [None, 4])]
    for one, given, batch in (
        (opened, Given(), 1),
        (opened, Given(shapes={"x": (8, 3, 8, 8)}), 8),
        (fixed, Given(), 8),
        (fixed, samples(8, 8, 3), 8),
    ):
        entries = resolve([one], given, MODEL)
        assert (entries["x"]["shape"], batch_of(entries, scores)) == ([batch, 3, 8, 8], batch)


def test_what_does_not_lead_everything_is_no_batch() -> None:
    tokens = resolve([described("ids", [128], "int64")], Given(), MODEL)
    assert batch_of(tokens, [described("y", [128])]) == 1  # it has nothing but that dimension
    series = resolve([described("x", [80, 10])], Given(), MODEL)
    assert batch_of(series, [described("y", [1, 4])]) == 1
    assert batch_of(series, [described("y", [80, 4])]) == 80


def test_grey_images_get_the_channel_that_the_network_has() -> None:
    for shape in ([1, 8, 8, 1], [1, 1, 8, 8]):
        assert resolve([described("x", shape)], samples(8, 8), MODEL)["x"]["shape"] == shape


@pytest.mark.parametrize(
    ("dtype", "given", "expected"),
    [
        ("uint8", samples(2), [0, 255]),  # raw bytes as they are
        ("int8", samples(2), [-128, 127]),  # the same pixels, and no overflow
        ("float32", samples(2), [0, 255]),
        ("float32", samples(2, scale=1 / 255, offset=-1.0), [-1, 0]),
    ],
)
def test_raw_pixels_reach_every_type_of_input(dtype: str, given: Given, expected: Any) -> None:
    quantized = described("x", [1, 2], dtype, quantization=[0.5, 3])
    entry = resolve([quantized], given, MODEL)["x"]
    raw = np.array([[0, 255]], np.uint8)
    assert prepare(raw, entry["adapter"], np.dtype(dtype)).tolist() == [pytest.approx(expected)]


def test_real_numbers_are_quantized_as_the_file_says() -> None:
    quantized = described("x", [1, 2], "int8", quantization=[0.5, 3])
    entry = resolve([quantized], samples(2, dtype="float32"), MODEL)["x"]
    raw = np.array([[-1.0, 2.0]], np.float32)
    assert prepare(raw, entry["adapter"], np.int8).tolist() == [[1, 7]]


def test_real_numbers_for_an_integer_input_without_a_scale_are_refused() -> None:
    with pytest.raises(InputError, match="without a scale, and real numbers cannot be quantized"):
        resolve([described("x", [1, 2], "int8")], samples(2, dtype="float32"), MODEL)


def test_a_name_that_no_input_has_is_told_with_the_nearest() -> None:
    inputs = [[described("input_ids", [1, 8])]]
    with pytest.raises(InputError, match="--shape: unknown input 'input_id'; did you mean"):
        require_known(inputs, Given(shapes={"input_id": (1, 8)}))
    require_known(inputs, Given(shapes={"input_ids": (1, 8)}))


def doubted(dtype: str, given: Given, quantization: Any = None) -> str | None:
    inputs = [described("x", [1, 8, 8, 3], dtype, quantization=quantization)]
    return doubt(inputs, resolve(inputs, given, MODEL), given)


@pytest.mark.parametrize("step", [1.0, 1 / 255, 0.00392157, 1 / 127.5, 1 / 128])
def test_the_scales_of_pixels_raise_no_doubt(step: float) -> None:
    assert doubted("int8", samples(8, 8, 3), (step, -128)) is None


def test_an_input_of_another_scale_or_of_real_numbers_is_doubted() -> None:
    said = doubted("int8", samples(8, 8, 3), (0.0187, -14))
    assert said is not None
    assert "its input 'x' has the scale 0.0187 (zero point -14), which is none of raw" in said
    said = doubted("float32", samples(8, 8, 3))
    assert said is not None
    assert "--scale and --offset" in said


def test_what_the_user_said_about_the_input_is_not_doubted() -> None:
    assert doubted("float32", samples(8, 8, 3, scale=1 / 255)) is None
    assert doubted("int8", samples(8, 8, 3, offset=-128.0), (0.0187, -14)) is None
    assert doubted("int8", samples(8, 8, 3, dtype="float32"), (0.0187, -14)) is None
