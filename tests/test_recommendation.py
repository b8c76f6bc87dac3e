"""Which file is recommended on a device, and what the reason may say."""

import pytest

from pipeline.reporting.findings.recommendation import recommend
from pipeline.reporting.schema.model_row import ModelRow
from pipeline.reporting.schema.report import Recommended
from tests.reports import changed, model_row

INT8, FLOAT = "student.int8.tflite", "student.float32.tflite"


def loss(points: float, p_value: float) -> dict[str, object]:
    gain = -points / 100
    return {"reference": FLOAT, "gain": gain, "interval": [gain, gain], "p_value": p_value}


def on_avx2(**changes: object) -> list[ModelRow]:
    """`changes`: of the int8 file."""
    return [
        model_row("teacher.float32.tflite", us=300, size_bytes=1_500_000),
        model_row(FLOAT, us=67.5, size_bytes=132_000),
        changed(model_row(INT8, us=122.3, size_bytes=33_000), **changes),
    ]


def only(rows: list[ModelRow], majority_share: float | None = None) -> Recommended:
    (found,) = recommend(rows, majority_share=majority_share)
    return found


def test_where_int8_is_slower_both_files_are_named_with_the_trade() -> None:
    found = only(on_avx2())
    assert (found.device, found.smallest, found.fastest) == ("local", INT8, FLOAT)
    assert found.reason == (
        "smallest: student.int8.tflite 33.0 kB; fastest here: student.float32.tflite 67.5 µs, "
        "student.int8.tflite takes 1.81x that time"
    )


def test_where_int8_is_faster_it_is_the_one() -> None:
    rows = on_avx2(median_ns=41_200.0, median_ci=[41e3, 41.5e3])
    found = only(rows)
    assert found.smallest == found.fastest == INT8
    assert found.reason == f"{INT8} is the smallest, 33.0 kB, and the fastest here, 41.2 µs"


def test_each_device_has_its_own() -> None:
    there = [
        changed(row, device="pi4", median_ns=1e3 * row.size_bytes, median_ci=[1.0, 2.0])
        for row in on_avx2()
    ]
    assert {one.device: one.fastest for one in recommend([*on_avx2(), *there])} == {
        "local": FLOAT,
        "pi4": INT8,
    }


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"latency_note": "disturbed"}, "because the times were disturbed"),
        (
            {"latency_note": "cut short"},
            "because the measurements were cut short by their time limit",
        ),
        ({"latency_note": "emulated"}, "because the device is emulated"),
        ({"median_ci": None}, "because six processes are needed for an interval of the time"),
    ],
)
def test_without_times_to_rely_on_only_the_smallest_is_named(
    changes: dict[str, object], reason: str
) -> None:
    found = only([changed(row, **changes) for row in on_avx2()])
    assert (found.smallest, found.fastest) == (INT8, None)
    assert found.reason == f"smallest: {INT8} 33.0 kB; fastest: not known, {reason}"
    assert "µs" not in found.reason


def test_a_file_whose_own_time_is_disturbed_is_not_compared() -> None:
    found = only(on_avx2(latency_note="disturbed"))
    assert (found.smallest, found.fastest) == (INT8, FLOAT)
    assert "takes" not in found.reason
    assert found.reason.endswith(f"not considered for speed, without a valid time: {INT8}")


def test_of_times_that_do_not_differ_the_smaller_file_is_named() -> None:
    found = only(on_avx2(median_ns=68_500.0, median_ci=[67e3, 70e3]))
    assert found.smallest == found.fastest == INT8
    assert f"(no difference from {FLOAT} is shown)" in found.reason


@pytest.mark.parametrize(
    ("change", "kept"),
    [(loss(2, p_value=0.001), False), (loss(2, p_value=0.2), True), (loss(-2, 0.001), True)],
)
def test_a_file_that_is_shown_to_be_worse_than_the_float_student_is_left_out(
    change: dict[str, object], kept: bool
) -> None:
    found = only(on_avx2(accuracy_change=change))
    assert found.smallest == (INT8 if kept else FLOAT)
    assert (f"not considered, for their accuracy: {INT8}" in found.reason) != kept


@pytest.mark.parametrize(("top1", "kept"), [(0.96, True), (0.94, False)])
def test_without_a_pair_intervals_decide(top1: float, kept: bool) -> None:
    found = only(on_avx2(top1=top1, top1_ci=[top1 - 0.01, top1 + 0.01]))
    assert found.smallest == (INT8 if kept else FLOAT)


def test_where_no_file_is_above_the_most_frequent_class_none_is_recommended() -> None:
    found = only(on_avx2(), majority_share=0.965)
    assert (found.smallest, found.fastest) == (None, None)
    assert found.reason == (
        "no file is shown to be better than naming the most frequent class, which gives 96.50 %"
    )


def test_the_teacher_and_what_was_not_measured_are_not_recommended() -> None:
    assert recommend(on_avx2()[:1]) == ()
    assert recommend([changed(row, top1=None, median_ns=None) for row in on_avx2()]) == ()
