"""The table `[search]`: which students are tried, and what they must not exceed."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, JsonValue, model_validator

from pipeline.recipe.limits import parse
from pipeline.recipe.section import PositiveFloat, PositiveInt, Section

DEFAULT = "default"
TOLERANCE = 1e-6
"""Of the number of steps in a range: 0.1 is no exact number."""
RANGE = {"low", "high", "step", "log"}
SINGLE = ("convert.precisions", "convert.targets")
"""Lists of which a trial has one item: a search judges one file of each student."""


def _is_limit(text: object) -> object:
    if isinstance(text, str):
        parse(text)
    return text


Number = Annotated[int, Field(strict=True)] | Annotated[float, Field(strict=True)]


class Dimension(Section):
    """The values of one key of the recipe."""

    choices: Annotated[tuple[JsonValue, ...], Field(min_length=1)] | None = None
    low: Number | None = None
    """With `low`, `high` and `step` whole numbers, so are the values."""
    high: Number | None = None
    step: PositiveFloat | None = None
    log: bool = False
    """Whether a factor matters, and not a difference: learning rates."""

    @model_validator(mode="before")
    @classmethod
    def _list(cls, written: object) -> object:
        if isinstance(written, list | tuple):
            return {"choices": written}
        if not isinstance(written, dict | Dimension):
            raise ValueError(f"give a list of values, low and high, or {DEFAULT!r}")
        return written

    @model_validator(mode="after")
    def _is_one_of_both(self) -> Self:
        if self.choices is not None:
            self._require_distinct(self.choices)
            return self
        if self.low is None or self.high is None:
            raise ValueError("give a list of values, or low and high, as in {low = 1, high = 8}")
        if not self.low < self.high:
            raise ValueError(f"low ({self.low:g}) must be less than high ({self.high:g})")
        if self.log and (self.low <= 0 or self.step is not None):
            raise ValueError("log needs a low above 0, and no step")
        self._require_reached(self.low, self.high)
        return self

    def _require_distinct(self, choices: tuple[JsonValue, ...]) -> None:
        if self.low is not None or self.high is not None or self.step is not None or self.log:
            raise ValueError("give a list of values, or low and high, not both")
        for place, value in enumerate(choices):
            if value in choices[:place]:
                raise ValueError(f"{value!r} is listed twice: each value once")

    def _require_reached(self, low: float, high: float) -> None:
        steps = (high - low) / (self.step or (high - low))
        if abs(steps - round(steps)) > TOLERANCE:
            raise ValueError(f"high ({high:g}) is not low ({low:g}) plus a number of steps")

    @property
    def is_whole(self) -> bool:
        """Whether it is a range of whole numbers."""
        ends = isinstance(self.low, int) and isinstance(self.high, int)
        return ends and float(self.step or 1).is_integer()


def _default(written: object) -> object:
    return None if written == DEFAULT else written


Space = Mapping[str, Annotated[Dimension | None, BeforeValidator(_default)]]
"""Key of the recipe -> its values; None: those of `pipeline.recipe.search_space`."""


def _flat(tables: object) -> object:
    return dict(_keys(tables)) if isinstance(tables, dict) else tables


def _keys(tables: Mapping[str, Any], prefix: str = "") -> Iterator[tuple[str, object]]:
    """`distill.family = [...]` is a table in a table in TOML."""
    for name, value in tables.items():
        key = f"{prefix}{name}"
        if isinstance(value, dict) and not value.keys() & RANGE and "choices" not in value:
            yield from _keys(value, f"{key}.")
        else:
            yield key, _singles(value) if key in SINGLE else value


def _singles(values: object) -> object:
    if not isinstance(values, list):
        return values
    return [value if isinstance(value, list) else [value] for value in values]


class SearchConfig(Section):
    """What `pipeline search` tries; `pipeline run` does not read it."""

    space: Annotated[Space, BeforeValidator(_flat)] = Field(default_factory=dict)
    """Values by key of the recipe, such as `distill.width_multiplier = [0.5, 1.0]`, {low, high,
    step, log} or "default"; empty takes the defaults for the kind of data."""
    limits: tuple[Annotated[str, BeforeValidator(_is_limit)], ...] = ()
    """What the file must not exceed on every device, such as `p90 <= 5 ms` and `size <= 500 kB`:
    median, p90, size or memory (the peak of the process)."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] | None = None
    """Seed of the proposals; null takes the recipe's. Searches of other seeds share what they train
    where the recipe's seed is the same."""
    trials: PositiveInt = 40
    """Students that are measured; those that keep the limits are trained."""
    epochs: PositiveInt | None = None
    """Epochs of each student; null takes `distill.epochs`."""
    early_stopping: bool = True
    """Stop a training whose accuracy is below the median of the earlier ones at that epoch."""
    sampler: Literal["tpe", "random"] = "tpe"
    """`random` is there to compare with."""
    measure_first: bool = True
    """False also trains what exceeds a limit: to compare with."""
