"""Formats with another export in place of their own."""

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import cast

from targets.formats import FORMATS
from targets.formats.contract import ExportContext, Format, ServingFunction, SourceFile


def offered(name: str, *, export: Callable[..., object]) -> AbstractContextManager[None]:
    """Offer a format with this export in place of its own, inside the block."""
    plugin = SimpleNamespace(**{**vars(FORMATS[name]), "export": export})
    return FORMATS.added(name, cast(Format, plugin))


@dataclass
class OtherNetwork:
    """The TFLite export of another network for one precision, or the error that it raises."""

    precision: str
    error: Exception | None = None
    calls: list[str] = field(default_factory=list)
    """Names of the files of that precision."""

    def __post_init__(self) -> None:
        self._export = FORMATS["tflite"].export

    def export(
        self, function: ServingFunction, precision: str, path: Path, *, context: ExportContext
    ) -> SourceFile | None:
        if precision == self.precision:
            self.calls.append(path.name)
            if self.error is not None:
                raise self.error
            call = function.call
            function = replace(function, call=lambda image: 1.0 - call(image))
        return self._export(function, precision, path, context=context)

    def offered(self) -> AbstractContextManager[None]:
        return offered("tflite", export=self.export)
