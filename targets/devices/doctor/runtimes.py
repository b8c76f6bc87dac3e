"""Which runtime would measure each format on a device, and whether it works there."""

import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping

from targets.devices.contract import Link, Provisioned
from targets.devices.doctor import Check
from targets.devices.facts import DeviceFacts
from targets.devices.install_options import InstallOption, install_options, nothing_fits
from targets.devices.provisioning import self_test
from targets.errors import DeviceError
from targets.formats import FORMATS
from targets.runtimes import Runtime, runtime_for


def tested(
    link: Link, format_name: str, runtime: Runtime, python: str, *, how: str, remedy: str
) -> Check:
    """Whether `python` runs models in the runtime; `how` it is installed, `remedy` if it fails."""
    result = self_test(link, runtime, python)
    name = runtime.distribution
    if isinstance(result, str):
        return Check(name=format_name, ok=False, found=f"{name}{how}: {result}", remedy=remedy)
    return Check(name=format_name, ok=True, found=f"{name} {result.version}{how}, tested")


def this_python(link: Link, format_name: str) -> Check:
    """The runtime that this Python measures a format with."""
    runtime = runtime_for(format_name)
    python = shlex.quote(sys.executable)
    remedy = f"{python} -m pip install --force-reinstall {shlex.join(runtime.requirements)}"
    return tested(link, format_name, runtime, sys.executable, how="", remedy=remedy)


def runtimes(
    link: Link, facts: DeviceFacts, there: Mapping[str, Provisioned], *, install: bool
) -> Iterator[Check]:
    """The runtime of each format that a measurement would use; `there`: what is installed."""
    for name in FORMATS:
        try:
            options = list(install_options(facts, name, name=link.name))
        except DeviceError as error:
            text = str(error).removeprefix(f"device {link.name}: ")
            yield Check(name=name, ok=False, found="no runtime", remedy=text)
            continue
        kept = next((each for each in options if each.key in there), None)
        if kept is not None:
            remedy = f"pipeline devices clean {link.name}, and it is installed again."
            python = there[kept.key].python
            yield tested(link, name, kept.runtime, python, how=", installed", remedy=remedy)
        elif install:
            unfit = nothing_fits(link.name, facts, options).removeprefix(f"device {link.name}: ")
            yield would_install(name, options, unfit=unfit)
        else:
            yield _owners(link, name, options)


def would_install(format_name: str, options: Iterable[InstallOption], *, unfit: str) -> Check:
    """The first option that there are wheels for; `unfit` is the remedy if there is none."""
    for option in options:
        try:
            wheels = option.wheels()
        except DeviceError as error:
            return Check(name=format_name, ok=False, found="not installed yet", remedy=str(error))
        if wheels is not None:
            python = ".".join(map(str, option.platform.python))
            found = f"{option.requirements[0]} will be installed (Python {python})"
            return Check(name=format_name, ok=True, found=found)
    return Check(name=format_name, ok=False, found="no runtime", remedy=unfit)


def _owners(link: Link, format_name: str, options: Iterable[InstallOption]) -> Check:
    """Check without installing: the first runtime that works in the device's own Python."""
    remedy = "Leave out --no-install."
    for each in options:
        check = tested(
            link, format_name, each.runtime, each.base, how=", the owner's", remedy=remedy
        )
        if check.ok:
            return check
    return Check(name=format_name, ok=False, found="none is installed", remedy=remedy)
