"""Candidates of a search are measured on the devices, several at once, before anything trains."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipeline.datasets.splits import Split
from pipeline.engine.artifacts import Exports
from pipeline.reporting.schema.search import Figures
from pipeline.search.measuring import SHORT, CandidateFile, Devices, opened
from pipeline.search.untrained import ModelFile
from targets.bench.plan import BenchPlan
from targets.devices import DEVICE_KINDS
from targets.devices.contract import Completed, Device, LinkLost
from targets.devices.fake.kind import FakeKind, FakeSession
from targets.devices.inventory import groups
from targets.errors import DeviceError, EdgeDistillError, InputError
from tests.conftest import Lane

BRIEF = BenchPlan(
    processes=1, min_queries=64, min_duration_s=0.02, max_duration_s=9, warmup_runs=1, warmup_s=0
)
Open = Callable[..., AbstractContextManager[Devices]]


class HotSession(FakeSession):
    def conditions(self) -> Mapping[str, object]:
        return {"throttled_raw": "0x4"}


class HotKind(FakeKind):
    def open(self, device: Device, *, scratch: Path) -> FakeSession:
        session = super().open(device, scratch=scratch)
        return HotSession(link=session.link, reached=session.reached, facts=session.facts)


def gone_while_measuring(argv: list[str]) -> Completed | None:
    """The cable of a device comes off as soon as it measures."""
    if argv[-1].endswith(".json") and json.loads(Path(argv[-1]).read_text())["mode"] == "latency":
        raise LinkLost("device lost://a: the connection is gone.")
    return None


def dead(argv: list[str]) -> Completed | None:
    raise DeviceError("device dead://a: no answer. Is it switched on?")


@pytest.fixture(autouse=True)
def kinds(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    with (
        DEVICE_KINDS.added("fake", FakeKind()),
        DEVICE_KINDS.added("lost", FakeKind(handler=gone_while_measuring)),
        DEVICE_KINDS.added("dead", FakeKind(handler=dead)),
        DEVICE_KINDS.added("hot", HotKind()),
        DEVICE_KINDS.added("other", FakeKind(facts={"model": "another board"})),
        DEVICE_KINDS.added("emulated", FakeKind(facts={"emulated": True})),
    ):
        yield


@pytest.fixture
def lines() -> list[str]:
    return []


@pytest.fixture
def opening(tmp_path: Path, lines: list[str]) -> Open:
    """Opens the devices of `--device TEXT`, each."""
    return lambda *texts: opened(
        groups(texts), formats=["tflite"], scratch=tmp_path / "scratch", say=lines.append
    )


@pytest.fixture
def candidates(finished: Lane, run: Path) -> list[CandidateFile]:
    """The student's two TFLite files."""
    stored = next(path for path in (finished.out / ".store").glob("convert-*") if path.is_dir())
    return [
        CandidateFile(recipe=finished.recipe(), file=ModelFile(path=run / one.file, record=one))
        for one in Exports.read(stored).models
        if one.role != "teacher" and one.format == "tflite"
    ]


def devices_of(results: list[Figures | EdgeDistillError]) -> list[list[str]]:
    found = [one for one in results if isinstance(one, Figures)]
    assert len(found) == len(results)
    return [[row.device for row in one.devices] for one in found]


def test_a_candidate_has_the_figures_of_every_device(
    opening: Open, candidates: list[CandidateFile]
) -> None:
    with opening("local", "fake://a,fake://b") as devices:
        results = devices.measure(candidates, plan=BRIEF, memory=True)
    assert devices_of(results) == [["local", "fake://a,fake://b"]] * 2
    for one, result in zip(candidates, results, strict=True):
        assert isinstance(result, Figures)
        record = one.file.record
        assert (result.sha256, result.size_bytes) == (record.sha256, record.size_bytes)
        assert (result.parameters, result.macs) == (record.parameters, record.macs)
        for row in result.devices:
            assert 0 < row.median_ns <= row.p90_ns <= (row.p90_upper_ns or 0)
            assert row.peak_memory_bytes
            assert row.valid != bool(row.invalid_reasons)


def test_the_threads_are_those_of_the_recipe_and_the_images_of_the_validation_split(
    opening: Open,
    finished: Lane,
    candidates: list[CandidateFile],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
) -> None:
    import numpy as np

    from pipeline import datasets
    from targets.bench.plan import Bench

    seen: list[int] = []
    latency = Bench.latency

    def noting(bench: Bench, cases: list[Any], **keywords: Any) -> Any:
        seen.extend(case.threads for case in cases)
        return latency(bench, cases, **keywords)

    monkeypatch.setattr(Bench, "latency", noting)
    two = finished.recipe(("bench.threads", 2))
    with opening("local") as devices:
        results = devices.measure([candidates[0], replace(candidates[0], recipe=two)], plan=BRIEF)
    assert seen == [1, 2]
    assert isinstance(results[0], Figures)
    assert results[0].devices[0].peak_memory_bytes is None  # nobody asked for it
    (samples,) = (tmp_path / "scratch").glob("samples-*.npy")
    validation = datasets.load(two.dataset)[Split.VAL].raw
    images = {image.tobytes() for image in np.asarray(validation)}
    assert {image.tobytes() for image in np.load(samples)} <= images


@pytest.mark.parametrize(
    ("kind", "why"), [("lost", "the connection is gone"), ("hot", "throttled before")]
)
def test_a_device_that_is_lost_or_throttles_leaves_its_candidate_to_another_one(
    opening: Open, candidates: list[CandidateFile], lines: list[str], kind: str, why: str
) -> None:
    with opening(f"{kind}://a,fake://b") as devices:
        results = devices.measure(candidates, plan=BRIEF)
    assert devices_of(results) == [[f"{kind}://a,fake://b"]] * 2
    (line,) = [line for line in lines if "taken out" in line]
    assert line.startswith(f"bench     fleet {kind}://a,fake://b: {kind}://a is taken out.")
    assert why in line


def test_where_the_last_device_is_lost_the_measurement_fails(
    opening: Open, candidates: list[CandidateFile]
) -> None:
    with pytest.raises(DeviceError, match="the connection is gone"), opening("lost://a") as devices:
        devices.measure(candidates, plan=BRIEF)


def test_a_single_device_that_throttles_is_measured_and_its_figures_are_marked(
    opening: Open, candidates: list[CandidateFile]
) -> None:
    with opening("hot://a") as devices:
        (result,) = devices.measure(candidates[:1], plan=BRIEF)
    assert isinstance(result, Figures)
    assert not result.devices[0].valid
    assert any("throttled" in reason for reason in result.devices[0].invalid_reasons)


def test_an_emulated_device_gives_no_valid_figures(
    opening: Open, candidates: list[CandidateFile]
) -> None:
    with opening("emulated://a") as devices:
        (result,) = devices.measure(candidates[:1], plan=BRIEF)
    assert isinstance(result, Figures)
    assert "emulated" in result.devices[0].invalid_reasons[0]


def test_a_device_of_a_fleet_that_cannot_be_reached_is_taken_out_before_anything_is_measured(
    opening: Open, lines: list[str]
) -> None:
    with opening("dead://a,fake://b") as devices:
        assert list(devices.fleets[0].left) == ["fake://b"]
    assert "dead://a is taken out. device dead://a: no answer" in lines[0]


def test_a_device_that_cannot_be_reached_is_an_error(opening: Open) -> None:
    with pytest.raises(DeviceError, match=r"^device dead://a: no answer"), opening("dead://a"):
        pytest.fail("it is open")


def test_a_fleet_of_two_models_is_refused(opening: Open) -> None:
    with (
        pytest.raises(InputError, match=r"the board of fake://a is .*, and of other://b another"),
        opening("fake://a,other://b"),
    ):
        pytest.fail("it is open")


def test_a_file_that_does_not_load_is_an_error_of_its_candidate_alone(
    opening: Open, candidates: list[CandidateFile], tmp_path: Path
) -> None:
    broken = tmp_path / "broken.tflite"
    broken.write_bytes(candidates[0].file.path.read_bytes()[:1000])
    bad = replace(candidates[0], file=replace(candidates[0].file, path=broken))
    with opening("fake://a,fake://b") as devices:
        failed, result = devices.measure([bad, candidates[1]], plan=BRIEF)
    assert isinstance(failed, InputError)
    assert isinstance(result, Figures)


def test_the_plan_of_candidates_is_short_and_has_a_bound_of_p90() -> None:
    assert (SHORT.processes, SHORT.min_duration_s, SHORT.repeats) == (3, 1.5, 1)
    assert SHORT.min_queries >= 64
