"""Which files no other one beats in accuracy and cost."""

from pipeline.reporting.findings.pareto import Front, Point, by_latency, by_size, pareto, sentence
from tests.reports import changed, model_row


def point(name: str, cost: float, accuracy: float, *, reach: float = 0.0) -> Point:
    return Point(
        name=name,
        cost=cost,
        cost_interval=(cost - reach, cost + reach),
        accuracy=accuracy,
        accuracy_interval=(accuracy - 0.01, accuracy + 0.01),
    )


def names(front: Front) -> tuple[list[str], list[str]]:
    return [p.name for p in front.on], [p.name for p in front.undecided]


def test_what_another_one_beats_in_both_is_off_the_front() -> None:
    points = [point("big", 9, 0.99), point("small", 1, 0.90), point("beaten", 5, 0.80)]
    assert names(pareto(points)) == (["small", "big"], [])


def test_equal_points_are_all_on_the_front() -> None:
    assert names(pareto([point("a", 1, 0.9), point("b", 1, 0.9)])) == (["a", "b"], [])


def test_of_equal_cost_only_the_more_accurate_is_on_the_front() -> None:
    assert names(pareto([point("a", 1, 0.9), point("b", 1, 0.95)])) == (["b"], [])


def test_what_intervals_cannot_separate_is_undecided() -> None:
    near, far = point("near", 1.1, 0.90, reach=0.2), point("far", 3.0, 0.90, reach=0.2)
    assert names(pareto([point("best", 1.0, 0.905, reach=0.2), near, far])) == (["best"], ["near"])


def test_nothing_has_an_empty_front_and_says_so() -> None:
    assert sentence(pareto([]), cost="latency") == (
        "No file has a latency that can be relied on: there is no front."
    )


def test_the_sentence_names_both() -> None:
    found = Front(on=(point("a", 1, 0.9),), undecided=(point("b", 2, 0.9),))
    assert sentence(found, cost="size") == (
        "On the front of accuracy and size: a. The measurement cannot decide whether it also has b."
    )


def test_a_latency_that_is_not_reliable_is_no_point_and_a_size_always_is() -> None:
    quiet = model_row("student.int8.tflite")
    rows = [quiet, changed(quiet, latency_note="disturbed"), changed(quiet, top1=None)]
    assert len(list(by_latency(rows))) == 1
    assert len(list(by_size(rows))) == 2
