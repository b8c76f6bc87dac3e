"""A loaded network as a function of a batch, and the error for one that cannot run."""

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pipeline.teachers.networks.untrusted import WRONG_FILE
from targets.errors import ConversionError, InputError
from targets.untyped import Tensor, TfType

OPEN_SIZE = 32
"""Replaces an open size when two networks are compared."""
TOLERANCE = 1e-5
"""Tolerance as a share of the largest output: another batch size may sum in another order."""


@dataclass(frozen=True, kw_only=True)
class LoadedNetwork:
    """A function of one float32 batch [batch, *input_shape] to float32 [batch, classes]."""

    path: Path
    kind: str
    """`tf_keras`, `keras` or `saved_model`."""
    call: Callable[[Tensor], Tensor]
    """The network as saved; the input is cast to an integer type if that was saved."""
    exported: Callable[[Tensor], Tensor]
    """The same function for export: without that cast, if the result is exactly the same."""
    batch: int | None
    """The only batch size that it accepts; None for any."""
    input_shape: tuple[int | None, ...]
    output_shape: tuple[int | None, ...]
    """`input_shape` and `output_shape` leave out the batch dimension; None for an open size."""
    input_dtype: str = "float32"
    """Type of the input as saved. A network with an integer input accepts raw pixels only."""
    changes: tuple[str, ...] = ()
    """Differences from the file, as sentences for users."""
    owner: object
    """The object that holds the variables."""

    def __call__(self, image: Tensor) -> Tensor:
        import tensorflow as tf

        return tf.cast(self.call(image), tf.float32)

    def for_export(self, image: Tensor) -> Tensor:
        import tensorflow as tf

        return tf.cast(self.exported(image), tf.float32)

    @property
    def takes_integers(self) -> bool:
        return "int" in self.input_dtype

    def require_integer_form(self, name: str) -> None:
        """Raise `ConversionError` if the cast of an integer input would stay in file `name`."""
        if self.takes_integers and self.exported is self.call:
            raise ConversionError(
                f"{name}: the network takes {self.input_dtype} and calculates with integers, which "
                "an int8 file would have to cast. Save it with a float32 input (Input(shape) "
                "without a dtype), or ask for --precision float32."
            )


def require_one(what: str, names: list[str], path: Path) -> None:
    if len(names) != 1:
        raise InputError(
            f"model {path}: has {len(names)} {what} ({', '.join(names)}); a classifier with one "
            "input and one output is needed. Save the part that classifies as a network of its own."
        )


def class_scores(shape: tuple[int | None, ...], path: Path) -> tuple[int | None, ...]:
    if len(shape) != 1:
        raise InputError(
            f"model {path}: its output is [batch, {', '.join(map(str, shape))}], not "
            "[batch, classes]: no classifier."
        )
    return shape


def require_raw_type(dtype: TfType, path: Path) -> str:
    """The name of an input type that holds every raw value 0-255."""
    if dtype.is_floating or (dtype.is_integer and not dtype.is_quantized and dtype.max >= 255):
        return str(dtype.name)
    raise InputError(
        f"model {path}: takes {dtype.name}, which cannot hold raw pixels from 0 to 255. Save it "
        "with a float32 input."
    )


def gives_the_same(network: LoadedNetwork, changed: Callable[[Tensor], Tensor]) -> bool:
    """Whether both give the same for seeded batches: of the batch size of `network`, and of 1."""
    shape = [OPEN_SIZE if size is None else size for size in network.input_shape]
    random = np.random.default_rng(0)
    images = random.integers(0, 256, (network.batch or 4, *shape)).astype(np.float32)
    if not network.takes_integers:
        images /= 255
    with running(network.path):
        expected = np.asarray(network(images))
        whole, first = np.asarray(changed(images)), np.asarray(changed(images[:1]))
    if whole.shape != expected.shape or first.shape != expected[:1].shape:
        return False
    difference = max(np.abs(expected - whole).max(), np.abs(expected[:1] - first).max())
    return bool(difference <= TOLERANCE * np.abs(expected).max())


@contextmanager
def running(path: Path) -> Iterator[None]:
    """Turn any error of TensorFlow while a network is traced or runs into an `InputError`."""
    import tensorflow as tf

    try:
        yield
    except (tf.errors.OpError, *WRONG_FILE) as error:
        raise InputError(f"model {path}: cannot be run: {_cause(error)}") from error


def _cause(error: BaseException) -> str:
    if "NHWC" in str(error):
        return (
            "it is channels first (NCHW), which TensorFlow has no kernels for on this processor. "
            'Build it with data_format="channels_last" and take the weights over '
            "(new.set_weights(old.get_weights()); compare the outputs of both), or set "
            "TF_ENABLE_ONEDNN_OPTS=1, with which x86 processors have them."
        )
    return f"{_message(str(error)) or type(error).__name__}."


def _message(text: str) -> str:
    """The sentence with the cause, without the stack traces of TensorFlow and Keras."""
    lines = [line.strip() for line in re.sub(r"\x1b\[\d*m", "", text).splitlines()]
    named = [line for line in lines if re.match(r"\w+Error: ", line)]
    frame = re.compile(
        r"$|<stack|File |\[\[|•|Graph execution|Detected at|in user code|Exception enc|"
        r"Arguments rec|Call arguments|.*most recent call"
    )
    causes = named or [line for line in lines if not frame.match(line)]
    return re.sub(r" *\[Op:\w+\].*|\{\{.*?\}\} *", "", causes[-1] if causes else "").rstrip(".")
