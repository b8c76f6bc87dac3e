"""The contract of a file format: how a network is exported, and what is known of a file.

A format is a module (`tflite/format.py`, `onnx/format.py`) with these names, and one line in the
registry `targets.formats.FORMATS`. It imports TensorFlow and its own libraries in functions only.
"""

from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from targets.untyped import Tensor

if TYPE_CHECKING:
    import numpy.typing as npt

    from targets.formats.input_spec import InputSpec
    from targets.formats.metadata import FileMetadata
    from targets.formats.record import NetworkEnds, ScaleRow, TensorNoise


LOGITS, PROBABILITIES = "logits", "probabilities"
"""Names of the outputs of a file that has both."""


@dataclass(frozen=True, kw_only=True)
class ServingFunction:
    """A network as an export takes it."""

    input: "InputSpec"
    """The raw input of the file."""
    call: Callable[[Tensor], Tensor]
    """Real values [1, *input.shape] to logits [1, classes]; TensorFlow can trace it."""
    float_layers: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """Layer that stays in float in a mixed file -> the layers of its float operators, by their
    names in TensorFlow's graph."""


@dataclass(frozen=True, kw_only=True)
class ExportContext:
    """What an export may use beside the network."""

    samples: "npt.NDArray[Any]"
    """Raw samples [n, *input.shape] for the ranges of activations."""
    scratch: Path
    """A folder for intermediate files."""
    options: Mapping[str, str] = field(default_factory=dict)
    """Settings of the format; a missing one has its default."""
    refused: Container[str] = ()
    """Names of files in the same folder that failed their proof."""


@dataclass(frozen=True, kw_only=True)
class SourceFile:
    """The file of another format that a file was made from: both are one quantized graph."""

    path: Path
    scales: "tuple[ScaleRow, ...]"
    """Every quantized tensor of both files."""

    @property
    def format(self) -> str:
        return self.path.suffix.removeprefix(".")


@dataclass(frozen=True, kw_only=True)
class Operators:
    """How many operators of a file calculate in int8 and in floating point.

    Operators that only move data, and the conversions at the input and the output, do not count.
    """

    int8_ops: int
    float_ops: int
    front_ops: int = 0
    """Operators of a front end, which stays in float32 in every precision."""


@runtime_checkable
class Format(Protocol):
    """A file format that a runtime can execute."""

    name: str
    """The suffix of its files, without the dot."""
    precisions: tuple[str, ...]
    """The names in `PRECISIONS` of what it can hold."""
    distributions: tuple[str, ...]
    """Python distributions whose version decides the bytes of a file."""

    def export(
        self, function: ServingFunction, precision: str, path: Path, *, context: ExportContext
    ) -> SourceFile | None:
        """Write `path`, prove in the file that it has `precision`, and return its source, if any.

        Int8 files of images take raw uint8 samples, other files `InputSpec.file_dtype`; all give
        float32 logits. Raises `ConversionError` where the format has no form for the network,
        `ProofError` where the file is not of this precision, and `InputError` for too few samples.
        """
        ...

    def add_probabilities(self, path: Path, *, temperature: float) -> None:
        """Append the output `PROBABILITIES`, softmax(logits / temperature), to a file of `export`.

        The first output gets the name `LOGITS`, and its values stay the same.
        """
        ...

    def inspect(self, path: Path) -> Operators:
        """What the operators of a file calculate in, read from the file or from its runtime."""
        ...

    def lossy_layers(
        self, path: Path, function: ServingFunction, *, context: ExportContext
    ) -> tuple[str, ...]:
        """The layers of an int8 file that lose most of the signal, in words, worst first.

        Empty where that cannot be measured. The context's samples are run through the file.
        """
        ...

    def layer_noise(
        self,
        path: Path,
        source: Path | None,
        function: ServingFunction,
        *,
        context: ExportContext,
    ) -> "tuple[TensorNoise, ...]":
        """The noise of each result of an int8 file, worst first, and in the `source` that it was
        made from, if any. `function` is the same network without quantization.

        Empty where that cannot be measured. The context's samples are run through the files.
        """
        ...

    def saturating_products(self, path: Path) -> tuple[str, ...]:
        """The operators whose result depends on the processor (`targets.processors.saturates`)."""
        ...

    def take_apart(
        self, path: Path, spec: "InputSpec", *, front_end: Path, network: Path
    ) -> "NetworkEnds":
        """Write the two parts of an int8 file that has the input `spec`: `front_end`, from it to
        float32 features [1, *spec.features], and `network`, from integers of that shape.

        Raises `ConversionError` where the file has no front end in front of an int8 network, and
        `ProofError` where the network is not made of integers only.
        """
        ...

    def external_files(self, path: Path) -> tuple[str, ...]:
        """Files that hold weights of `path`, relative to its folder, sorted."""
        ...

    def stamp(self, path: Path, to: Path, *, metadata: "FileMetadata") -> None:
        """Write `to`: the file `path` that also holds `metadata`. The network is the same.

        The same arguments give the same bytes. Raises `ConversionError` where `path` is not one
        file.
        """
        ...

    def stamped(self, path: Path) -> dict[str, str]:
        """`FileMetadata.texts()` of what `stamp` wrote into the file; empty: nothing."""
        ...
