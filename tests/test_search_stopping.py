"""When a training is stopped."""

import pytest

from pipeline.search.stopping import AT_LEAST, EarlyStopping


def stops(epoch: int, accuracy: float, *, epochs: int, trials: int = AT_LEAST) -> bool:
    earlier = [dict.fromkeys(range(1, epochs + 1), 0.5)] * trials
    return EarlyStopping(earlier=earlier, epochs=epochs).stops(epoch, accuracy)


@pytest.mark.parametrize("epochs", [3, 6, 10])
def test_never_in_the_first_third(epochs: int) -> None:
    stopped = [epoch for epoch in range(1, epochs + 1) if stops(epoch, 0.1, epochs=epochs)]
    assert stopped == list(range(epochs // 3 + 1, epochs)), "and not when it has ended"


def test_only_below_the_median_of_five_others() -> None:
    assert not stops(5, 0.6, epochs=6)
    assert not stops(5, 0.1, epochs=6, trials=AT_LEAST - 1)
