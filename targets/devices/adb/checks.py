"""The doctor's checks of an Android device: its state, and what would measure there."""

from collections.abc import Iterator, Mapping

from targets.devices.adb.probe import Conditions
from targets.devices.adb.provisioning import ABI
from targets.devices.contract import Link, Provisioned
from targets.devices.doctor import Check
from targets.devices.doctor.conditions import emulation
from targets.devices.doctor.runtimes import tested
from targets.devices.facts import DeviceFacts
from targets.formats import FORMATS
from targets.runtimes import RUNTIMES
from targets.runtimes.benchmark_model import BenchmarkModel

NATIVE = "latency by Google's own tool: pipeline bench MODEL --native PATH_OF_BENCHMARK_MODEL"


def package(versions: Mapping[str, str], *, needed: bool) -> Check:
    """The Python package; it brings the program, and the user's own program alone is not enough."""
    from targets.devices.doctor.host import OURS, pip_command

    version = versions.get("adbutils")
    return Check(
        name="adb",
        ok=True if version else (False if needed else None),
        found=f"adbutils {version}" if version else "no adbutils; adb:// devices need it",
        remedy="" if version else f"{pip_command()} install '{OURS}[adb]'",
    )


def state_checks(facts: DeviceFacts, state: Conditions) -> Iterator[Check]:
    parts = [facts.model, facts.soc, facts.abi, facts.os]
    yield Check(name="system", ok=True, found=", ".join(part for part in parts if part))
    yield from emulation(facts)
    status = state["thermal_status"]
    hot = status is not None and status > 0
    yield Check(
        name="throttling",
        ok=None if status is None else not hot,
        found="unknown before Android 10" if status is None else f"thermal status {status} of 6",
        remedy="Let it cool down, out of its case and off its charger." if hot else "",
    )


def runtimes(link: Link, abi: str, there: Mapping[str, Provisioned]) -> Iterator[Check]:
    """What would measure each format; `there`: the Python bundles that are installed."""
    remedy = f"pipeline devices clean {link.name}, and it is installed again; {NATIVE}"
    how = " in a Python bundle (experimental)"
    for name in FORMATS:
        kept = next((one for one in there.values() if name in RUNTIMES[one.runtime].formats), None)
        if kept is None:
            yield would_install(name, abi)
        else:
            runtime = RUNTIMES[kept.runtime]
            yield tested(link, name, runtime, kept.python, how=how, remedy=remedy)


def would_install(format_name: str, abi: str) -> Check:
    has_tool = format_name in BenchmarkModel.formats
    if abi == ABI:
        found = "a Python bundle will be installed (experimental): latency and accuracy"
        return Check(name=format_name, ok=None, found=found, remedy=NATIVE if has_tool else "")
    if has_tool:
        found = f"no Python bundle for {abi}: latency alone, by a native tool"
        return Check(name=format_name, ok=None, found=found, remedy=NATIVE)
    return Check(name=format_name, ok=None, found=f"cannot be measured on {abi}")
