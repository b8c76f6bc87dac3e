"""`pipeline doctor`: can this machine and its devices measure?"""

import json

import click

from pipeline.cli.options import JSON


@click.command()
@click.option(
    "--device",
    "names",
    metavar="DEVICE",
    multiple=True,
    default=("local",),
    show_default=True,
    help="Device to check: local, a name in devices.toml, ssh://[user@]host[:port] or "
    "adb://SERIAL; may be repeated.",
)
@click.option(
    "--install/--no-install", default=True, help="Whether a measurement may install a runtime."
)
@JSON
def doctor(names: tuple[str, ...], install: bool, as_json: bool) -> int:
    """Report what is ready to measure, and how to fix the rest.

    Nothing is installed; the wheels that a device needs are downloaded to this machine's cache.

    \b
    Example:
      pipeline doctor --device ssh://pi@raspberrypi.local
    """
    from pipeline.engine.progress import console
    from pipeline.reporting.tables.devices import print_diagnosis
    from targets.devices import inventory
    from targets.devices.doctor.diagnosis import diagnose

    devices = [inventory.device(name) for name in dict.fromkeys(names)]
    diagnosis = diagnose(devices, install=install, say=console().say)
    if as_json:
        click.echo(json.dumps(diagnosis.document(), indent=1))
    else:
        print_diagnosis(diagnosis)
    return diagnosis.exit_code
