"""`pipeline predict`: parse the options, classify the pictures, and show the results."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import JSON, PATH
from pipeline.cli.picture_options import CHANNELS, FIT, LABELS, SIZE, PictureOptions
from targets.errors import InputError, listed
from targets.files.published import published

if TYPE_CHECKING:
    from targets.prediction.classifier import Classifier
    from targets.prediction.pictures import Listing
    from targets.prediction.session import Results


@click.command()
@click.argument("model", type=PATH)
@click.argument("pictures", nargs=-1, required=True, type=PATH)
@click.option(
    "--top", type=click.IntRange(min=1), default=3, show_default=True, help="Classes per picture."
)
@click.option(
    "--wrong-only", is_flag=True, help="Show only pictures whose folder names another class."
)
@click.option("--csv", "csv_file", type=PATH, help="File to write, a row per picture.")
@LABELS
@SIZE
@CHANNELS
@FIT
@click.option(
    "--scale",
    help="Factor of the values that the model expects: pixel * SCALE + OFFSET; 1/255 too.",
)
@click.option("--offset", help="Offset of these values; both are one number, or one per channel.")
@click.option(
    "--scores",
    "--output",
    "output",
    type=click.Choice(["logits", "probabilities"]),
    help="What the output holds [default: read from the file].",
)
@click.option("--output-name", metavar="NAME", help="The output that holds the scores.")
@JSON
def predict(as_json: bool, **options: object) -> int:
    """Classify pictures with a model file.

    PICTURES are files and folders, which are searched recursively. A file of `pipeline run` needs
    no option: the .json beside it says how pictures become its input. Options from --labels to
    --output-name describe any other .tflite or .onnx file.

    Probabilities are calibrated where the .json has a temperature. A picture whose class is less
    probable than the threshold there is marked unknown.

    Where folders have the names of classes, the accuracy is shown, and wrong ones come first.
    Files that cannot be read are listed at the end, and the exit code is then 2.

    \b
    Example:
      pipeline predict runs/photos/models/student.int8.tflite new/
    """
    return _predict(Options(**options), as_json=as_json)  # type: ignore[arg-type] # click checks


@dataclass(frozen=True, kw_only=True)
class Options(PictureOptions):
    """The options as the command line gives them."""

    model: Path
    pictures: tuple[Path, ...]
    top: int
    wrong_only: bool
    csv_file: Path | None


def _predict(options: Options, *, as_json: bool) -> int:
    from pipeline.reporting.tables import predictions
    from targets.files.digest import file_sha256
    from targets.images.progress import progress
    from targets.prediction import pictures, session

    _require_folder(options.csv_file)
    classifier = options.classifier(options.model)
    listing = pictures.listed(options.pictures)
    if options.wrong_only:
        _require_labels(classifier, listing)
    with progress("predicting", len(listing.files)) as bar:
        results = session.predict_all(
            classifier,
            listing,
            top=options.top,
            wrong_only=options.wrong_only,
            done=lambda: bar(1),
        )
    if as_json:
        digest = file_sha256(classifier.path)
        click.echo(json.dumps(predictions.document(results, classifier, sha256=digest)))
    else:
        predictions.print_predictions(results, classifier.classes, classifier.confidence)
    click.echo(predictions.speed(results, classifier.runtime), err=True)
    if listing.skipped:
        click.echo(f"other files in the folders, skipped: {listing.skipped:,}", err=True)
    code = _unreadable(results, len(listing.files))
    if options.csv_file is not None:  # last: a file that cannot be written loses nothing else
        lines = predictions.as_csv(results, classifier.classes, top=options.top)
        _write(options.csv_file, lines)
    return code


def _require_folder(file: Path | None) -> None:
    if file is not None and (not file.parent.is_dir() or file.is_dir()):
        raise InputError(f"--csv {file}: is no file in an existing folder. Make its folder first.")


def _require_labels(classifier: "Classifier", listing: "Listing") -> None:
    from targets.prediction.pictures import Folders

    folders = Folders(classifier.classes)
    if all(folders.class_of(found) is None for found in listing.files):
        raise InputError(
            "--wrong-only: no folder of these pictures has the name of a class of the model "
            f"({listed(classifier.classes, most=5)}), so that none is known to be wrong. Leave the "
            "option out."
        )


def _write(path: Path, lines: Iterator[str]) -> None:
    with (
        published(path, remedy="Give another file with --csv.") as part,
        # Names of files may hold bytes that are no UTF-8.
        part.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file,
    ):
        file.writelines(lines)


def _unreadable(results: "Results", count: int) -> int:
    from targets.errors import printable

    failed = results.unreadable
    if not failed:
        return 0
    click.echo(
        f"Error: {len(failed):,} of {count:,} files cannot be read as pictures. Mend or remove "
        "them; the results of the others are complete:",
        err=True,
    )
    for path, reason in failed:
        click.echo(f"  {printable(str(path))}: {printable(reason)}", err=True)
    return InputError.exit_code
