"""Batches are made ahead of their use, and nothing else changes."""

import threading
import time
from collections.abc import Iterator
from contextlib import closing

import pytest

from pipeline.training.ahead import made_ahead


def ahead_threads() -> list[threading.Thread]:
    return [thread for thread in threading.enumerate() if thread.name.startswith("ahead")]


def test_the_items_come_in_their_order_and_none_is_lost() -> None:
    assert list(made_ahead(iter(range(50)), depth=3)) == list(range(50))
    assert list(made_ahead([None, None])) == [None, None]
    assert list(made_ahead([])) == []
    assert ahead_threads() == []


def test_no_more_items_are_made_than_asked_for() -> None:
    made = []

    def items() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    with closing(made_ahead(items(), depth=2)) as ahead:
        next(ahead)
        deadline = time.monotonic() + 5
        while len(made) < 3 and time.monotonic() < deadline:
            time.sleep(0.001)
        time.sleep(0.02)
        assert len(made) == 3


def test_an_item_is_made_while_the_last_one_is_used() -> None:
    started = threading.Event()

    def items() -> Iterator[int]:
        yield 1
        started.set()
        yield 2

    with closing(made_ahead(items())) as ahead:
        assert next(ahead) == 1
        assert started.wait(5)


def test_an_exception_in_the_thread_is_raised_behind_the_items_before_it() -> None:
    def items() -> Iterator[int]:
        yield 1
        raise ValueError("the file is broken")

    ahead = made_ahead(items())
    assert next(ahead) == 1
    with pytest.raises(ValueError, match="the file is broken"):
        next(ahead)
    assert ahead_threads() == []


def test_an_interruption_of_its_user_ends_the_thread() -> None:
    def use() -> None:
        with closing(made_ahead(iter(int, 1))) as endless:
            for _ in endless:
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        use()
    assert ahead_threads() == []


def test_the_time_that_was_waited_is_reported() -> None:
    def items() -> Iterator[int]:
        for number in range(3):
            time.sleep(0.05)
            yield number

    waits: list[float] = []
    list(made_ahead(items(), waited=waits.append))
    assert len(waits) == 3
    assert sum(waits) > 0.1
