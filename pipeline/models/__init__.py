"""Network families. To add one: its module (see `contract`) and a line in a dictionary here."""

from pipeline.models.contract import NetworkFamily
from targets.registry import Registry


def _students() -> dict[str, NetworkFamily]:
    from pipeline.models import (
        bc_resnet,
        crnn,
        ds_cnn,
        ds_cnn_1d,
        efficientnet_lite0,
        fused,
        gru,
        kim_cnn,
        mobilenet_v1,
        mobilenet_v2,
        mobilenet_v4,
        resnet,
        transformer,
    )

    return {
        "mobilenet_v1": mobilenet_v1,
        "mobilenet_v2": mobilenet_v2,
        "mobilenet_v4": mobilenet_v4,
        "fused": fused,
        "resnet": resnet,
        "efficientnet_lite0": efficientnet_lite0,
        "ds_cnn": ds_cnn,
        "bc_resnet": bc_resnet,
        "ds_cnn_1d": ds_cnn_1d,
        "kim_cnn": kim_cnn,
        "crnn": crnn,
        "gru": gru,
        "transformer": transformer,
    }


def _teachers() -> dict[str, NetworkFamily]:
    from pipeline.models import (
        crnn,
        ds_cnn,
        ds_cnn_1d,
        efficientnet_lite0,
        efficientnet_v2b0,
        gru,
        kim_cnn,
        mobilenet_v1,
        mobilenet_v2,
        resnet,
        resnet50v2,
        transformer,
        wrn,
    )

    return {
        "resnet": resnet,
        "wrn": wrn,
        "efficientnet_lite0": efficientnet_lite0,
        "efficientnet_v2b0": efficientnet_v2b0,
        "mobilenet_v1": mobilenet_v1,
        "mobilenet_v2": mobilenet_v2,
        "resnet50v2": resnet50v2,
        "ds_cnn": ds_cnn,
        "crnn": crnn,
        "gru": gru,
        "ds_cnn_1d": ds_cnn_1d,
        "kim_cnn": kim_cnn,
        "transformer": transformer,
    }


STUDENTS = Registry("students", noun="student family", contract=NetworkFamily, built_in=_students)
TEACHERS = Registry("teachers", noun="teacher family", contract=NetworkFamily, built_in=_teachers)
