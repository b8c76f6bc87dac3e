"""The commands about devices; heavy imports when used, as in `pipeline.cli.app`."""

import json

import click

from pipeline.cli.options import JSON


@click.group(invoke_without_command=True)
@click.pass_context
@JSON
def devices(context: click.Context, as_json: bool) -> None:
    """List the devices of devices.toml: of this folder, then of your configuration folder.

    \b
    Example:
      pipeline devices
    """
    if context.invoked_subcommand is not None:
        return
    from pipeline.cli.devices_command import listed
    from pipeline.reporting.devices_table import print_devices

    found = listed()
    if as_json:
        click.echo(json.dumps(found, indent=1))
    else:
        print_devices(found)


@devices.command()
@click.argument("name")
@JSON
def clean(name: str, as_json: bool) -> None:
    """Remove our folder on the device NAME, with the runtimes and models in it.

    \b
    Example:
      pipeline devices clean pi4
    """
    from pipeline.cli.devices_command import clean
    from pipeline.engine.progress import console

    clean(name, console=console())
    if as_json:
        click.echo(json.dumps({"device": name, "cleaned": True}))
    else:
        click.echo(f"{name}: our folder there is removed")


@click.command()
@click.option(
    "--device",
    "names",
    multiple=True,
    default=("local",),
    show_default=True,
    help="local, ssh://[user@]host[:port], adb://SERIAL or a name of devices.toml.",
)
@click.option("--install/--no-install", default=True, help="As in `pipeline bench`.")
@JSON
def doctor(names: tuple[str, ...], install: bool, as_json: bool) -> int:
    """Say what is there to measure with, what is missing, and the command that mends it.

    Nothing is installed; the wheels that a device needs are fetched to the cache of this machine.

    \b
    Example:
      pipeline doctor --device ssh://pi@raspberrypi.local
    """
    from pipeline.cli.devices_command import doctor
    from pipeline.engine.progress import console
    from pipeline.reporting.devices_table import print_diagnosis

    diagnosis = doctor(names, install=install, console=console())
    if as_json:
        click.echo(json.dumps(diagnosis.document(), indent=1))
    else:
        print_diagnosis(diagnosis)
    return diagnosis.exit_code
