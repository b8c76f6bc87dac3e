"""The results of `pipeline predict`: a table, a CSV file, a JSON document and sentences."""

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from statistics import median

from pydantic import JsonValue

from pipeline.reporting.findings.data import UNEVEN
from pipeline.reporting.formatting import NOT_MEASURED, duration, percent, span
from pipeline.reporting.tables.cells import Cells, print_rows, tabulate
from targets.errors import printable
from targets.evaluation import confusion
from targets.evaluation.metrics import wilson_interval
from targets.formats.confidence import Confidence
from targets.formats.input_spec import Kind
from targets.prediction.classifier import Classifier, Score
from targets.prediction.preparation.contract import NOUNS
from targets.prediction.sample import Sample
from targets.prediction.session import Classified, Results
from targets.texts.reading import beginning

SCHEMA = "predictions/1"
MOST_ROWS = 1000
"""Rows of the table; CSV and JSON have all."""
MOST_PAIRS = 10
MOST_LETTERS = 60
"""Of a text in the table; CSV and JSON have all of it."""
OPTIONAL = ("text", "label", "verdict", "known", "then")
LABELLED = {
    "image": "in folders that name a class",
    "waveform": "in folders that name a class",
    "tokens": "with a label that is a class",
    "array": "with a label that is a class",
}
LABEL = {"image": "folder", "waveform": "folder", "tokens": "label", "array": "label"}
READ = {
    "image": "read and resize",
    "waveform": "read and resample",
    "tokens": "tokenize",
    "array": "check",
}
HOW = {
    "image": "preprocessing",
    "waveform": "windowing",
    "tokens": "tokenizer",
    "array": "input",
}
"""By the kind of the model's input, as the next ones; the key of the sidecar."""
PLACE: Mapping[Kind, tuple[str, ...]] = {"tokens": ("line", "text"), "array": ("row",)}
"""What a file's name is followed by."""


def print_predictions(
    results: Results, classes: Sequence[str], confidence: Confidence | None = None
) -> None:
    """Print the table and what it shows together, to stdout."""
    rows = results.wrong_first()
    place = "line" if results.kind == "tokens" else NOUNS[results.kind].one
    shown = [_cells(one, classes, place=place) for one in rows[:MOST_ROWS]]
    header, table = tabulate(shown, optional=OPTIONAL)
    if table:
        print_rows(header, table, left=len(header))
    if len(rows) > MOST_ROWS:
        print(f"{len(rows) - MOST_ROWS:,} more: --csv FILE and --json have all.")
    for line in (*summary(results, classes), *unknown(results, confidence)):
        print(line)


def unknown(results: Results, confidence: Confidence | None) -> Iterator[str]:
    """How many are unknown, and where classes are named, how good the others are."""
    if confidence is None or not confidence.decides or not results.read_ns:
        return
    count, tally = len(results.read_ns), results.tally
    wanted, of = percent(confidence.precision), NOUNS[results.kind].counted(count)
    yield (
        f"unknown {results.unknown:,} of {of}: less probable than the threshold for a precision of "
        f"{wanted} %"
    )
    if tally.total and tally.accepted:
        precision = tally.accepted_right / tally.accepted
        yield (
            f"without them: precision {percent(precision)} % "
            f"({span(wilson_interval(precision, tally.accepted), percent)}) at a coverage of "
            f"{percent(tally.accepted / tally.total)} %"
        )


def summary(results: Results, classes: Sequence[str]) -> Iterator[str]:
    """Accuracy and confusions, where folders or labels name classes."""
    tally = results.tally
    if not tally.total:
        return
    ends = span(tally.interval, percent)
    yield (
        f"accuracy {percent(tally.accuracy)} % ({ends}): {tally.right:,} of "
        f"{NOUNS[results.kind].counted(tally.total)} {LABELLED[results.kind]}"
    )
    counts = tally.matrix(len(classes))
    if confusion.support_ratio(counts.sum(axis=1)) > UNEVEN:
        yield (
            f"balanced accuracy {percent(confusion.balanced_accuracy(counts))} %, macro F1 "
            f"{percent(confusion.macro_f1(counts))} %: the classes are uneven"
        )
    if tally.confusions:
        pairs = ", ".join(
            f"{printable(classes[label])} → {printable(classes[found])} {count:,}"
            for (label, found), count in tally.confusions.most_common(MOST_PAIRS)
        )
        yield f"most confused ({LABEL[results.kind]} → prediction): {pairs}"


def speed(results: Results, runtime: str) -> str:
    """How fast this command was, on this machine."""
    count, wall_s = len(results.read_ns), results.wall_ns / 1e9
    words = NOUNS[results.kind]
    if not count:
        return f"no {words.one} was read"
    return (
        f"{words.counted(count)} in {wall_s:.1f} s, {count / wall_s:,.1f}/s; median of one: "
        f"{duration(median(results.read_ns))} to {READ[results.kind]}, "
        f"{duration(median(results.inference_ns))} in {runtime}"
    )


def as_csv(results: Results, classes: Sequence[str], *, top: int) -> Iterator[str]:
    """The lines of a CSV file: a row per sample in the order of the files, then the unreadable.

    Texts have their line and themselves, arrays their row. `unknown` is yes, no, or empty where no
    threshold says it.
    """
    places = range(1, min(top, len(classes)) + 1)
    scores = [name for i in places for name in (f"class_{i}", f"probability_{i}")]
    yield _csv_line(*_names(results), "label", *scores, "unknown", "error")
    for one in results.classified:
        values = [value for score in one.top for value in (score.name, f"{score.probability:.6g}")]
        known = "" if one.unknown is None else "yes" if one.unknown else "no"
        yield _csv_line(
            *_place(one.sample, results.kind), _label(one, classes) or "", *values, known, ""
        )
    for sample, problem in results.unreadable:
        yield _csv_line(*_place(sample, results.kind), "", *[""] * len(scores), "", problem)


def _names(results: Results) -> tuple[str, ...]:
    return ("file", *PLACE.get(results.kind, ()))


def _place(sample: Sample, kind: Kind) -> tuple[str, ...]:
    found = {"line": sample.line, "text": sample.text, "row": sample.row}
    shown = ("" if found[key] is None else str(found[key]) for key in PLACE.get(kind, ()))
    return (str(sample.file), *shown)


def document(results: Results, classifier: Classifier, *, sha256: str) -> JsonValue:
    """The JSON document."""
    how = dict.fromkeys(HOW.values())
    return {
        "schema": SCHEMA,
        "model": {"file": str(classifier.path), "sha256": sha256, "runtime": classifier.runtime},
        "classes": list(classifier.classes),
        "kind": results.kind,
        **how,
        HOW[results.kind]: classifier.preparation.how.model_dump(mode="json"),
        "confidence": None if classifier.confidence is None else classifier.confidence.model_dump(),
        "unknown": _unknown(results, classifier.confidence),
        NOUNS[results.kind].many: [
            _as_json(one, classifier.classes) for one in results.wrong_first()
        ],
        "unreadable": [
            {**_place_json(sample), "reason": problem} for sample, problem in results.unreadable
        ],
        "accuracy": _accuracy(results, classifier.classes) if results.tally.total else None,
        "wall_s": results.wall_ns / 1e9,
        "median_read_ns": _median(results.read_ns),
        "median_inference_ns": _median(results.inference_ns),
    }


def _place_json(sample: Sample) -> dict[str, JsonValue]:
    if sample.row is not None:
        return {"file": str(sample.file), "row": sample.row}
    if sample.line is None:
        return {"file": str(sample.file)}
    return {"file": str(sample.file), "line": sample.line, "text": sample.text}


def _unknown(results: Results, confidence: Confidence | None) -> int | None:
    return results.unknown if confidence is not None and confidence.decides else None


def _accuracy(results: Results, classes: Sequence[str]) -> JsonValue:
    tally, many = results.tally, NOUNS[results.kind].many
    counts = tally.matrix(len(classes))
    return {
        "top1": tally.accuracy,
        "top1_ci": list(tally.interval),
        "balanced_accuracy": confusion.balanced_accuracy(counts),
        "macro_f1": confusion.macro_f1(counts),
        "right": tally.right,
        many: tally.total,
        "accepted": tally.accepted,
        "accepted_right": tally.accepted_right,
        "confusions": [
            {"label": classes[label], "class": classes[found], many: count}
            for (label, found), count in tally.confusions.most_common()
        ],
    }


def _cells(one: Classified, classes: Sequence[str], *, place: str) -> Cells:
    first, *others = one.top
    label, text = _label(one, classes), one.sample.text
    return {
        place: printable(one.sample.place),
        "text": NOT_MEASURED if text is None else beginning(text, MOST_LETTERS),
        "class": printable(first.name),
        "%": f"{100 * first.probability:6.2f}",
        "label": NOT_MEASURED if label is None else printable(label),
        "verdict": NOT_MEASURED if label is None else "wrong" if one.wrong else "right",
        "known": "unknown" if one.unknown else NOT_MEASURED,
        "then": ", ".join(map(_short, others)) or NOT_MEASURED,
    }


def _short(score: Score) -> str:
    return f"{printable(score.name)} {percent(score.probability)}"


def _label(one: Classified, classes: Sequence[str]) -> str | None:
    return None if one.sample.label is None else classes[one.sample.label]


def _as_json(one: Classified, classes: Sequence[str]) -> JsonValue:
    return {
        **_place_json(one.sample),
        "label": _label(one, classes),
        "right": None if one.sample.label is None else not one.wrong,
        "unknown": one.unknown,
        "top": [
            {"class": score.name, "index": score.index, "probability": score.probability,
             "logit": score.logit}
            for score in one.top
        ],
    }  # fmt: skip


def _median(values: Sequence[int]) -> float | None:
    return float(median(values)) if values else None


def _csv_line(*values: str) -> str:
    text = io.StringIO()
    csv.writer(text).writerow(values)
    return text.getvalue()
