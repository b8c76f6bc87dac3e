"""The keys of `[dataset]` that a folder of sounds has."""

from typing import Annotated, ClassVar, Self

from pydantic import Field, field_validator, model_validator

from pipeline.datasets.files.settings import FileSettings
from pipeline.datasets.sounds.pattern import compiled
from pipeline.recipe.section import PositiveFloat, PositiveInt
from targets.formats.front_end import SoundFrontEnd
from targets.sounds.windowing import Windowing

Share = Annotated[float, Field(ge=0, le=100)]


class Settings(FileSettings):
    DECIDES_NOTHING: ClassVar[frozenset[str]] = FileSettings.DECIDES_NOTHING | {"pattern"}

    rate: Annotated[int, Field(ge=1000, le=48_000)] = 16_000
    """Samples per second that every sound is brought to."""
    seconds: Annotated[PositiveFloat, Field(le=60)] = 1.0
    """Length of a clip: the middle of a longer sound, a shorter one between zeros."""
    frame_ms: Annotated[int, Field(ge=4)] = 40
    """Length of the frames whose spectrum the network sees; one begins every half of it."""
    bands: Annotated[int, Field(ge=2)] = 40
    """Mel bands of a spectrum."""
    coefficients: PositiveInt = 10
    """Mel-frequency cepstral coefficients of a frame, made of the bands."""
    subtract_mean: bool = True
    """Take off each coefficient's mean over the clip: what microphone, room and loudness add."""
    pattern: str | None = None
    r"""A regular expression that all of a file's name without its extension matches (with a slash
    in it: of its path), with groups `label` and `speaker`, as `(?P<label>\d)_(?P<speaker>\w+)_\d+`.
    Without `label`, folders or a table give the class; a name whose group `val` or `test` matches
    something is in that split."""
    words: tuple[str, ...] = ()
    """Classes that are kept; all others become `_unknown_`. Empty keeps all."""
    unknown: tuple[str, ...] = ()
    """Classes that become `_unknown_`, in place of `words`."""
    unknown_share: Share = 1.0
    """Clips of `_unknown_` in a split, at most, over those of its average class."""
    noise: str | None = None
    """A folder of background recordings in the data set's folder, which the views mix into clips;
    null takes `_background_noise_`."""
    silence_share: Share = 1.0
    """Clips of these recordings alone, as the class `_silence_`, over those of a split's average
    class; 0 makes none. What is before the splits' shares in time trains, what is behind is
    measured."""

    @field_validator("pattern")
    @classmethod
    def _has_groups(cls, pattern: str | None) -> str | None:
        if pattern is not None:
            compiled(pattern)
        return pattern

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.coefficients > self.bands:
            raise ValueError(
                f"{self.coefficients} coefficients cannot be made of {self.bands} bands; give as "
                "many as bands at most"
            )
        if self.front_end.frames(self.samples) < 2:
            raise ValueError(
                f"{self.seconds:g} seconds hold fewer than two frames of {self.frame_ms} ms "
                "(frame_ms); give longer clips, or shorter frames"
            )
        if self.words and self.unknown:
            raise ValueError(
                "words and unknown exclude each other: the classes that are kept, or those that "
                "are not"
            )
        return self

    @property
    def samples(self) -> int:
        """Of a clip."""
        return round(self.rate * self.seconds)

    @property
    def windowing(self) -> Windowing:
        return Windowing(rate=self.rate, samples=self.samples)

    @property
    def front_end(self) -> SoundFrontEnd:
        return SoundFrontEnd(
            rate=self.rate,
            frame_ms=self.frame_ms,
            bands=self.bands,
            coefficients=self.coefficients,
            subtract_mean=self.subtract_mean,
        )
