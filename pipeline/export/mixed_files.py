"""The files of a student that are int8 but for a few layers: which layers, and what they bring."""

from collections.abc import Callable, Sequence

from pipeline.datasets.splits import Dataset, Split
from pipeline.engine.artifacts import Checkpoint, FloatLayers
from pipeline.export.exporter import Network, ProvedFile
from pipeline.export.students import restored
from pipeline.quantization.max_drop import Search
from pipeline.recipe.files import ConvertConfig
from targets.errors import ProofError
from targets.evaluation import metrics


def layers(
    cfg: ConvertConfig,
    distill: Checkpoint,
    quantize: Checkpoint | None,
    data: Dataset,
    *,
    say: Callable[[str], None],
) -> tuple[str, ...]:
    """The layers of `convert.keep_float`, or those that `convert.max_drop` needs."""
    if quantize is None or cfg.max_drop is None:
        return cfg.keep_float
    search = Search(quantized=restored(quantize, data), student=restored(distill, data), data=data)
    return search.layers(cfg.max_drop / 100, say=say)


def gained(
    cfg: ConvertConfig,
    names: tuple[str, ...],
    files: Sequence[ProvedFile],
    student: Network,
    data: Dataset,
) -> FloatLayers | None:
    """What the layers bring in the files; None without layers.

    Raises `ProofError` where the files, without layers the int8 ones, lose more than
    `convert.max_drop`.
    """
    if not names and cfg.max_drop is None:
        return None
    validation = data[Split.VAL]

    def of(precision: str) -> list[ProvedFile]:
        return [file for file in files if file.record.precision == precision]

    def top1(made: Sequence[ProvedFile]) -> float:
        return min(metrics.top1(file.outputs, validation.labels) for file in made)

    int8, mixed = of("int8"), of("mixed") if names else of("int8")
    found = FloatLayers(
        layers=names,
        max_drop=cfg.max_drop,
        operators=min(row.float_ops for file in mixed for row in file.parity),
        images=len(validation),
        float_top1=metrics.top1(student.logits(validation.raw), validation.labels),
        int8_top1=top1(int8),
        mixed_top1=top1(mixed),
    )
    _require_kept(found)
    return found if names else None


def _require_kept(found: FloatLayers) -> None:
    lost = 100 * (found.float_top1 - found.mixed_top1)
    if found.max_drop is not None and lost > found.max_drop + 1e-9:
        raise ProofError(
            f"convert.max_drop: with {', '.join(found.layers) or 'no layer'} in float the trained "
            f"network stays within {found.max_drop:g} points of float on the validation split, but "
            f"its files lose {lost:.2f}. Lower convert.max_drop, so that more layers are chosen, "
            "or name them in convert.keep_float."
        )
