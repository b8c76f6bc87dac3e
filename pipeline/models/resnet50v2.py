"""ResNet50V2: He et al. 2016, arXiv 1603.05027, from `tf_keras.applications`. A teacher only.

The input `(pixel - 128) / 128` is converted in the graph to that of Keras' ImageNet weights. The
batch norms in front of convolutions have no quantization in tfmot.
"""

from pipeline.models.applications import with_classifier
from pipeline.models.pretrained.downloads import KerasFile, keras_file
from pipeline.recipe.section import NoSettings
from targets.formats.input_spec import Kind
from targets.untyped import KerasModel

Settings = NoSettings
TAKES: tuple[Kind, ...] = ("image",)
"""Its strides are for 64 pixels and more, which features of sound do not have."""


def build(shape: tuple[int, ...], classes: int, *, name: str, settings: NoSettings) -> KerasModel:
    """224x224x3 and 1,000 classes: 25.6 million parameters, 3.5 billion MACs."""
    from tf_keras.applications import ResNet50V2

    return with_classifier(
        lambda image: ResNet50V2(include_top=False, weights=None, input_tensor=image),
        shape,
        classes,
        scale=128 / 127.5,  # pixel / 127.5 - 1
        offset=128 / 127.5 - 1,
        name=name,
        family="resnet50v2",
    )


def imagenet(settings: NoSettings) -> KerasFile:
    return keras_file(
        "resnet",
        "resnet50v2_weights_tf_dim_ordering_tf_kernels_notop.h5",
        md5="fac2f116257151a9d068a22e544a4917",
    )
