"""EfficientNetV2-B0: Tan & Le 2021, arXiv 2104.00298, from `tf_keras.applications`. A teacher only.

The input `(pixel - 128) / 128` is converted in the graph to that of Keras' ImageNet weights. Swish
and squeeze-and-excite are slow in int8, and lose accuracy there.
"""

from pipeline.models.applications import with_classifier
from pipeline.models.pretrained.downloads import KerasFile, keras_file
from pipeline.recipe.section import NoSettings
from targets.formats.input_spec import Kind
from targets.untyped import KerasModel, Tensor

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's red, green and blue, from 0 to 1."""

Settings = NoSettings
TAKES: tuple[Kind, ...] = ("image",)
"""Its strides are for 64 pixels and more, which features of sound do not have."""


def build(shape: tuple[int, ...], classes: int, *, name: str, settings: NoSettings) -> KerasModel:
    """224x224x3 and 1,000 classes: 7.2 million parameters, 0.7 billion MACs."""
    scale: list[float] | float = 1.0  # Keras takes grey images as they are
    offset: list[float] | float = 0.0
    if shape[-1] == len(MEAN):
        scale = [128 / 255 / deviation for deviation in DEVIATION]
        offset = [(128 / 255 - mean) / dev for mean, dev in zip(MEAN, DEVIATION, strict=True)]
    return with_classifier(
        _backbone,
        shape,
        classes,
        scale=scale,
        offset=offset,
        name=name,
        family="efficientnet_v2b0",
    )


def _backbone(image: Tensor) -> KerasModel:
    # The public function has no `drop_connect_rate`, and layers.Dropout does not resume.
    from tf_keras.src.applications.efficientnet_v2 import EfficientNetV2

    return EfficientNetV2(
        width_coefficient=1.0,
        depth_coefficient=1.0,
        default_size=224,
        drop_connect_rate=0.0,
        model_name="efficientnetv2-b0",
        include_top=False,
        weights=None,
        input_tensor=image,
        include_preprocessing=False,
    )


def imagenet(settings: NoSettings) -> KerasFile:
    return keras_file(
        "efficientnet_v2", "efficientnetv2-b0_notop.h5", md5="893217f2bb855e2983157299931e43ff"
    )
