"""Views: random changes of training samples as a pure function of a seeded table.

To add a kind of data: its package (see `contract`) and a line in `_built_in`.
"""

from pipeline.datasets.splits import Dataset
from pipeline.training.augmentation.contract import Each, Views, ViewSettings, ViewTable
from pipeline.training.augmentation.mixing import Mix, cutmix, draw_mix, mixup
from pipeline.training.augmentation.order import balanced_order, epoch_order
from targets.registry import Registry

__all__ = [
    "VIEWS",
    "Each",
    "Mix",
    "ViewSettings",
    "ViewTable",
    "Views",
    "balanced_order",
    "cutmix",
    "draw_mix",
    "epoch_order",
    "mixup",
    "require_fit",
    "training_view",
]


def _built_in() -> dict[str, Views]:
    from pipeline.training.augmentation import arrays, images, sounds, texts

    return {"image": images, "waveform": sounds, "tokens": texts, "array": arrays}


VIEWS = Registry("views", noun="kind of data", contract=Views, built_in=_built_in)
"""By the kind of the data."""


def training_view(cfg: ViewSettings, data: Dataset, *, seed: int, view: int) -> ViewTable:
    """The table of view number `view` for the training samples of `data`."""
    return VIEWS[data.input.kind].training_view(cfg, data, seed=seed, view=view)


def require_fit(
    cfg: ViewSettings,
    data: Dataset,
    *,
    teacher: Dataset | None = None,
    table: str = "augmentation",
) -> None:
    """Raise `InputError` for changes that `data` cannot take: see `contract.Views`."""
    VIEWS[data.input.kind].require_fit(cfg, data, teacher=teacher, table=table)
