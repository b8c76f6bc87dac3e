"""`pipeline devices`: list the configured devices, and clean one."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import JSON

if TYPE_CHECKING:
    from targets.devices.contract import Device


@click.group(invoke_without_command=True)
@click.pass_context
@JSON
def devices(context: click.Context, as_json: bool) -> None:
    """List the devices of devices.toml.

    The file in this folder comes first, then the one in your configuration folder.

    \b
    Example:
      pipeline devices
    """
    if context.invoked_subcommand is not None:
        return
    from pipeline.reporting.tables.devices import print_devices
    from targets.devices.inventory import configured

    found = dict(sorted(configured().items()))
    if as_json:
        click.echo(json.dumps(_entries(found), indent=1))
    else:
        print_devices(found)


def _entries(found: "Mapping[str, Device]") -> dict[str, dict[str, object]]:
    """Name -> file and entry of each device, with every key that a device of any kind can have."""
    from targets.devices import DEVICE_KINDS

    fields = {k: v for kind in DEVICE_KINDS.values() for k, v in kind.entry.model_fields.items()}
    unset = {key: field.default for key, field in fields.items()}
    return {
        name: {**unset, **device.entry.model_dump(), "file": str(device.file)}
        for name, device in found.items()
    }


@devices.command()
@click.argument("name")
@JSON
def clean(name: str, as_json: bool) -> None:
    """Remove our folder on the device NAME, with the runtimes and models in it.

    \b
    Example:
      pipeline devices clean pi4
    """
    from targets.devices.inventory import device

    _clean(device(name, place="NAME"))
    if as_json:
        click.echo(json.dumps({"device": name, "cleaned": True}))
    else:
        click.echo(f"{name}: our folder there is removed")


def _clean(device: "Device") -> None:
    from tempfile import TemporaryDirectory

    from pipeline.engine.progress import console
    from targets.devices.lock import opened

    say = console().say
    with TemporaryDirectory() as tmp, opened(device, scratch=Path(tmp), say=say) as session:
        session.link.clean()
