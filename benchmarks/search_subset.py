"""A recipe on a part of Fashion-MNIST, small enough for a search in minutes."""

from pathlib import Path

import click
import numpy as np

from targets.errors import InputError

RECIPE = """\
schema = "recipe/1"
name = "fashion-subset"

[dataset]
name = "npz"
path = "{path}"

[augmentation]
shift = 2
flip = true

[teacher]
widths = [16, 32, 64]
epochs = 6
batch_size = 128

[logits]
views = 4

[distill]
epochs = 8
batch_size = 128

[quantize]
epochs = 1
batch_size = 128

[search.space]
distill.family = ["mobilenet_v1", "mobilenet_v2", "fused", "resnet"]
distill.width_multiplier = [0.25, 0.5, 0.75, 1.0]
convert.precisions = ["float32", "int8"]
"""


def write_subset(folder: Path, samples: int) -> str:
    """The path of a recipe on the first images of Fashion-MNIST's training split."""
    from pipeline.datasets import fashion_mnist
    from pipeline.datasets.splits import Split
    from pipeline.recipe.schema import DatasetConfig

    try:
        whole = fashion_mnist.load(DatasetConfig(name="fashion-mnist"))
    except InputError as error:
        raise click.ClickException(f"{error} Or compare on another RECIPE, as digits.") from error
    split = whole.splits[Split.TRAIN]
    data, recipe = (folder / f"fashion-{samples}.{end}" for end in ("npz", "toml"))
    if not data.exists():
        np.savez(
            data, raw=split.raw[:samples], labels=split.labels[:samples],
            classes=np.array(fashion_mnist.CLASSES),
        )  # fmt: skip
    recipe.write_text(RECIPE.format(path=data.absolute()), encoding="utf-8")
    return str(recipe)
