from typing import Any

import pytest

from targets.bench.record import Block
from targets.bench.validity import judged, sentinel_baseline, stability, worth_repeating
from tests.blocks import QUIET, agent, block

BASELINE = 15_000_000


def verdict(seen: Block, *, baseline_ns: int | None = BASELINE) -> Block:
    return judged(seen, sentinel_baseline_ns=baseline_ns, cpus=2)


def reasons(seen: Block) -> list[str]:
    return list(verdict(seen).invalid_reasons)


def test_a_block_of_a_quiet_machine_is_valid() -> None:
    assert reasons(block()) == []


@pytest.mark.parametrize(
    ("disturbed", "limit", "said"),
    [
        ({"after": {"sentinel_ns": 16_600_000}}, {"after": {"sentinel_ns": 16_500_000}},
         "fixed work took 1.11x its best time after (limit 1.10x)"),
        ({"before": {"sentinel_ns": 30_000_000}}, {}, "fixed work took 2.00x"),
        ({"before": {"throttled_raw": "throttled=0x50004"}}, {}, "throttled before: "),
        ({"after": {"throttled_raw": "0x50000"}},
         {"before": {"throttled_raw": "0x50000"}, "after": {"throttled_raw": "0x50000"}},
         "get_throttled went from 0x0 to 0x50000"),
        ({"after": {"temp_c": 80.0}}, {"after": {"temp_c": 79.9}}, "80 °C after"),
        ({"after": {"freq_hz": [1_600_000_000, 600_000_000]}},
         {"after": {"freq_hz": [1_620_000_000, 600_000_000]}},
         "its cores ran at 1600 MHz after, 0.89 of the 1800 MHz measured (limit 0.9)"),
        ({"after": {"loadavg1": 3.1}}, {"after": {"loadavg1": 3.0}},
         "load average 3.1 on 2 CPUs (limit 3; of the last minute"),
        ({"ctx_switches": {"voluntary": 9, "involuntary": 51}},
         {"ctx_switches": {"voluntary": 900, "involuntary": 50}},
         "its core was taken away 51 times a second (limit 50)"),
        ({"others_cpu": 0.11}, {"others_cpu": 0.1}, "others used 0.11 of a core (limit 0.1)"),
        ({"stop_reason": "max_duration"}, {}, "time was up after 12 queries, fewer than asked"),
    ],
)  # fmt: skip
def test_one_disturbance_is_one_reason_and_its_limit_is_none(
    disturbed: dict[str, Any], limit: dict[str, Any], said: str
) -> None:
    (reason,) = reasons(block(**disturbed))
    assert said in reason
    assert reasons(block(**limit)) == []


def test_several_disturbances_are_all_told() -> None:
    assert len(reasons(block(others_cpu=1.2, after={"loadavg1": 9.0, "temp_c": 85.0}))) == 3


def test_what_a_device_does_not_tell_is_not_judged() -> None:
    silent = dict.fromkeys(QUIET)
    untold = block(others_cpu=None, ctx_switches=None, before=silent, after=silent)
    assert reasons(untold) == []
    assert reasons(block(env_before=None, env_after=None)) == []
    assert verdict(block(), baseline_ns=None).valid
    assert reasons(block(after={"throttled_raw": "vchi initialization failed"})) == []


def test_a_hot_cpu_that_is_no_raspberry_pi_is_judged_by_its_speed() -> None:
    assert reasons(block(after={"temp_c": 95.0, "throttled_raw": None})) == []


def test_an_idle_core_may_be_slow_and_one_that_is_not_used_does_not_count() -> None:
    moved = {"freq_hz": [600_000_000, 1_800_000_000]}
    assert reasons(block(after=moved)) == []
    pinned = agent()["runtime"] | {"affinity_effective": [0]}
    (reason,) = reasons(block(runtime=pinned, after=moved))
    assert "600 MHz after" in reason


def test_each_thread_may_be_interrupted() -> None:
    often = {"voluntary": 0, "involuntary": 90}
    assert reasons(block(ctx_switches=often))
    assert not reasons(block(ctx_switches=often, runtime=agent()["runtime"] | {"threads": 2}))


def test_interruptions_are_counted_by_the_second() -> None:
    often = {"voluntary": 0, "involuntary": 60}
    assert not reasons(block(ctx_switches=often, wall_ns=2_000_000_000))
    (reason,) = reasons(block(ctx_switches=often, wall_ns=500_000_000))
    assert "taken away 120 times a second" in reason


def test_the_baseline_is_the_fastest_the_sentinel_was_seen() -> None:
    seen = [block(), block(before={"sentinel_ns": 14_000_000}), block(env_before=None)]
    assert sentinel_baseline(seen) == 14_000_000
    assert sentinel_baseline([block(env_before=None, env_after=None)]) is None


def test_a_model_too_slow_for_the_longest_time_is_not_measured_again() -> None:
    slow = block(stop_reason="max_duration")
    disturbed = block(stop_reason="max_duration", others_cpu=1.0)
    seen = (block(), slow, disturbed, block(others_cpu=1.0))
    assert [worth_repeating(verdict(one)) for one in seen] == [False, False, True, True]


def test_every_sentence_comes_from_numbers_that_are_kept_beside_it() -> None:
    seen = verdict(
        block(
            others_cpu=1.2,
            before={"throttled_raw": "throttled=0x50004"},
            after={"freq_hz": [1_600_000_000, 600_000_000]},
        )
    )
    assert not seen.valid
    assert [one.model_dump() for one in seen.disturbances] == [
        {"kind": "throttled", "value": 0x50004, "limit": None, "side": "before", "of": None},
        {"kind": "frequency", "value": pytest.approx(8 / 9), "limit": 0.9, "side": "after",
         "of": 1_800_000_000},
        {"kind": "others_cpu", "value": 1.2, "limit": 0.1, "side": None, "of": 2},
    ]  # fmt: skip
    assert seen.invalid_reasons[0] == "throttled before: get_throttled is 0x50004"
    assert Block.model_validate_json(seen.model_dump_json(by_alias=True)) == seen


def measured(medians: list[int], **changes: Any) -> str | None:
    return stability([block(samples_ns=[ns] * 3, **changes) for ns in medians])


def test_processes_that_agree_are_stable() -> None:
    assert measured([1000, 1020, 990, 1050, 1010, 1089]) == "stable"
    assert measured([1000, 1010]) == "stable"


def test_processes_that_differ_by_more_than_a_tenth_are_unstable() -> None:
    assert measured([1000, 1020, 990, 1050, 1010, 1100]) == "unstable"


def test_an_invalid_block_or_a_single_process_is_unstable() -> None:
    assert measured([1000] * 6, valid=False, invalid_reasons=["others used a core"]) == "unstable"
    assert measured([1000]) == "unstable"
