"""Which cores a measurement runs on by default."""

import pytest

from targets.devices.cpus import big_cores
from targets.devices.facts import Cpu


@pytest.mark.parametrize(
    ("khz", "big"),
    [
        ([1_800, 1_800, 2_400, 2_900], [2, 3]),  # little, big and prime
        ([1_800, 1_800], [0, 1]),  # all alike
        ([1_800, None, 2_400], [2]),  # one is offline
        ([None, None], [0, 1]),  # no frequency can be read
        ([], []),
    ],
)
def test_big_cores_are_those_above_the_slowest(khz: list[int | None], big: list[int]) -> None:
    assert big_cores(Cpu(id=core, max_hz=speed) for core, speed in enumerate(khz)) == big
