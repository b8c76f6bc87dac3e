"""An Android device: what measures there is pushed to it, so that its own state is what matters."""

from collections.abc import Iterator, Mapping
from typing import Any

from targets.android import probe
from targets.doctor import Check
from targets.links.link import Link

Facts = Mapping[str, Any]


def android_checks(link: Link) -> Iterator[Check]:
    yield from state_checks(probe.probe(link), probe.conditions(link))


def state_checks(facts: Facts, state: Facts) -> Iterator[Check]:
    """Of what `targets.android.probe` saw."""
    parts = [facts["model"], facts["soc"], facts["abi"], facts["os"]]
    yield Check(name="system", ok=True, found=", ".join(part for part in parts if part))
    if facts["emulated"]:
        yield Check(name="speed", ok=None, found="emulated: its times mean nothing")
    status = state["thermal_status"]
    hot = status is not None and status > 0
    yield Check(
        name="throttling",
        ok=None if status is None else not hot,
        found="not told (Android 10 does)" if status is None else f"thermal status {status} of 6",
        remedy="Let it cool down, out of its case and off its charger." if hot else "",
    )
    yield Check(
        name="tflite",
        ok=None,
        found=f"by Google's benchmark_model for {facts['abi']}: latency alone",
        remedy="pipeline bench MODEL --native PATH_OF_BENCHMARK_MODEL",
    )
