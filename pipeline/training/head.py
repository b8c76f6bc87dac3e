"""The head of a pretrained network, fitted before all layers are trained.

From a random head the first steps destroy what the layers below have learned (Kumar et al. 2022,
arXiv 2202.10054). So the head starts as a linear probe: multinomial logistic regression on the
features of the images as they are.
"""

import warnings
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from pipeline.datasets.splits import UNLABELLED, Dataset, Labels, Samples, Split
from pipeline.training.augmentation import epoch_order
from pipeline.training.inference import make_features
from targets.evaluation import metrics
from targets.untyped import KerasModel

Features = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

STRENGTHS = (0.001, 0.01, 0.1)
"""Values of C, the inverse of the regularisation, from which the validation split chooses."""
MOST_IMAGES = 20_000
"""A head of 1,280 features learns nothing from more, and they must fit into memory."""
BATCH = 64


@dataclass(frozen=True, kw_only=True)
class Head:
    kernel: Doubles
    """[features, classes]"""
    bias: Doubles
    strength: float
    validation_top1: float

    def line(self, stage: str) -> str:
        """For the console."""
        return (
            f"{stage:<9} head fitted on the features (C {self.strength:g}): validation "
            f"{100 * self.validation_top1:.2f} %"
        )


def fit_head(model: KerasModel, data: Dataset, *, balanced: bool, seed: int) -> Head:
    """Write a fitted head into the last layer of `model`, a dense one, and return it."""
    dense = model.layers[-1]
    features = _Features(model, data)
    train, val = data[Split.TRAIN], data[Split.VAL]
    chosen = np.flatnonzero(train.labels != UNLABELLED)
    chosen = chosen[epoch_order(len(chosen), seed=seed, epoch=0)[:MOST_IMAGES]]
    head = _best_probe(
        train=(features(train, chosen), train.labels[chosen]),
        val=(features(val, np.arange(len(val))), val.labels),
        classes=len(data.classes),
        balanced=balanced,
    )
    dense.set_weights([head.kernel.astype(np.float32), head.bias.astype(np.float32)])
    return head


class _Features:
    """The input of the last layer, in evaluation mode."""

    def __init__(self, model: KerasModel, data: Dataset) -> None:
        from tf_keras import Model

        self._run = make_features(Model(model.input, model.layers[-1].input), data.input)

    def __call__(self, samples: Samples, index: npt.NDArray[np.int64]) -> Features:
        batches = range(0, len(index), BATCH)
        return np.concatenate([self._run(samples.images[index[i : i + BATCH]])[0] for i in batches])


def _best_probe(
    *,
    train: tuple[Features, Labels],
    val: tuple[Features, Labels],
    classes: int,
    balanced: bool,
) -> Head:
    """The probe that is best on `val`; of equally good ones the most regularised."""
    probes = (_probe(*train, val, strength, classes, balanced) for strength in STRENGTHS)
    return max(probes, key=lambda head: (head.validation_top1, -head.strength))


def _probe(
    features: Features,
    labels: Labels,
    val: tuple[Features, Labels],
    strength: float,
    classes: int,
    balanced: bool,
) -> Head:
    """On standardised features, so that C means the same for every network."""
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.linear_model import LogisticRegression

    mean, spread = features.mean(axis=0), features.std(axis=0)
    spread = np.maximum(spread, 0.1 * spread.mean())  # a feature that hardly moves gets no weight
    regression = LogisticRegression(
        C=strength, max_iter=100, class_weight="balanced" if balanced else None
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # near enough to start from
        regression.fit((features - mean) / spread, labels)
    kernel, bias = _for_all_classes(regression, classes)
    kernel = kernel / spread[:, None]
    bias = bias - mean @ kernel
    top1 = metrics.top1(val[0] @ kernel + bias, val[1])
    return Head(kernel=kernel, bias=bias, strength=strength, validation_top1=top1)


class _Regression(Protocol):
    """A fitted `LogisticRegression`."""

    coef_: Doubles
    intercept_: Doubles
    classes_: Labels


def _for_all_classes(fitted: _Regression, classes: int) -> tuple[Doubles, Doubles]:
    """Kernel and bias; classes without a sample are as unlikely as the least likely other one."""
    rows, intercept = fitted.coef_, fitted.intercept_
    if len(fitted.classes_) == 2:  # scikit-learn gives one row: the second class against the first
        rows, intercept = (np.concatenate([-one, one]) / 2 for one in (rows, intercept))
    kernel, bias = np.zeros((rows.shape[1], classes)), np.full(classes, intercept.min())
    kernel[:, fitted.classes_], bias[fitted.classes_] = rows.T, intercept
    return kernel, bias
