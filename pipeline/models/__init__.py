"""Network families. To add one: its module (see `contract`) and a line in a dictionary here."""

from pipeline.models.contract import NetworkFamily
from targets.registry import Registry


def _students() -> dict[str, NetworkFamily]:
    from pipeline.models import fused, mobilenet_v1, mobilenet_v2, mobilenet_v4

    return {
        "mobilenet_v1": mobilenet_v1,
        "mobilenet_v2": mobilenet_v2,
        "mobilenet_v4": mobilenet_v4,
        "fused": fused,
    }


def _teachers() -> dict[str, NetworkFamily]:
    from pipeline.models import resnet, wrn

    return {"resnet": resnet, "wrn": wrn}


STUDENTS = Registry("students", noun="student family", contract=NetworkFamily, built_in=_students)
TEACHERS = Registry("teachers", noun="teacher family", contract=NetworkFamily, built_in=_teachers)
