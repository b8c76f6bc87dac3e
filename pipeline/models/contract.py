"""What a network family is. Students and teachers have the same contract."""

from typing import Any, Protocol, runtime_checkable

from pipeline.recipe.section import Section
from targets.untyped import KerasModel


@runtime_checkable
class NetworkFamily(Protocol):
    """One module: `pipeline.models.mobilenet_v1` is a short example."""

    @property
    def Settings(self) -> type[Section]:  # noqa: N802
        """The family's own keys of `[distill]` or `[teacher]`, with defaults and ranges."""

    def build(
        self, shape: tuple[int, ...], classes: int, *, name: str, settings: Any
    ) -> KerasModel:
        """A functional model from normalised images [batch, *shape] to logits [batch, classes].

        `settings` is an instance of `Settings`. Every layer gets an explicit name: Keras numbers
        unnamed layers per process, and names are part of the exported file.
        """
