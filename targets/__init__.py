"""From a quantized network to a measured deliverable: formats, runtimes, devices, benchmark."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from targets.prediction.classifier import Classifier as Classifier

__all__ = ["Classifier"]


def __getattr__(name: str) -> object:
    """`from targets import Classifier`, without which importing `targets` imports nothing."""
    if name != "Classifier":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from targets.prediction.classifier import Classifier

    return Classifier
