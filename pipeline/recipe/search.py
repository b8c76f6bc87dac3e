"""The table `[search]`: which students are tried, and what they must not exceed."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, JsonValue, model_validator

from pipeline.recipe.limits import parse
from pipeline.recipe.section import PositiveFloat, PositiveInt, Section

DEFAULT = "default"
RANGE = {"low", "high", "step", "log"}
SINGLE = ("convert.precisions", "convert.targets")
"""Lists of which a trial has one item: a search judges one file of each student."""


def _is_limit(text: object) -> object:
    if isinstance(text, str):
        parse(text)
    return text


class Dimension(Section):
    """The values of one key of the recipe."""

    choices: Annotated[tuple[JsonValue, ...], Field(min_length=1)] | None = None
    low: int | float | None = None
    """With `low` and `high` whole numbers, so are the values."""
    high: int | float | None = None
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
            return self
        if self.low is None or self.high is None:
            raise ValueError("give a list of values, or low and high, as in {low = 1, high = 8}")
        if not self.low < self.high:
            raise ValueError(f"low ({self.low:g}) must be less than high ({self.high:g})")
        if self.log and (self.low <= 0 or self.step is not None):
            raise ValueError("log needs a low above 0, and no step")
        return self


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
