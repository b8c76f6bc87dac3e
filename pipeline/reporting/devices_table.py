"""What `pipeline devices` and `pipeline doctor` print."""

from collections.abc import Mapping, Sequence
from typing import Any

import click

from pipeline.cli.devices_command import Diagnosis
from targets.devices.doctor import Check
from targets.devices.inventory import HOW

WORDS = {True: "ok", None: "note", False: "mend"}


def print_devices(devices: Mapping[str, Mapping[str, Any]]) -> None:
    if not devices:
        click.echo(f"No device is configured. {HOW} Or name one by its address.")
    width = max(map(len, devices), default=0)
    for name, said in devices.items():
        click.echo(f"{name:<{width}}  {said['url']}  ({said['file']})")


def print_diagnosis(diagnosis: Diagnosis) -> None:
    """A table each; a remedy stands on a line of its own, to be copied."""
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
