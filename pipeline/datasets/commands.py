"""Synthesised commands to a house: a data set of texts that needs no file, to try the lane with.

NOT what people wrote: sentences of a small grammar, with six intents. Words that decide the intent
stand among many that do not, some of them are misspelled, and a tenth of the sentences name the
thing of another intent beside their own. What is reached here says nothing about real texts; for
that, give your own to the data set `texts`.
"""

import hashlib
from typing import Annotated

import numpy as np
from pydantic import Field

from pipeline.datasets.contract import SourceConfig
from pipeline.datasets.splits import Dataset, Samples, Split, three_way
from pipeline.datasets.texts.settings import Settings as TextSettings
from pipeline.datasets.texts.vocabulary import tokenizer_of
from pipeline.recipe.section import Section
from targets.errors import InputError
from targets.formats.input_spec import Kind

KIND: Kind = "tokens"
VERSION = 1
"""Part of the digest: another one where the sentences of a number change."""
INTENTS = {
    "light": (
        "turn on the {light}",
        "switch the {light} off",
        "make it {bright}",
        "dim the {light}",
    ),
    "heat": ("set the {heat} to {number} degrees", "it is too {cold}", "turn the {heat} {way}"),
    "music": (
        "play some {music}",
        "turn the {music} {way}",
        "skip this {song}",
        "stop the {music}",
    ),
    "time": ("what {time} is it", "set a {timer} for {number} minutes", "wake me at {number}"),
    "weather": ("will it {rain} {day}", "how {cold} is it outside", "what is the {weather} {day}"),
    "shopping": ("put {food} on the list", "we need more {food}", "buy {number} {food} {day}"),
}
WORDS = {
    "light": ("light", "lights", "lamp", "lamps", "ceiling light"),
    "bright": ("brighter", "darker", "bright", "less bright"),
    "heat": ("heating", "radiator", "heater", "thermostat", "floor heating"),
    "cold": ("cold", "warm", "hot", "chilly", "freezing"),
    "way": ("up", "down", "higher", "lower", "off"),
    "music": ("music", "radio", "jazz", "news", "podcast"),
    "song": ("song", "track", "one", "piece"),
    "time": ("time", "hour", "day"),
    "timer": ("timer", "alarm", "reminder"),
    "rain": ("rain", "snow", "storm", "freeze"),
    "weather": ("weather", "forecast", "temperature"),
    "day": ("today", "tomorrow", "on monday", "this evening", "next week"),
    "food": ("milk", "bread", "apples", "coffee", "eggs", "rice", "soap"),
    "number": ("two", "three", "five", "ten", "twenty", "7", "18"),
}
BEFORE = ("", "please", "could you", "hey house", "i would like you to", "ok", "can you now")
BEHIND = ("", "in the kitchen", "please", "upstairs", "for me", "again", "in the big room", "now")


class Settings(Section):
    samples: Annotated[int, Field(ge=300, le=100_000)] = 2400
    """Sentences, the same number of each intent."""


def source_digest(cfg: SourceConfig) -> str:
    if cfg.path is not None:
        raise InputError(
            f"--data {cfg.path}: the data set commands is synthesised and takes no file. For your "
            "own texts add --set dataset.name=texts."
        )
    said = f"commands {VERSION} {_settings(cfg).samples}"
    return hashlib.sha256(said.encode()).hexdigest()


def load(cfg: SourceConfig) -> Dataset:
    digest, rows = source_digest(cfg), _rows(cfg)
    said = {split: _sentences(part) for split, part in rows.items()}
    tokenizer = tokenizer_of(said[Split.TRAIN], TextSettings(), name="commands")
    return Dataset(
        name="commands",
        classes=tuple(INTENTS),
        splits={
            split: Samples(raw=tokenizer(said[split]), labels=part.labels)
            for split, part in rows.items()
        },
        sha256=digest,
        spec=tokenizer.input,
        tokenizer=tokenizer,
    )


def texts(cfg: SourceConfig, split: Split) -> list[str]:
    return _sentences(_rows(cfg)[split])


def _rows(cfg: SourceConfig) -> dict[Split, Samples]:
    """The numbers of the sentences in each split, in place of their tokens."""
    count = _settings(cfg).samples
    labels = np.arange(count) % len(INTENTS)
    return three_way(
        Samples(raw=np.arange(count), labels=labels.astype(np.int64)),
        validation=cfg.validation,
        test=cfg.test,
        seed=cfg.split_seed,
        name="commands",
        kind=KIND,
    )


def _sentences(part: Samples) -> list[str]:
    intents, numbers = tuple(INTENTS), np.asarray(part.raw).tolist()
    pairs = zip(part.labels.tolist(), numbers, strict=True)
    return [sentence(intents[label], number) for label, number in pairs]


def sentence(intent: str, number: int) -> str:
    """A command; all that is random follows from `number`."""
    random = np.random.default_rng((VERSION, number))
    words = f"{random.choice(BEFORE)} {_filled(intent, random)} {random.choice(BEHIND)}"
    if random.random() < 0.1:
        other = str(random.choice(("light", "music", "food")))
        words += f" and not the {random.choice(WORDS[other])}"
    return " ".join(_misspelled(words, random).split())


def _filled(intent: str, random: np.random.Generator) -> str:
    pattern = str(random.choice(INTENTS[intent]))
    return pattern.format_map({name: random.choice(words) for name, words in WORDS.items()})


def _misspelled(words: str, random: np.random.Generator) -> str:
    """With two neighbouring letters exchanged, in a quarter of the sentences."""
    at = int(random.integers(0, len(words) - 1))
    exchanged = words[:at] + words[at + 1] + words[at] + words[at + 2 :]
    return exchanged if random.random() < 0.25 else words


def _settings(cfg: SourceConfig) -> Settings:
    assert isinstance(cfg.settings, Settings)
    return cfg.settings
