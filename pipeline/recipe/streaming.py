"""The table `[streaming]`: words in a long sound, and how often the files are wrong there."""

from pathlib import Path
from typing import Annotated, Self

from pydantic import Field, model_validator

from pipeline.recipe.names import Seed
from pipeline.recipe.section import PositiveFloat, PositiveInt, Section

SYNTHESISED = ("minutes", "snr_db", "seed")
"""Keys of a stream that is made of the data set's clips."""
PATHS = ("recording", "words", "validation_recording", "validation_words")
"""Keys of the user's files."""


class StreamingConfig(Section):
    """A window slides over a long sound, its probabilities are smoothed, and a word is detected
    where they reach a threshold. The table in a recipe switches it on."""

    enabled: bool = True
    recording: Path | None = None
    """A sound file to judge the files on, an hour long at most; null synthesises one of the test
    split's clips."""
    words: Path | None = None
    """The words in `recording`: a .csv or .tsv with the columns start, end (seconds) and label, or
    a label track of Audacity."""
    validation_recording: Path | None = None
    """A recording to choose the threshold on; null takes `recording`, and the report says so."""
    validation_words: Path | None = None
    hop_s: Annotated[PositiveFloat, Field(le=10)] = 0.25
    """Seconds from one window to the next."""
    smoothed_over: Annotated[PositiveInt, Field(le=100)] = 3
    """Windows whose mean decides."""
    pause_s: Annotated[float, Field(ge=0, le=60)] = 1.0
    """No detection follows another one sooner."""
    false_accepts_per_hour: PositiveFloat = 3.0
    """The operating point: of the thresholds with at most so many, the one that misses the fewest
    words where the threshold is chosen."""
    minutes: Annotated[PositiveFloat, Field(le=60)] = 20.0
    """Length of each synthesised stream."""
    snr_db: Annotated[float, Field(ge=-20, le=100)] = 20.0
    """Level of a synthesised word over the background."""
    seed: Seed = 0
    """Of the synthesised streams. Independent of the recipe's: runs of several seeds are judged on
    the same ones."""

    @property
    def pairs(self) -> tuple[tuple[Path, Path], ...]:
        """Recording and words to choose on, and to judge on; both may be the same; empty where the
        streams are synthesised."""
        if self.recording is None or self.words is None:
            return ()
        judged = self.recording, self.words
        if self.validation_recording is None or self.validation_words is None:
            return judged, judged
        return (self.validation_recording, self.validation_words), judged

    @property
    def same(self) -> bool:
        """Whether thresholds are chosen on the recording that judges them."""
        return len(set(self.pairs)) == 1

    @model_validator(mode="after")
    def _recordings_have_words(self) -> Self:
        for sound, words in (
            ("recording", "words"),
            ("validation_recording", "validation_words"),
        ):
            given = [key for key in (sound, words) if getattr(self, key) is not None]
            if len(given) == 1:
                other = words if given[0] == sound else sound
                raise ValueError(f"{given[0]}: needs {other} beside it; give both, or neither")
        if self.validation_recording is not None and self.recording is None:
            raise ValueError(
                "validation_recording: chooses the threshold that is judged on recording; give "
                "recording and words too"
            )
        return self

    @model_validator(mode="after")
    def _recordings_are_not_synthesised(self) -> Self:
        for key in SYNTHESISED if self.recording is not None else ():
            if getattr(self, key) != type(self).model_fields[key].default:
                raise ValueError(
                    f"{key}: is of a synthesised stream, and recording is given; leave one out"
                )
        return self
