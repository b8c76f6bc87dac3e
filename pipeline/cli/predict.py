"""`pipeline predict`: parse the options, classify what is given, and show the results."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import JSON, PATH
from pipeline.cli.picture_options import CHANNELS, FIT, LABELS, SIZE, PictureOptions
from pipeline.cli.predict_microphone import listen
from pipeline.cli.predict_samples import samples_of
from pipeline.cli.predict_stream import detect
from pipeline.cli.text_options import ENCODING, LABEL_COLUMN, TEXT_COLUMN, UNQUOTED, TextOptions
from targets.errors import InputError, listed
from targets.files.published import published

if TYPE_CHECKING:
    from pipeline.datasets.texts.settings import Settings
    from targets.prediction.classifier import Classifier
    from targets.prediction.sample import Sample
    from targets.prediction.session import Results


@click.command()
@click.argument("model", type=PATH)
@click.argument("files", metavar="FILES...", nargs=-1, type=PATH)
@click.option(
    "--top", type=click.IntRange(min=1), default=3, show_default=True, help="Classes per sample."
)
@click.option(
    "--wrong-only", is_flag=True, help="Show only those whose folder or label is another class."
)
@click.option("--csv", "csv_file", type=PATH, help="File to write, a row per sample.")
@click.option(
    "--microphone", is_flag=True, help="Listen, in place of FILES, to the microphone until Ctrl-C."
)
@click.option(
    "--stream", is_flag=True, help="Find words in long sounds, and show them with their times."
)
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1),
    help="Least mean probability of a word, with --stream [default: the sidecar's, else 0.8].",
)
@TEXT_COLUMN
@LABEL_COLUMN
@ENCODING
@UNQUOTED
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
    """Classify pictures, sounds, texts or arrays with a model file.

    FILES are what the model takes: pictures or sounds, and folders, which are searched
    recursively; or texts, in .csv, .tsv and .jsonl files with a column of texts, in .txt files
    with one on each line, or as the lines of the standard input, which is -; or arrays, in .npy
    files of one sample or of many, and in .npz files as the data set arrays has them. With
    --microphone each second that is heard is a line. With --stream a window slides over long
    sounds, and each word that is found is a line with its time.

    A file of `pipeline run` needs no option: the .json beside it says how they become its input.
    Options from --labels to --output-name describe any other .tflite or .onnx file, of pictures.

    Probabilities are calibrated where the .json has a temperature. What is less probable than the
    threshold there is marked unknown.

    Where folders, or a column of labels, have the names of classes, the accuracy is shown, and
    wrong ones come first. What cannot be read is listed at the end, and the exit code is then 2.

    \b
    Examples:
      pipeline predict runs/photos/models/student.int8.tflite new/
      pipeline predict runs/questions/models/student.int8.onnx questions.csv
    """
    return _predict(Options(**options), as_json=as_json)  # type: ignore[arg-type] # click checks


@dataclass(frozen=True, kw_only=True)
class Options(PictureOptions, TextOptions):
    """The options as the command line gives them."""

    model: Path
    files: tuple[Path, ...]
    top: int
    wrong_only: bool
    csv_file: Path | None
    microphone: bool
    stream: bool
    threshold: float | None

    def require_one_source(self) -> None:
        if not self.files and not self.microphone:
            raise InputError(
                "no FILES are given. Name those that the model takes, or give --microphone to a "
                "model of sounds."
            )
        others: dict[str, object] = {"--csv": self.csv_file, "--wrong-only": self.wrong_only}
        if self.microphone:
            others |= {"FILES": self.files, "--stream": self.stream}
        given = [name for name, value in others.items() if value]
        if given and (self.microphone or self.stream):
            one = "--microphone" if self.microphone else "--stream"
            raise InputError(
                f"{given[0]}: cannot be given with {one}, whose results are lines without labels. "
                "Leave one of them out."
            )


def _predict(options: Options, *, as_json: bool) -> int:
    from pipeline.reporting.tables import predictions
    from targets.files.digest import file_sha256
    from targets.images.progress import progress
    from targets.prediction import session

    options.require_one_source()
    _require_folder(options.csv_file)
    classifier = options.classifier(options.model)
    if options.microphone:
        return listen(classifier, top=options.top, as_json=as_json)
    if options.stream:
        return detect(classifier, options.files, threshold=options.threshold, as_json=as_json)
    many = classifier.words.many
    samples, notes = samples_of(options.files, classifier, _reading(options, classifier))
    if options.wrong_only:
        _require_labels(classifier, samples)
    with progress("predicting", len(samples), noun=many) as bar:
        results = session.predict_all(
            classifier, samples, top=options.top, wrong_only=options.wrong_only, done=lambda: bar(1)
        )
    if as_json:
        digest = file_sha256(classifier.path)
        click.echo(json.dumps(predictions.document(results, classifier, sha256=digest)))
    else:
        predictions.print_predictions(results, classifier.classes, classifier.confidence)
    click.echo(predictions.speed(results, classifier.runtime), err=True)
    for note in notes:
        click.echo(note, err=True)
    code = _unreadable(results, len(samples), many)
    if options.csv_file is not None:  # last: a file that cannot be written loses nothing else
        lines = predictions.as_csv(results, classifier.classes, top=options.top)
        _write(options.csv_file, lines)
    return code


def _require_folder(file: Path | None) -> None:
    if file is not None and (not file.parent.is_dir() or file.is_dir()):
        raise InputError(f"--csv {file}: is no file in an existing folder. Make its folder first.")


def _reading(options: Options, classifier: "Classifier") -> "Settings | None":
    """How files of texts are read, for a model that takes texts."""
    if classifier.preparation.kind == "tokens":
        return options.reading()
    options.require_none(classifier.words.many)
    return None


def _require_labels(classifier: "Classifier", samples: "Sequence[Sample]") -> None:
    if all(sample.label is None for sample in samples):
        many, names = classifier.words.many, listed(classifier.classes, most=5)
        by_label = classifier.preparation.kind in ("tokens", "array")
        what = "no label of" if by_label else "no folder of"
        raise InputError(
            f"--wrong-only: {what} these {many} has the name of a class of the model ({names}), so "
            "that none is known to be wrong. Leave the option out."
        )


def _write(path: Path, lines: Iterator[str]) -> None:
    with (
        published(path, remedy="Give another file with --csv.") as part,
        # Names of files may hold bytes that are no UTF-8.
        part.open("w", encoding="utf-8", errors="surrogateescape", newline="") as file,
    ):
        file.writelines(lines)


def _unreadable(results: "Results", count: int, many: str) -> int:
    from targets.errors import printable

    failed = results.unreadable
    if not failed:
        return 0
    are_files = many not in ("texts", "samples")
    what = f"files cannot be read as {many}" if are_files else f"{many} cannot be read"
    click.echo(
        f"Error: {len(failed):,} of {count:,} {what}. Mend or remove them; the results of the "
        "others are complete:",
        err=True,
    )
    for sample, reason in failed:
        click.echo(f"  {printable(sample.place)}: {printable(reason)}", err=True)
    return InputError.exit_code
