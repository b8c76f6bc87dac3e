"""What a stream says about the files, in words."""

from collections.abc import Iterator, Sequence

from pipeline.reporting.formatting import count, percent, span
from pipeline.reporting.schema.report import Report
from pipeline.reporting.schema.streaming import Streaming, StreamingRow
from targets.evaluation.streaming import NO_WORDS
from targets.formats.streaming import StreamSummary


def lines(report: Report) -> Iterator[str]:
    """For the model card: what is known about long sounds, of files that take sounds."""
    found = report.streaming
    if found is not None:
        yield f"{headline(found)} It is judged on {described(found.judged_on)}."
    elif report.dataset.kind == "waveform":
        yield "Words in long sounds, and what is falsely taken for one, were not measured."


def headline(found: Streaming) -> str:
    """Of the file that the page shows first: an int8 one, if there is one."""
    row = shown(found)
    if row.threshold is None:
        return (
            f"In a long sound {row.model} cannot be used: no threshold keeps "
            f"{found.false_accepts_per_hour:g} false accepts per hour where it is chosen."
        )
    per_hour = span(row.false_accepts_ci, lambda end: f"{end:.1f}")
    return (
        f"In a long sound {row.model} misses {percent(row.false_reject_rate)} % of "
        f"{count(found.judged_on.words)} words ({span(row.false_reject_ci, percent)}) with "
        f"{row.false_accepts_per_hour:.1f} false accepts per hour ({per_hour}), at the threshold "
        f"{row.threshold:g}."
    )


def shown(found: Streaming) -> StreamingRow:
    quantized = [row for row in found.files if ".float" not in row.model]
    return (quantized or list(found.files))[0]


def sentences(found: Streaming, classes: Sequence[str]) -> Iterator[str]:
    yield f"It is judged on {described(found.judged_on)}."
    limit = f"at most {found.false_accepts_per_hour:g} false accepts per hour"
    if found.same:
        yield (
            f"The threshold was chosen for {limit} on this recording too, so that the figures are "
            "better than those of another one; give streaming.validation_recording."
        )
    else:
        yield f"The threshold was chosen for {limit} on {described(found.chosen_on)}."
    if found.judged_on.made == "synthesised":
        yield (
            "Synthesised streams are easier than a room: a recording of your own says more "
            "(streaming.recording)."
        )
    if NO_WORDS.isdisjoint(classes):
        yield (
            "The model has no class for silence or for other words, so that whatever it hears is a "
            "word to it. Add recordings of the background (_background_noise_) or other words."
        )


def described(stream: StreamSummary) -> str:
    length = f"{stream.seconds / 60:.3g} minutes"
    if stream.made == "recorded":
        words = f"{count(stream.words)} word{'' if stream.words == 1 else 's'}"
        return f"the recording {stream.source} of {length} with {words}"
    others = f" and {count(stream.others)} of other words" if stream.others else ""
    return (
        f"a synthesised stream of {length}: {count(stream.words)} clips of words{others} from the "
        f"split '{stream.source}' at random distances, {stream.snr_db:g} dB above "
        f"{stream.background}"
    )
