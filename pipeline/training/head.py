"""The head of a pretrained network, fitted before all layers are trained.

From a random head the first steps destroy what the layers below have learned (Kumar et al. 2022,
arXiv 2202.10054). So the head starts as a linear probe: multinomial logistic regression on the
features of the images as they are. A head that the initial weights bring along is kept where the
probe is no better on the validation split.
"""

import warnings
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from pipeline.datasets.splits import UNLABELLED, Dataset, Labels, Samples, Split
from pipeline.models.network import features
from pipeline.training.augmentation import epoch_order
from pipeline.training.inference import make_features
from targets.evaluation import confusion, metrics
from targets.untyped import KerasModel

Features = npt.NDArray[np.float32]
Doubles = npt.NDArray[np.float64]

STRENGTH = 0.001
"""C, the inverse of the regularisation. A head of larger weights sends larger gradients into layers
whose batch norm is frozen, although it is often better itself: on 1,236 photos of hands a head with
C 0.1 had 90 % on the validation split and the network 10 % after nine epochs, one with 0.001 87 and
then 99 % (Sign Language Digits, README's recipe, 2026-11-26, seed 0).
"""
MOST_IMAGES = 20_000
"""A head of 1,280 features learns nothing from more, and they must fit into memory."""
BATCH = 64


@dataclass(frozen=True, kw_only=True)
class Head:
    kernel: Doubles
    """[features, classes]"""
    bias: Doubles
    fitted: bool
    """False for the head of the initial weights."""
    validation_top1: float
    score: float
    """What heads are compared by: top-1, or balanced accuracy where classes are balanced."""

    def line(self, stage: str) -> str:
        """For the console."""
        how = "fitted on the features" if self.fitted else "of the initial weights kept"
        return f"{stage:<9} head {how}: validation {100 * self.validation_top1:.2f} %"


def fit_head(
    model: KerasModel, data: Dataset, *, own: bool, balanced: bool, seed: int, threads: int
) -> Head:
    """Write the best head into the last layer of `model`, a dense one, and return it.

    `own` says that the layer has a head of initial weights. The number of `threads` of BLAS decides
    the last bits of a probe.
    """
    import sklearn.linear_model  # noqa: F401  # the limit holds for libraries that are loaded
    from threadpoolctl import threadpool_limits

    dense = model.layers[-1]
    of = _Features(model, data)
    train, val = data[Split.TRAIN], data[Split.VAL]
    chosen = np.flatnonzero(train.labels != UNLABELLED)
    chosen = chosen[epoch_order(len(chosen), seed=seed, epoch=0)[:MOST_IMAGES]]
    probing = _Probing(
        train=(of(train, chosen), train.labels[chosen]),
        val=(of(val, np.arange(len(val))), val.labels),
        classes=len(data.classes),
        balanced=balanced,
    )
    with threadpool_limits(threads):
        probe = probing.probe()
    given = probing.judged(*dense.get_weights(), fitted=False)
    if own and given.score >= probe.score:
        return given
    dense.set_weights([probe.kernel.astype(np.float32), probe.bias.astype(np.float32)])
    return probe


class _Features:
    """The input of the last layer, in evaluation mode."""

    def __init__(self, model: KerasModel, data: Dataset) -> None:
        self._run = make_features(features(model), data.input)

    def __call__(self, samples: Samples, index: npt.NDArray[np.int64]) -> Features:
        batches = range(0, len(index), BATCH)
        return np.concatenate([self._run(samples.raw[index[i : i + BATCH]])[0] for i in batches])


@dataclass(frozen=True, kw_only=True)
class _Probing:
    """Probes of one network on one data set."""

    train: tuple[Features, Labels]
    val: tuple[Features, Labels]
    classes: int
    balanced: bool

    def probe(self) -> Head:
        """On standardised features, so that C means the same for every network."""
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.linear_model import LogisticRegression

        features, labels = self.train
        mean, spread = features.mean(axis=0), features.std(axis=0)
        spread = np.maximum(spread, 0.1 * spread.mean())  # one that hardly moves gets no weight
        regression = LogisticRegression(
            C=STRENGTH, max_iter=300, class_weight="balanced" if self.balanced else None
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)  # near enough to start from
            regression.fit((features - mean) / spread, labels)
        kernel, bias = _for_all_classes(regression, self.classes)
        kernel = kernel / spread[:, None]
        bias = bias - mean @ kernel
        return self.judged(kernel, bias, fitted=True)

    def judged(self, kernel: Doubles, bias: Doubles, *, fitted: bool) -> Head:
        features, labels = self.val
        logits = features @ kernel + bias
        top1 = metrics.top1(logits, labels)
        counts = confusion.confusion(logits, labels, classes=self.classes)
        score = confusion.balanced_accuracy(counts) if self.balanced else top1
        return Head(kernel=kernel, bias=bias, fitted=fitted, validation_top1=top1, score=score)


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
