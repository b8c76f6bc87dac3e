"""The layers that cost the int8 network its accuracy as a table."""

from pipeline.engine.artifacts import Sensitivity
from pipeline.reporting.formatting import points, span
from pipeline.reporting.tables.cells import Table

HEADER = ["layer", "kind", "quantized", "gain in float, points", "95 % interval"]


def layers(found: Sensitivity) -> Table:
    return HEADER, [
        [row.layer, row.kind, row.tensors, points(row.gain), span(row.interval, points)]
        for row in found.layers
    ]
