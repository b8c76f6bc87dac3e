"""The students of `pipeline.models` in idiomatic PyTorch.

Padding is 1 on both sides where TensorFlow's "same" at stride 2 pads the end only: other border
pixels, the same shapes, parameters and multiply-accumulates.
"""

from collections.abc import Callable
from typing import Any

from torch import nn

from pipeline.models import mobilenet_v1, mobilenet_v2
from pipeline.models.layers import BN_MOMENTUM

Tensor = Any
Module = Any  # torch is optional and has no types here; the alias names the type


def conv_bn(before: int, after: int, kernel: int, *, strides: int = 1, groups: int = 1) -> Module:
    """PyTorch's momentum is the weight of the new batch, Keras' that of the old average."""
    conv = nn.Conv2d(before, after, kernel, strides, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(after, eps=1e-3, momentum=1 - BN_MOMENTUM))


def build_v1(classes: int) -> Module:
    width = mobilenet_v1.STEM
    layers = [conv_bn(1, width, 3), nn.ReLU6()]
    for after, strides in mobilenet_v1.BLOCKS:
        layers += [conv_bn(width, width, 3, strides=strides, groups=width), nn.ReLU6()]
        layers += [conv_bn(width, after, 1), nn.ReLU6()]
        width = after
    return nn.Sequential(*layers, *classifier(width, classes))


def build_v2(classes: int) -> Module:
    width = mobilenet_v2.STEM
    layers = [conv_bn(1, width, 3), nn.ReLU6()]
    for after, strides in mobilenet_v2.BLOCKS:
        layers.append(InvertedResidual(width, after, strides=strides))
        width = after
    layers += [conv_bn(width, mobilenet_v2.HEAD, 1), nn.ReLU6()]
    return nn.Sequential(*layers, *classifier(mobilenet_v2.HEAD, classes))


class InvertedResidual(nn.Module):  # type: ignore[misc]
    def __init__(self, before: int, after: int, *, strides: int) -> None:
        super().__init__()
        wide = before * mobilenet_v2.EXPANSION
        self.adds = strides == 1 and before == after
        self.layers = nn.Sequential(
            *(conv_bn(before, wide, 1), nn.ReLU6()),
            *(conv_bn(wide, wide, 3, strides=strides, groups=wide), nn.ReLU6()),
            conv_bn(wide, after, 1),
        )

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x) if self.adds else self.layers(x)


def classifier(width: int, classes: int) -> list[Module]:
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, classes)]


BUILD: dict[str, Callable[[int], Module]] = {"mobilenet_v1": build_v1, "mobilenet_v2": build_v2}
"""Family as in `pipeline.models.STUDENTS` -> its network at width 1.0 for grey images."""


def count_parameters(model: Module) -> int:
    """As Keras counts: with the moving statistics, without PyTorch's counters of batches."""
    state = model.state_dict().items()
    return sum(value.numel() for name, value in state if not name.endswith("num_batches_tracked"))
