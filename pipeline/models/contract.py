"""What a network family is. Students and teachers have the same contract."""

from typing import Any, Protocol, runtime_checkable

from pipeline.recipe.section import Section
from targets.formats.input_spec import Kind
from targets.untyped import KerasModel


@runtime_checkable
class NetworkFamily(Protocol):
    """One module: `pipeline.models.mobilenet_v1` is a short example. A module whose layers have no
    int8 form says why in `NO_INT8`: see `why_no_int8`."""

    @property
    def Settings(self) -> type[Section]:  # noqa: N802
        """The family's own keys of `[distill]` or `[teacher]`, with defaults and ranges."""

    @property
    def TAKES(self) -> tuple[Kind, ...]:  # noqa: N802
        """The kinds of data that it is for. A waveform comes as the features of its front end,
        [frames, coefficients, 1], and an array as a map of that form: like an image."""

    def build(
        self, shape: tuple[int, ...], classes: int, *, name: str, settings: Any
    ) -> KerasModel:
        """A functional model from real values [batch, *shape] to logits [batch, classes].

        `shape` is that of one sample as the network takes it, `InputSpec.features`; of tokens it is
        (length, vocabulary), and the model takes int32 [batch, length].

        `settings` is an instance of `Settings`. Every layer gets an explicit name: Keras numbers
        unnamed layers per process, and names are part of the exported file.
        """


def why_no_int8(family: NetworkFamily) -> str:
    """Why a family can have no file with activations of integers; empty: it can have all."""
    return str(getattr(family, "NO_INT8", ""))
