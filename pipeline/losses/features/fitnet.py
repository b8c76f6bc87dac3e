"""FitNet hint: mean (r(f_s) - f_t)² at the middle feature map, r a trained 1x1 regressor.

Source: Romero et al. 2014, arXiv 1412.6550.
"""

from pipeline.losses.contract import FeaturePairs
from pipeline.losses.features.maps import matching
from pipeline.losses.formulas import squared_error
from targets.untyped import KerasModel, Tensor

WEIGHT = 100.0


def pairs(*, student: KerasModel, teacher: KerasModel) -> FeaturePairs:
    maps = matching(student=student, teacher=teacher, loss="fitnet")
    guided, hint = maps[len(maps) // 2]
    return FeaturePairs(student=[_regressed(guided, hint.shape[-1])], teacher=[hint])


def loss(*, student: list[Tensor], teacher: list[Tensor]) -> Tensor:
    return squared_error(student=student[0], teacher=teacher[0])


def _regressed(features: Tensor, channels: int) -> Tensor:
    from pipeline.models.layers import conv_bn, relu

    return relu(conv_bn(features, channels, 1, name="hint"), name="hint")
