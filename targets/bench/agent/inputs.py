"""The arrays that each query is given: samples, a file's contents, or seeded random values."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from targets.bench.agent.job import AgentJob, InputSpec
from targets.bench.agent.preparation import fitted, from_sample
from targets.bench.agent.session import NUMBERS, Session, Tensor

if TYPE_CHECKING:
    from targets.bench.agent.session import Array


@contextlib.contextmanager
def naming(tensor: Tensor) -> Iterator[None]:
    """Put the input's name, type and shape before the message of an error."""
    try:
        yield
    except (ValueError, TypeError, OSError, ArithmeticError, RuntimeError) as error:
        sizes = ", ".join("?" if size is None else str(size) for size in tensor["shape"])
        what = f"input {tensor['name']!r} of {tensor['dtype']} [{sizes}]"
        raise ValueError(f"{what}: {error}") from error


def specs_of(job: AgentJob, model: Session) -> Mapping[str, InputSpec]:
    """Return the specs by input; by default the only input gets samples by the job's adapter."""
    if job["inputs"] is not None:
        return job["inputs"]
    if len(model.inputs) != 1:
        raise ValueError(f"the model has {len(model.inputs)} inputs, and the job names none")
    (tensor,), adapter = model.inputs, job["adapter"]
    shape = adapter["shape"] if adapter else load_samples(job["samples"]).shape[1:]
    return {
        tensor["name"]: {
            "shape": [1, *shape], "dtype": tensor["dtype"], "kind": "samples", "adapter": adapter,
        }
    }  # fmt: skip


class Inputs:
    """Samples go in one by one, or as many as the `batch` of their input; the rest is made once."""

    def __init__(self, job: AgentJob, model: Session) -> None:
        self.specs = specs_of(job, model)
        self.sampled: list[Tensor] = []
        self.fixed: dict[str, Array] = {}
        self.samples: Array | None = None
        self.batch = 1
        names = [tensor["name"] for tensor in model.inputs]
        for name in self.specs:
            if name not in names:
                raise ValueError(f"the model has no input {name!r}; it has {names}")
        for tensor in model.inputs:
            with naming(tensor):
                spec = checked(self.specs.get(tensor["name"]), tensor, resizable=model.resizable)
                if spec["kind"] == "samples":
                    self.sampled.append(tensor)
                    self.samples = load_samples(job["samples"])
                    self.batch = spec.get("batch", 1)
                else:
                    self.fixed[tensor["name"]] = constant(spec, tensor["name"], job["seed"])

    def shapes(self) -> dict[str, Sequence[int]]:
        return {name: spec["shape"] for name, spec in self.specs.items()}

    def count(self) -> int:
        return 1 if self.samples is None else len(self.samples)

    def places(self) -> Sequence[int]:
        """The index of each query's first sample; one 0 where nothing is sampled."""
        return range(0, self.count(), self.batch)

    def arrays(self, place: int) -> dict[str, Array]:
        arrays = dict(self.fixed)
        for tensor in self.sampled:
            assert self.samples is not None
            with naming(tensor):
                raw = self.samples[place : place + self.batch]
                if len(raw) < self.batch:
                    raw = raw[np.minimum(np.arange(self.batch), len(raw) - 1)]
                arrays[tensor["name"]] = from_sample(raw, self.specs[tensor["name"]])
        return arrays

    def divided(self, output: Array, place: int) -> list[Array]:
        """The output of each sample of the query at `place`, [1, ...], without the padding."""
        if self.batch == 1:
            return [output]
        if output.shape[:1] != (self.batch,):
            shape = list(output.shape)
            raise ValueError(f"an output {shape} is not divisible among {self.batch} samples")
        return [output[i : i + 1] for i in range(min(self.batch, self.count() - place))]


def checked(spec: InputSpec | None, tensor: Tensor, *, resizable: bool) -> InputSpec:
    """`spec`; a `ValueError` where no array of this input can be made from it."""
    if spec is None:
        raise ValueError("nothing is given for it")
    if tensor["dtype"] not in NUMBERS:
        raise ValueError("no array of this type can be given")
    if spec["dtype"] != tensor["dtype"]:
        raise ValueError(f"given {spec['dtype']}")
    shape, wanted = spec["shape"], tensor["shape"]
    if not all(type(size) is int and size >= 0 for size in shape):
        raise ValueError(f"given {shape}, which is no shape")
    fits = len(shape) == len(wanted) and all(a in (b, None) for a, b in zip(wanted, shape))
    if not (fits or resizable or wanted == []):  # [] also stands for an unknown rank
        raise ValueError(f"given shape {shape}")
    return spec


def load_samples(path: str | None) -> Array:
    if path is None:
        raise ValueError("is to take samples, and there are none")
    samples = np.load(path, mmap_mode="r", allow_pickle=False)
    if not isinstance(samples, np.ndarray) or not samples.size:
        raise ValueError(f"{path} holds no samples")
    return samples


def constant(spec: InputSpec, name: str, seed: str) -> Array:
    if spec["kind"] == "file":
        return from_file(spec)
    if spec["kind"] == "random":
        return from_seed(spec, f"{seed.partition(':')[0]}/{name}")
    raise ValueError(f"no kind {spec['kind']!r}; there are: samples, file, random")


def from_file(spec: InputSpec) -> Array:
    values = np.load(spec["path"], allow_pickle=False)
    if not isinstance(values, np.ndarray) or values.dtype.name != spec["dtype"]:
        held = f"{values.dtype.name} {list(values.shape)}" if hasattr(values, "dtype") else "arrays"
        raise ValueError(f"{spec['path']} holds {held}")
    return fitted(values, spec)


def from_seed(spec: InputSpec, seed: str) -> Array:
    """The same in every process and, being RandomState's, with every release of numpy."""
    dtype, shape = np.dtype(spec["dtype"]), tuple(spec["shape"])
    draw = np.random.RandomState(np.frombuffer(hashlib.sha256(seed.encode()).digest(), "<u4"))
    if dtype.kind == "b":
        return np.asarray(draw.randint(0, 2, shape), dtype=dtype)
    low, high = spec["low"], spec["high"]
    limits = np.iinfo(dtype) if dtype.kind in "iu" else np.finfo(dtype)
    if not limits.min <= low <= high <= limits.max:
        raise ValueError(f"cannot hold random values from {low} to {high}")
    if dtype.kind in "iu":
        return np.asarray(draw.randint(int(low), int(high) + 1, shape, dtype=dtype))
    values = (low + (high - low) * draw.random_sample(shape)).astype(dtype)
    # Rounding can give `high` itself.
    return np.asarray(np.minimum(values, np.nextafter(dtype.type(high), dtype.type(low))))
