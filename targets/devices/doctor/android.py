"""An Android device: its state, and what would measure there."""

from collections.abc import Iterator, Mapping
from typing import Any

from targets.devices.adb import probe
from targets.devices.adb.bundle import ABI
from targets.devices.doctor import FORMATS, Check
from targets.devices.link import Link
from targets.devices.provisioning import Provisioned, installed, self_tested
from targets.runtimes import RUNTIMES

NATIVE = "latency by Google's own tool: pipeline bench MODEL --native PATH_OF_BENCHMARK_MODEL"
Facts = Mapping[str, Any]


def android_checks(link: Link) -> Iterator[Check]:
    facts = probe.probe(link)
    yield from state_checks(facts, probe.conditions(link))
    yield from runtimes(link, facts["abi"], installed(link))


def state_checks(facts: Facts, state: Facts) -> Iterator[Check]:
    """Of what `targets.devices.adb.probe` saw."""
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


def runtimes(link: Link, abi: str, there: Mapping[str, Provisioned]) -> Iterator[Check]:
    """What would measure each format; `there`: the bundles that we brought."""
    for kind in FORMATS:
        kept = next((one for one in there.values() if kind in RUNTIMES[one.runtime].formats), None)
        yield would_bring(kind, abi) if kept is None else _kept(link, kind, kept)


def _kept(link: Link, kind: str, bundle: Provisioned) -> Check:
    runtime = RUNTIMES[bundle.runtime]
    seen = self_tested(link, runtime, bundle.python)
    if isinstance(seen, str):
        remedy = f"pipeline devices clean {link.name}, and it is brought again; {NATIVE}"
        return Check(name=kind, ok=False, found=f"the Python bundle: {seen}", remedy=remedy)
    found = f"{runtime.distribution} {seen.version} in a Python bundle (experimental), tried"
    return Check(name=kind, ok=True, found=found)


def would_bring(kind: str, abi: str) -> Check:
    if abi == ABI:
        found = "a Python bundle will be brought (experimental): latency and accuracy"
        return Check(name=kind, ok=None, found=found, remedy=NATIVE if kind == "tflite" else "")
    if kind == "tflite":
        found = f"no Python bundle for {abi}: latency alone, by a native tool"
        return Check(name=kind, ok=None, found=found, remedy=NATIVE)
    return Check(name=kind, ok=None, found=f"cannot be measured on {abi}")
