"""The test of a teacher file before anything trains: its accuracy on the validation split.

A network with wrongly scaled pixels or another order of classes still gives logits, which a student
would learn for hours. If the accuracy is no better than chance, the likely causes are tested.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pipeline.datasets.splits import Dataset, Labels, Split
from pipeline.teachers import open_teacher
from pipeline.teachers.contract import Logits, OpenTeacher, TeacherFileConfig, split_logits
from targets.errors import InputError
from targets.evaluation import metrics
from targets.formats.input_kinds import Words
from targets.formats.input_spec import Kind

SCALINGS: Mapping[Kind, Mapping[str, tuple[float, float]]] = {
    "image": {
        "raw pixels": (1.0, 0.0),
        "pixels from 0 to 1": (1 / 255, 0.0),
        "pixels from -1 to 1": (1 / 127.5, -1.0),
    },
    "waveform": {"values from -32768 to 32767": (1.0, 0.0), "values from -1 to 1": (2**-15, 0.0)},
}
"""Common inputs of networks by the kind of data, as (scale, offset)."""

SUM_TOLERANCE = 0.05
"""Largest difference from 1 of the sum of probabilities; quantized ones are rounded."""


@dataclass(frozen=True, kw_only=True)
class Accuracy:
    top1: float
    low: float
    """Lower end of Wilson's 95 % interval; `high` is the upper one."""
    high: float
    samples: int
    words: Words

    def __str__(self) -> str:
        return f"{100 * self.top1:.1f} % of {self.samples} validation {self.words.many}"


def require_teaches(teacher: OpenTeacher, data: Dataset) -> Accuracy:
    """The accuracy on the validation split; `InputError` with the cause for an unusable teacher."""
    labels = data[Split.VAL].labels
    logits = split_logits(teacher, data, Split.VAL)
    assert logits is not None
    _require_logits(logits, teacher, data)
    accuracy = _accuracy(logits, labels, data.words)
    chance = metrics.most_frequent_share(labels)
    _require_order(logits, labels, accuracy, chance, teacher, data)
    if accuracy.low <= chance:
        raise InputError(_at_chance(teacher, data, accuracy, chance))
    return accuracy


def _require_logits(logits: Logits, teacher: OpenTeacher, data: Dataset) -> None:
    place, expected = f"teacher {teacher.path}", (len(data[Split.VAL]), len(data.classes))
    if logits.shape != expected:
        raise InputError(
            f"{place}: gives {list(logits.shape)} for the validation split, not {list(expected)}."
        )
    bad = ~np.isfinite(logits).all(axis=1)
    if bad.any():
        raise InputError(
            f"{place}: gives NaN or infinity for {int(bad.sum())} of {len(bad)} validation "
            f"{data.words.many}. Its weights are damaged, or its input is too large: see "
            "teacher.scale."
        )
    if teacher.cfg is not None:
        _require_kind(logits, teacher, teacher.cfg, data.words)


def _require_kind(
    logits: Logits, teacher: OpenTeacher, cfg: TeacherFileConfig, words: Words
) -> None:
    """`teacher.output` is right: every row of probabilities sums to 1, and of logits not."""
    place = f"teacher {teacher.path}"
    quantization = teacher.adapter.output_quantization if teacher.adapter else None
    rounding = logits.shape[1] * quantization[0] if quantization else 0.0
    values = np.exp(logits) if cfg.output == "probabilities" else logits
    sums_to_1 = abs(values.sum(axis=1) - 1) <= max(SUM_TOLERANCE, rounding)
    if cfg.output == "probabilities" and not sums_to_1.all():
        raise InputError(
            f'{place}: teacher.output is "probabilities", but they do not sum to 1 for '
            f"{int((~sums_to_1).sum())} of {len(logits)} validation {words.many}. "
            'If it gives logits, leave it at "logits".'
        )
    # The adapter makes two scores of a single one: 0, and the score.
    single = logits.shape[1] == 2 and bool((logits == 0).all(axis=0).any())
    within = metrics.from_0_to_1(logits)
    if cfg.output == "logits" and within and (sums_to_1.all() or single):
        kind = "one score from 0 to 1" if single else "none below 0, and each row sums to 1"
        raise InputError(
            f"{place}: gives probabilities ({kind}), not logits. Set "
            'teacher.output = "probabilities".'
        )


def _accuracy(logits: Logits, labels: Labels, words: Words) -> Accuracy:
    share = metrics.top1(logits, labels)
    low, high = metrics.wilson_interval(share, len(labels))
    return Accuracy(top1=share, low=low, high=high, samples=len(labels), words=words)


def _require_order(
    logits: Logits,
    labels: Labels,
    accuracy: Accuracy,
    chance: float,
    teacher: OpenTeacher,
    data: Dataset,
) -> None:
    """Refuse a teacher that is right when its outputs are renamed.

    This includes teachers above chance: sorted as text, class "10" is before "2", and some
    are right.
    """
    order = best_order(logits[::2], labels[::2])
    # On the other half: an order always fits the samples on which it was found a little better.
    reordered = _accuracy(logits[1::2][:, order], labels[1::2], data.words)
    if reordered.low <= max(accuracy.high, chance + (1 - chance) / 3):
        return
    mapped = teacher.cfg is not None and teacher.cfg.classes is not None
    names = _in_order_of_outputs(order, teacher, data)
    raise InputError(
        f"teacher {teacher.path}: its classes are in another order: right for {accuracy}, and for "
        f"{100 * reordered.top1:.1f} % when its outputs are matched with the labels. "
        f"{'Correct' if mapped else 'Set'} teacher.classes; what fits the labels is "
        f"[{', '.join(names)}]."
    )


def best_order(logits: Logits, labels: Labels) -> list[int]:
    """Return for each class the output right most often, each output once (Kuhn-Munkres)."""
    from scipy.optimize import linear_sum_assignment

    classes = logits.shape[1]
    confusion = np.zeros((classes, classes), np.int64)
    np.add.at(confusion, (labels, logits.argmax(axis=1)), 1)
    _, outputs = linear_sum_assignment(confusion, maximize=True)
    found: list[int] = outputs.tolist()
    return found


def _in_order_of_outputs(order: list[int], teacher: OpenTeacher, data: Dataset) -> list[str]:
    """The class names for `teacher.classes`: in the order of the file's own outputs."""
    current = teacher.cfg.classes if teacher.cfg is not None else None
    own = list(current or data.classes)
    names = [""] * len(own)
    for wanted, output in enumerate(order):
        names[own.index(data.classes[output])] = f'"{data.classes[wanted]}"'
    return names


def _at_chance(teacher: OpenTeacher, data: Dataset, accuracy: Accuracy, chance: float) -> str:
    problem = (
        f"teacher {teacher.path}: no better than chance: right for {accuracy}, and always naming "
        f"the most frequent class is for {100 * chance:.1f} %."
    )
    better = _better_scaling(teacher, data, chance)
    if better is not None:
        name, (scale, offset), rescaled = better
        return (
            f"{problem} The cause is the normalisation: with {name} it is right for "
            f"{100 * rescaled.top1:.1f} %. Set teacher.scale = {scale:.9g} and teacher.offset = "
            f"{offset:g}."
        )
    colours = "the order of the colour channels; " if data.input.kind == "image" else ""
    return (
        f"{problem} Likely causes, in this order: the label order (list its classes in the order "
        "of its outputs in teacher.classes); the normalisation (its input is raw * teacher.scale + "
        f"teacher.offset); {colours}another task than this data set's."
    )


def _better_scaling(
    teacher: OpenTeacher, data: Dataset, chance: float
) -> tuple[str, tuple[float, float], Accuracy] | None:
    """The common scaling with the highest accuracy, if that is above chance."""
    scalings = SCALINGS.get(data.input.kind)
    if teacher.cfg is None or not teacher.scalable or scalings is None:
        return None
    tried: list[tuple[str, tuple[float, float], Accuracy]] = []
    val = data[Split.VAL]
    for name, (scale, offset) in scalings.items():
        if (scale, offset) != (teacher.cfg.scale, teacher.cfg.offset):
            cfg = teacher.cfg.model_copy(update={"scale": scale, "offset": offset})
            logits = open_teacher(teacher.path, cfg, data).logits(val.raw)
            found = _accuracy(np.nan_to_num(logits), val.labels, data.words)
            tried.append((name, (scale, offset), found))
    best = max(tried, key=lambda one: one[2].top1)
    return best if best[2].low > chance else None
