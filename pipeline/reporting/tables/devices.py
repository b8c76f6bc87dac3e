"""The output of `pipeline devices` and `pipeline doctor`."""

from collections.abc import Mapping, Sequence

import click

from targets.devices.contract import Device
from targets.devices.doctor import Check
from targets.devices.doctor.diagnosis import Diagnosis
from targets.devices.inventory import HOW

WORDS = {True: "ok", None: "note", False: "fix"}


def print_devices(devices: Mapping[str, Device]) -> None:
    if not devices:
        click.echo(f"No device is configured. {HOW} Or name one by its address.")
    width = max(map(len, devices), default=0)
    for name, device in devices.items():
        click.echo(f"{name:<{width}}  {device.url}  ({device.file})")


def print_diagnosis(diagnosis: Diagnosis) -> None:
    """A table for each machine; a remedy has a line of its own, to be copied."""
    sections = {"this machine": diagnosis.host, **diagnosis.devices}
    checks = [check for section in sections.values() for check in section]
    width = max(len(check.name) for check in checks)
    for title, section in sections.items():
        click.echo(title)
        _print_section(section, width)


def _print_section(checks: Sequence[Check], width: int) -> None:
    for check in checks:
        click.echo(f"  {WORDS[check.ok]:<4}  {check.name:<{width}}  {check.found}")
        if check.remedy:
            click.echo(f"  {'':<4}  {'':<{width}}  -> {check.remedy}")
