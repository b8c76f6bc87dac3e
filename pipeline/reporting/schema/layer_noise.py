"""The noise of int8 in `report/1`: a row per result of the student's int8 operators."""

from typing import Self

from pipeline.reporting.schema.model_row import Part
from targets.formats.record import TensorNoise


class LayerNoise(Part):
    """`targets.formats.record.TensorNoise`, of the TFLite file and the ONNX file made from it."""

    file: str
    tensor: str
    layer: str
    tflite_snr_db: float | None
    onnx_snr_db: float | None = None
    own_snr_db: float | None = None
    weights_snr_db: float | None = None

    @classmethod
    def of(cls, row: TensorNoise) -> Self:
        return cls(
            file=row.file,
            tensor=row.tensor,
            layer=row.layer,
            tflite_snr_db=row.snr_db,
            onnx_snr_db=row.pair_snr_db,
            own_snr_db=row.own_snr_db,
            weights_snr_db=row.weights_snr_db,
        )
