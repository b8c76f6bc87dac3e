"""What a search says: the front, the recommended student, why others were not trained, its cost."""

from hypothesis import given
from hypothesis import strategies as st

from pipeline.reporting.findings import search_course
from pipeline.reporting.findings.search import decision, front, sentence
from pipeline.reporting.formatting import elapsed
from pipeline.reporting.schema.search import LimitRow, Rejected, TrialRow
from tests.searches import LIMITS, P90, SIZE, figures, realistic, recommendation, search, trial

NUMBERS = st.integers(1, 6)


def beats(one: TrialRow, other: TrialRow) -> bool:
    """Written apart from the code under test."""
    (mine, its), tops = (
        (max(d.p90_ns for d in t.trained.devices) for t in (one, other) if t.trained),
        (one.top1 or 0, other.top1 or 0),
    )
    return mine <= its and tops[0] >= tops[1] and (mine < its or tops[0] > tops[1])


@given(st.lists(st.tuples(NUMBERS, NUMBERS), max_size=12))
def test_no_trial_of_the_front_is_beaten_and_every_other_one_is(
    drawn: list[tuple[int, int]],
) -> None:
    rows = [trial(n, p90_ms=ms, top1=top1 / 10) for n, (ms, top1) in enumerate(drawn)]
    on = [rows[number] for number in front(rows)]
    for row in rows:
        beaten = any(beats(other, row) for other in rows)
        assert beaten == (row not in on)
        assert not beaten or any(beats(other, row) for other in on)
    times = [row.trained.devices[0].p90_ns for row in on if row.trained]
    assert times == sorted(times)


def test_only_trained_trials_are_on_the_front() -> None:
    rows = [
        trial(0, p90_ms=2, top1=0.9),
        trial(1, p90_ms=1, top1=None),
        trial(2, p90_ms=1, top1=0.95, state="stopped", reason="early"),
        TrialRow(number=3, values={}, state="failed", reason="no memory"),
    ]
    assert front(rows) == (0,)


def test_of_several_devices_the_slowest_counts() -> None:
    on_two = trial(0, p90_ms=1, top1=0.9)
    slow = figures(3, 300).devices[0].model_copy(update={"device": "phone"})
    both = on_two.trained.model_copy(update={"devices": (*figures(1, 300).devices, slow)})  # type: ignore[union-attr]
    rows = [on_two.model_copy(update={"trained": both}), trial(1, p90_ms=2, top1=0.9)]
    assert front(rows) == (1,)


def test_the_decision_comes_first_and_says_whether_the_choice_is_sure() -> None:
    rows = [trial(7, top1=0.93), trial(3, top1=0.925, p90_ms=2, kb=200)]
    said = sentence(recommendation(rows, 7, p_value=0.31), rows)
    assert said.startswith("Train trial 7: 93.00 % top-1 on the validation split, 92.60 % on the")
    assert "p90 3.00 ms on local; 300.0 kB." in said
    assert "is not separable from that of trial 3, the next best (p = 0.310)." in said
    assert said.endswith(
        "Smaller or faster, and not shown to be less accurate: trial 3 (p90 2.00 ms, 200.0 kB)."
    )
    assert decision(search(rows, recommended=7)).text == said


def test_a_trial_that_is_shown_to_be_worse_is_no_alternative() -> None:
    rows = [trial(7, top1=0.93), trial(3, top1=0.925, p90_ms=2), trial(4, top1=0.85, p90_ms=1)]
    said = sentence(recommendation(rows, 7, p_value=0.0004), rows)
    assert "is separable from that of trial 3, the next best (p < 0.001)." in said
    assert "Smaller or faster" not in said


def test_a_time_within_the_bound_of_the_measurement_is_not_faster() -> None:
    near = [trial(7, top1=0.93, p90_ms=3.0), trial(3, top1=0.925, p90_ms=2.99)]
    assert "Smaller or faster" not in sentence(recommendation(near, 7), near)


def test_the_only_trained_trial_is_compared_with_nothing() -> None:
    rows = [trial(7), trial(3, top1=None)]
    assert "No other trial was trained" in sentence(recommendation(rows, 7), rows)


def test_what_nothing_fits_says_the_fastest_and_by_how_much_it_misses() -> None:
    rows = [trial(0, p90_ms=9, top1=None), trial(1, p90_ms=6.2, top1=None)]
    found = decision(search(rows))
    assert found.found is False
    assert found.text == (
        "No student fits: no trial meets p90 <= 5 ms: the fastest is trial 1 with 6.20 ms, 1.24 "
        "times the limit."
    )


def test_limits_that_only_exclude_one_another_name_the_nearest_trial() -> None:
    rows = [trial(0, p90_ms=5.5, kb=100, top1=None), trial(1, p90_ms=1, kb=900, top1=None)]
    assert decision(search(rows)).text == (
        "No student fits: each limit is met by some trial, but no trial meets p90 <= 5 ms and "
        "size <= 500 kB: the nearest, trial 0, misses p90 <= 5 ms with 5.50 ms."
    )


def test_a_limit_that_is_missed_by_the_bound_alone_is_told_as_that() -> None:
    said = decision(search([trial(0, p90_ms=4.99, top1=None)])).text
    assert said.endswith("meets them by its figures, not by the bounds of its measurement.")


def test_a_memory_that_was_not_measured_meets_no_limit() -> None:
    limit = LimitRow(figure="memory", most=1e6, text="memory <= 1 MB")
    made = search([trial(0, top1=None, reason="no memory figure")], limits=[limit.model_dump()])
    assert decision(made).text == "No student fits: no trial has a figure for memory <= 1 MB."


def test_a_search_that_goes_on_says_so_and_names_the_best_so_far() -> None:
    found = decision(search([trial(0, top1=0.8), trial(1, top1=0.9)], finished=False))
    assert found.found is None
    assert found.text.startswith(
        "Not finished: 2 trials so far, 2 of them trained; the best is tri"
    )
    assert "trial 1, 90.00 % top-1" in found.text
    assert found.text.endswith("The same command goes on.")


def test_one_trial_is_no_plural() -> None:
    made = search([trial(0, p90_ms=1, top1=None)], finished=False)
    assert decision(made).text == (
        "Not finished: 1 trial so far, 0 trained. The same command goes on."
    )


def test_rejected_trials_are_the_reason_where_nothing_is_left() -> None:
    rejected = [Rejected(trial=0, reason="p90 5.2 ms").model_dump()]
    assert decision(search([trial(0)], rejected=rejected)).text == (
        "No student fits: each trained one missed a limit when its trained file was measured "
        "again: trial 0 (p90 5.2 ms)."
    )


def test_untrained_trials_are_counted_by_the_limit_that_they_miss() -> None:
    rows = [
        trial(0, p90_ms=6, top1=None),
        trial(1, p90_ms=6, kb=600, top1=None),
        trial(2, kb=600, top1=None),
        trial(3, p90_ms=4.99, top1=None),
        trial(4),
        trial(5, state="stopped", reason="early"),
        trial(6, p90_ms=6, state="over_limit", reason="p90"),
    ]
    assert list(search_course.untrained(search(rows))) == [
        "4 of 7 trials were over a limit and never trained: 2 p90, 2 size, 1 by the bound of the "
        "measurement (1 more than one).",
        "1 of 7 trials was over a limit and measured after training only: 1 p90.",
        "1 of 7 trials was stopped early for low accuracy.",
    ]


def test_what_measuring_saved_is_counted_in_mean_trainings() -> None:
    rows = [trial(0, training_s=100), trial(1, training_s=300), trial(2, p90_ms=6, top1=None)]
    spent, saved = search_course.cost(search(rows))
    assert "18 s measuring and 7 min training (16 epochs); 3 proposals repeated" in spent
    assert saved == (
        "Measuring before training spared 1 training, about 3 min at the 3 min that one took "
        "(mean of 2)."
    )
    untrained_alone = search([trial(2, p90_ms=6, top1=None)])
    assert len(list(search_course.cost(untrained_alone))) == 1


def test_disturbed_times_are_marked_and_explained() -> None:
    loud = figures(3, 300, valid=False)
    (line,) = search_course.disturbed(search([trial(0, trained=loud), trial(1)]))
    assert line.startswith("~ marks the times of 1 of 2 trials")


def test_a_realistic_search_has_every_kind_of_trial() -> None:
    """Else the pages are looked at without some of them."""
    found = realistic()
    assert {row.state for row in found.trials} == {"trained", "stopped", "over_limit", "failed"}
    assert found.limits == LIMITS == (P90, SIZE)
    assert len(found.front) > 3


def test_elapsed_time_has_two_units_at_most() -> None:
    shown = {0: "0 s", 5.23: "5.2 s", 42: "42 s", 65: "1 min", 3599: "1 h 0 min", 7320: "2 h 2 min"}
    assert {seconds: elapsed(seconds) for seconds in shown} == shown
