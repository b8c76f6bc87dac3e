"""`pipeline convert`."""

from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import JSON, PATH, TARGETS
from targets.errors import ProofError

if TYPE_CHECKING:
    from pipeline.export.result import Conversion


@click.command()
@click.argument("model", type=PATH)
@TARGETS
@click.option(
    "--precision",
    "precisions",
    multiple=True,
    metavar="PRECISION",
    help="Number format of a file: float32, float16, dynamic, int8_ptq or int16x8; may be repeated "
    "[default: float32, and int8_ptq with --data].",
)
@click.option(
    "--data",
    type=PATH,
    help="An .npz file of uint8 images: int8 is calibrated on them, and every file compared.",
)
@click.option(
    "--scale",
    type=float,
    default=1.0,
    show_default=True,
    help="Factor of the values that the network expects: raw * SCALE + OFFSET.",
)
@click.option(
    "--offset",
    type=float,
    default=0.0,
    show_default=True,
    help="Offset of these values; a raw value is 0 to 255.",
)
@click.option(
    "--signature",
    metavar="NAME",
    help="Signature of a SavedModel to convert [default: serving_default].",
)
@click.option(
    "--out", type=PATH, help="Folder for the files [default: converted/<name of the model>]."
)
@JSON
def convert(
    model: Path,
    targets: tuple[str, ...],
    precisions: tuple[str, ...],
    data: Path | None,
    scale: float,
    offset: float,
    signature: str | None,
    out: Path | None,
    as_json: bool,
) -> int:
    """Convert MODEL, a trained classifier of images, to files for devices.

    MODEL is a .keras or .h5 file or a SavedModel folder. Every file takes raw uint8 pixels and is
    compared with the network in the runtime that loads it. A file that cannot be proved is not
    written; the others are, and the exit code is 1.

    \b
    Example:
      pipeline convert model.keras --target tflite --target onnx --data images.npz
    """
    from pipeline.engine.progress import console
    from pipeline.export.conversion import convert
    from pipeline.export.options import ConvertOptions

    options = ConvertOptions(
        model=model, targets=targets, precisions=precisions, data=data,
        scale=scale, offset=offset, signature=signature, out=out,
    )  # fmt: skip
    conversion = convert(options, console=console())
    _show(conversion, options.folder, as_json=as_json)
    for reason in conversion.reasons:
        click.echo(f"Error: {reason}", err=True)
    return ProofError.exit_code if conversion.reasons else 0


def _show(conversion: "Conversion", out: Path, *, as_json: bool) -> None:
    from pipeline.reporting.tables.converted import print_converted

    if as_json:
        click.echo(conversion.text(), nl=False)
    else:
        print_converted(conversion.files)
        click.echo(f"\n{out / 'convert.json'}")
