"""What each input of a model is given: the samples, a file's contents, or seeded random numbers.

A model file may have several inputs and open dimensions. A leading open dimension is the batch, 1;
any other is given by `--shape`, or follows from the contents. A batch that is fixed in the file is
one query of as many samples.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from targets.bench.agent.job import InputSpec
from targets.bench.agent.session import Tensor
from targets.errors import InputError, unknown
from targets.formats.model_io import ModelIO

Shape = tuple[int, ...]
Factor = float | tuple[float, ...]
"""One number, or one per channel."""
TOKENS = (0, 1)
"""Random values of int32 and int64 inputs: valid as token ids, masks and segments whatever the
vocabulary; larger ones are an index out of range in many text networks."""
RANDOM = {
    "float16": (0.0, 1.0),
    "float32": (0.0, 1.0),
    "float64": (0.0, 1.0),
    "uint8": (0, 255),
    "int8": (-128, 127),
    "int16": (-32768, 32767),
    "uint16": (0, 65535),
    "int32": TOKENS,
    "int64": TOKENS,
    "uint32": TOKENS,
    "uint64": TOKENS,
    "bool": (0, 1),
}
"""Type of an input -> the least and greatest of its random values; no other type can be given."""
RAW_BYTES = {("uint8", "int8"): (1.0, -128), ("int8", "uint8"): (1.0, 128)}


@dataclass(frozen=True, kw_only=True)
class Given:
    """The user's options for the inputs of the models, by the inputs' names."""

    shapes: Mapping[str, Shape] = field(default_factory=dict)
    files: Mapping[str, Path] = field(default_factory=dict)
    samples: tuple[Shape, np.dtype[np.generic]] | None = None
    """Shape of one sample, without the batch, and type of all."""
    scale: Factor | None = None
    offset: Factor | None = None
    """The network expects `sample * scale + offset`; None: the samples as they are."""


def resolve(inputs: Sequence[Tensor], given: Given, path: Path) -> dict[str, InputSpec]:
    """Return the entry in the agent's job of each input of the file in `path`.

    Raises `InputError` with the input's name where its shape or its contents cannot be known.
    """
    fed = _fed_by_samples(inputs, given, path)
    _require_closed([one for one in inputs if one is not fed], given, path)
    return {one["name"]: _entry(one, given, path, is_fed=one is fed) for one in inputs}


def batch_of(entries: Mapping[str, InputSpec], outputs: Sequence[Tensor]) -> int:
    """Samples of one query: of the input that takes them, else the first size of all inputs and
    outputs, where it is the same and one of them has more dimensions.
    """
    fed = [entry["batch"] for entry in entries.values() if "batch" in entry]
    if fed:
        return int(fed[0])
    shapes = [entry["shape"] for entry in entries.values()]
    leading = {shape[0] if shape else 1 for shape in shapes}
    leading |= {one["shape"][0] for one in outputs if one["shape"] and one["shape"][0] is not None}
    is_batch = len(leading) == 1 and any(len(shape) > 1 for shape in shapes)
    return int(leading.pop()) if is_batch else 1


def require_known(all_inputs: Sequence[Sequence[Tensor]], given: Given) -> None:
    """Raise `InputError` for a name in `--shape` or `--input` that no model's input has."""
    names = {one["name"] for inputs in all_inputs for one in inputs}
    for option, named in (("--shape", given.shapes), ("--input", given.files)):
        for name in named:
            if name not in names:
                raise unknown("input", name, names, place=option)


def _fed_by_samples(inputs: Sequence[Tensor], given: Given, path: Path) -> Tensor | None:
    """The input that the samples go to: the only one that is left, or that they fit."""
    if given.samples is None:
        return None
    left = [one for one in inputs if one["name"] not in given.files]
    if len(left) == 1:
        return left[0]
    fitting = [one for one in left if _layout(one, given) is not None]
    if len(fitting) != 1:
        shown = "; ".join(_shown(one) for one in inputs)
        count = "none of its inputs takes" if not fitting else "more than one of its inputs takes"
        raise InputError(
            f"--data: {path} has the inputs {shown}, and {count} a sample of "
            f"{list(given.samples[0])}. Give the others with --input NAME=FILE.npy."
        )
    return fitting[0]


def _entry(one: Tensor, given: Given, path: Path, *, is_fed: bool) -> InputSpec:
    name, dtype = one["name"], one["dtype"]
    if dtype not in RANDOM:
        raise InputError(
            f"{path}: input '{name}' takes {dtype}, and only numbers of numpy's types can be "
            "given. Export the part of the network behind it, and measure that."
        )
    if is_fed:
        return _sample_entry(one, given, path)
    if name in given.files:
        return _file_entry(one, given, path)
    low, high = RANDOM[dtype]
    shape = _closed(one, given, path)
    return {"dtype": dtype, "kind": "random", "shape": shape, "low": low, "high": high}


PIXEL_STEPS = (1.0, 1 / 255, 1 / 256, 1 / 127.5, 1 / 128)
"""The scales of an integer input that takes raw pixels: as they are, as 0 to 1, as -1 to 1."""


def doubt(inputs: Sequence[Tensor], entries: Mapping[str, InputSpec], given: Given) -> str | None:
    """Why the values that an input is given may differ from those of its network's training."""
    fed = [one for one in inputs if entries[one["name"]]["kind"] == "samples"]
    is_scaled = given.scale is not None or given.offset is not None
    if not fed or is_scaled or given.samples is None:
        return None
    one, (_, dtype) = fed[0], given.samples
    if not np.issubdtype(dtype, np.integer):
        return None
    if one["dtype"].startswith("float"):
        return (
            f"its input '{one['name']}' is {one['dtype']} and was given whole numbers as they are: "
            "if it was trained on others (pixels / 255, say), give --scale and --offset"
        )
    if one["quantization"] is None or _is_of_pixels(float(one["quantization"][0])):
        return None
    step, zero = one["quantization"]
    return (
        f"its input '{one['name']}' has the scale {step:.4g} (zero point {zero}), which is none of "
        "raw pixels (1, 1/255, 1/127.5): give the --scale and --offset that it was trained with"
    )


def _is_of_pixels(step: float) -> bool:
    return any(math.isclose(step, known, rel_tol=0.01) for known in PIXEL_STEPS)


def _sample_entry(one: Tensor, given: Given, path: Path) -> InputSpec:
    assert given.samples is not None
    shape, dtype = given.samples
    layout = _layout(one, given)
    if layout is None:
        raise InputError(
            f"--data: a sample is {list(shape)}, and {path} takes {_shown(one)}. Give samples of "
            "that shape, or give an open dimension with --shape."
        )
    channels_first, laid_out = layout
    batch = _declared(one, given)[0] or 1
    adapter = ModelIO(
        scale=given.scale or 1.0,
        offset=given.offset or 0.0,
        channels_first=channels_first,
        shape=laid_out,
        input_quantization=_quantization(one, dtype, given, path),
    )
    return {
        "kind": "samples",
        "dtype": one["dtype"],
        "shape": [batch, *laid_out],
        "batch": batch,
        "adapter": adapter.model_dump(),
    }


def _quantization(
    one: Tensor, dtype: "np.dtype[np.generic]", given: Given, path: Path
) -> tuple[float, int] | None:
    """How the samples become the integers that the input takes; None: they are cast.

    Real numbers are quantized with the file's scale. Raw bytes stay unchanged, and an int8 input
    takes them less 128: the same pixels.
    """
    wanted = np.dtype(one["dtype"])
    if not np.issubdtype(wanted, np.integer):
        return None
    is_real = np.issubdtype(dtype, np.floating)
    if is_real or given.scale is not None or given.offset is not None:
        if one["quantization"] is None:
            raise InputError(
                f"--data: {path} takes {_shown(one)} without a scale, and real numbers cannot be "
                "quantized for it. Give samples of that type, without --scale and --offset."
            )
        return float(one["quantization"][0]), int(one["quantization"][1])
    return RAW_BYTES.get((dtype.name, wanted.name))


def _layout(one: Tensor, given: Given) -> tuple[bool, Shape] | None:
    """(channels moved first, shape of one sample as the input takes it), or None."""
    assert given.samples is not None
    sample, _ = given.samples
    declared = _declared(one, given)
    if not declared:
        return None
    wanted = list(declared[1:])
    if _fits(sample, wanted):
        return False, sample
    if len(sample) == 2 and len(wanted) == 3:  # grey images without a channel
        if _fits((*sample, 1), wanted):
            return False, (*sample, 1)
        return (False, (1, *sample)) if _fits((1, *sample), wanted) else None
    if len(sample) == 3 and _fits((sample[2], *sample[:2]), wanted):
        return True, (sample[2], *sample[:2])
    return None


def _declared(one: Tensor, given: Given) -> Sequence[int | None]:
    declared: Sequence[int | None] = given.shapes.get(one["name"], one["shape"])
    return declared


def _fits(shape: Shape, wanted: Sequence[int | None]) -> bool:
    return len(shape) == len(wanted) and all(
        want in (None, have) for have, want in zip(shape, wanted, strict=True)
    )


def _file_entry(one: Tensor, given: Given, path: Path) -> InputSpec:
    name, file = one["name"], given.files[one["name"]]
    try:
        content = np.load(file, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError) as error:
        raise InputError(
            f"--input {name}={file}: cannot be read as .npy: {error}. Write it with numpy.save."
        ) from error
    if not isinstance(content, np.ndarray):
        raise InputError(f"--input {name}={file}: holds several arrays; give a plain .npy.")
    declared = given.shapes.get(name, tuple(one["shape"]))
    if content.dtype != np.dtype(one["dtype"]) or not _fits(content.shape, declared):
        raise InputError(
            f"--input {name}={file}: is {content.dtype} {list(content.shape)}, and {path} takes "
            f"{_shown(one)}. Write it in that type and shape, the batch of 1 included."
        )
    shape = list(content.shape)
    return {"kind": "file", "dtype": one["dtype"], "shape": shape, "path": str(file)}


def _closed(one: Tensor, given: Given, path: Path) -> list[int]:
    """The declared shape with every open dimension known."""
    name = one["name"]
    declared = list(one["shape"])
    if name in given.shapes:
        shape = given.shapes[name]
        if not _fits(shape, declared):
            raise InputError(
                f"--shape {name}={','.join(map(str, shape))}: {path} takes {_shown(one)}. Only "
                "open dimensions (?) can be given."
            )
        return list(shape)
    return [size for size in _with_batch(declared) if size is not None]


def _with_batch(declared: Sequence[int | None]) -> list[int | None]:
    return [1 if i == 0 and size is None else size for i, size in enumerate(declared)]


def _require_closed(inputs: Sequence[Tensor], given: Given, path: Path) -> None:
    """Raise `InputError` naming every input with a dimension that is not known."""
    known = {*given.shapes, *given.files}
    left = [one for one in inputs if one["name"] not in known and None in _with_batch(one["shape"])]
    if not left:
        return
    options = [
        f"--shape {one['name']}={','.join(str(n or 'N') for n in _with_batch(one['shape']))}"
        for one in left
    ]
    raise InputError(
        f"{path}: leaves dimensions open that are not the batch: {'; '.join(map(_shown, left))}. "
        f"Give them: {' '.join(options)}."
    )


def _shown(one: Tensor) -> str:
    dims = ", ".join("?" if size is None else str(size) for size in one["shape"])
    return f"'{one['name']}' {one['dtype']} [{dims}]"
