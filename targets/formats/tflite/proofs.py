"""The proofs that a `.tflite` file has a precision, by the types of its operators and constants."""

import re
from collections.abc import Iterable, Mapping
from pathlib import Path

from targets.errors import ProofError
from targets.formats.input_spec import InputSpec
from targets.formats.precisions import LARGE
from targets.formats.tflite.inspect import INT8_TYPES, Inspection, Operator, Weights, inspect

INT16_TYPES = {"INT16", "INT32", "INT64"}
"""Types of int16x8 files. INT64: the biases, which are int16 x int8 products."""
ACTIVATIONS = ("elu", "selu", "celu", "softplus", "softsign", "mish")
"""Activations, some of which have no int8 form in TFLite."""


def require_float16(path: Path) -> None:
    """Raise `ProofError` for a file whose large weights are not all float16.

    Every constant of 1,024 floating-point elements or more counts, and one at least, of any size,
    must be float16. Smaller ones may be what the graph was built from (a normalisation, a limit).
    """
    constants = _of_network(inspect(path))
    wrong = [c for c in constants if c.dtype in ("FLOAT32", "FLOAT64") and c.elements >= LARGE]
    if not any(c.dtype == "FLOAT16" for c in constants):
        raise _not_as_asked(path, "float16", "the file holds no float16 tensor")
    if wrong:
        raise _not_as_asked(path, "float16", f"these weights are not: {_listed(wrong)}")


def require_dynamic(path: Path) -> None:
    """Raise `ProofError` for a file whose large weights are not all int8.

    Biases and constants per channel are float by design, whatever their size.
    """
    found = inspect(path)
    large = [c for c in _of_network(found) if c.multiplied and c.elements >= LARGE]
    wrong = [c for c in large if c.dtype.startswith("FLOAT")]
    if wrong:
        raise _not_as_asked(path, "dynamic", f"these weights stay in float: {_listed(wrong)}")
    if not any(c.dtype == "INT8" for c in large):
        raise _not_as_asked(
            path,
            "dynamic",
            f"no weight tensor of the network has {LARGE:,} elements or more, and TFLite leaves "
            "smaller ones in float; ask for float16 or int8_ptq instead",
        )


def require_int8(path: Path, spec: InputSpec) -> None:
    """Raise `ProofError` for a file that is not int8 from end to end, with the input of `spec`."""
    found = inspect(path)
    if found.float_op_names or not found.int8_ops:
        floats = ", ".join(found.float_op_names) or "none is int8"
        reason = f"{found.float_ops} operators are not: {floats}. {instead(found.float_op_names)}"
        raise _not_as_asked(path, "int8", reason)
    other = [op for op in _between(found) if not op.dtypes <= INT8_TYPES]
    if other:
        reason = f"these operators are of other types: {_typed(other)}"
        raise _not_as_asked(path, "int8", f"{reason}. {instead(op.output for op in other)}")
    _require_ends(path, found, spec)


def require_mixed(path: Path, spec: InputSpec, float_layers: Mapping[str, frozenset[str]]) -> None:
    """Raise `ProofError` for a file in which other operators than those of `float_layers`
    (`ServingFunction.float_layers`) are in floating point, or one of these is in int8."""
    found = inspect(path)
    floats = [op for op in _between(found) if is_float(op)]
    known = frozenset[str]().union(*float_layers.values())
    wrong = [op for op in floats if not op.layers & known]
    wrong += [op for op in _between(found) if op not in floats and not op.dtypes <= INT8_TYPES]
    if wrong or len(floats) == len(_between(found)):
        names = _typed(wrong) or "no operator is int8"
        raise _not_as_asked(path, "mixed", f"these operators should be int8: {names}")
    there = frozenset[str]().union(*(op.layers for op in floats))
    missing = [name for name, layers in float_layers.items() if not layers & there]
    if missing:
        raise _not_as_asked(path, "mixed", f"TFLite keeps in int8: {', '.join(missing)}")
    _require_ends(path, found, spec)


def is_float(op: Operator) -> bool:
    return any(kind.startswith("FLOAT") for kind in op.dtypes)


def _require_ends(path: Path, found: Inspection, spec: InputSpec) -> None:
    """The types at the input and the output, and the scale of the input."""
    expected: tuple[object, ...] = (spec.file_dtype.upper(), (1, *spec.shape), None, "FLOAT32")
    if spec.quantized:
        expected = ("UINT8", (1, *spec.shape), (spec.scale, spec.zero_point), "FLOAT32")
    scale = _rounded(found.input_scale, spec)
    actual = (found.input_dtype, found.input_shape, scale, found.output_dtype)
    if actual != expected:
        raise ProofError(
            f"{path.name}: input type, shape, (scale, zero point) and output type are {actual}, "
            f"not {expected}."
        )
    _require_front_end(path, found, spec)


def _require_front_end(path: Path, found: Inspection, spec: InputSpec) -> None:
    """The operators of a front end are all float32, stand in front, and are there if asked for."""
    front = [op for op in found.operators if op.front]
    other = [op for op in front if not op.dtypes <= {"FLOAT32", "INT32"}]
    if other or list(found.operators[: len(front)]) != front or bool(front) != bool(spec.front_end):
        raise ProofError(
            f"{path.name}: the front end should be float32 operators in front of the network; "
            f"{len(front)} are found, of other types: {_typed(other) or 'none'}."
        )


def instead(names: Iterable[str]) -> str:
    """The remedy for operators without an int8 form, from the names of their outputs."""
    words = {word.lower() for name in names for word in re.findall(r"[A-Za-z]+", name)}
    found = [activation for activation in ACTIVATIONS if activation in words]
    if found:
        return (
            f"This is the activation {', '.join(found)}: train the network with relu or relu6 in "
            "its place, or ask for float16 or dynamic"
        )
    return "Train the network without them, or ask for float16 or dynamic"


def require_int16x8(path: Path) -> None:
    """Raise `ProofError` for a file without int16 activations and int8 weights."""
    found = inspect(path)
    wrong = [op for op in _between(found) if not _is_int16x8(op)]
    if wrong:
        raise _not_as_asked(path, "int16x8", f"these operators are not: {_typed(wrong)}")
    if not any(op.weights == "INT8" and "INT16" in op.calculated for op in found.operators):
        raise _not_as_asked(path, "int16x8", "no operator multiplies int16 with int8")


def _between(found: Inspection) -> list[Operator]:
    return [op for op in found.operators if not (op.edge or op.front)]


def _of_network(found: Inspection) -> list[Weights]:
    """The constants without those of the front end."""
    return [c for c in found.constants if not c.front]


def _is_int16x8(op: Operator) -> bool:
    return op.calculated <= INT16_TYPES and op.weights in (None, "INT8")


def _typed(operators: list[Operator]) -> str:
    return ", ".join(f"{op.name} ({op.output}: {', '.join(sorted(op.dtypes))})" for op in operators)


def _listed(constants: list[Weights]) -> str:
    return ", ".join(f"{c.name} ({c.elements:,} elements, {c.dtype})" for c in constants)


def _not_as_asked(path: Path, precision: str, reason: str) -> ProofError:
    return ProofError(f"{path.name}: {precision} was asked for, but {reason}.")


def _rounded(found: tuple[float, int] | None, spec: InputSpec) -> tuple[float, int] | None:
    """The scale of `spec`, where it differs in the last two places of a float32 only: the converter
    calculates it from the ends of the range."""
    if found is None or abs(found[0] - spec.scale) > 2**-22 * spec.scale:
        return found
    return spec.scale, found[1]
