"""What the training texts teach: the vocabulary, and how many tokens a model takes."""

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from pipeline.datasets.texts.settings import Settings
from pipeline.datasets.texts.wordpiece import LEAST, learned
from targets.errors import InputError
from targets.texts import tokens
from targets.texts.tokenizer import Tokenizer

PIECES = 4000
FIT = 0.99
"""Share of the training texts that are not cut."""
STEP = 4
"""The length is a multiple of it."""


def tokenizer_of(training: Sequence[str], settings: Settings, *, name: str) -> Tokenizer:
    counts = Counter(word for text in training for word in tokens.words(text))
    if settings.tokens == "words":
        vocabulary = _words(counts, settings.vocabulary)
    else:
        vocabulary = learned(counts, settings.vocabulary or PIECES)
    if len(vocabulary) == len(tokens.SPECIAL):
        raise InputError(
            f"data set texts: no word is seen twice in the {len(training):,} training texts of "
            f"{name}: there is nothing to learn from. Give more texts."
        )
    length = settings.length or length_of(lengths(training, vocabulary))
    return Tokenizer(kind=settings.tokens, vocabulary=vocabulary, length=length)


def _words(counts: Mapping[str, int], size: int | None) -> tuple[str, ...]:
    """The most frequent first, of equally frequent ones the first by text."""
    known = [w for w, n in counts.items() if n >= LEAST and len(w) <= tokens.LONGEST_WORD]
    known.sort(key=lambda word: (-counts[word], word))
    return (*tokens.SPECIAL, *known)[:size]


def lengths(texts: Iterable[str], vocabulary: Sequence[str]) -> list[int]:
    """Tokens of each text, [CLS] included."""
    numbers = {token: number for number, token in enumerate(vocabulary)}
    return [1 + sum(1 for _ in tokens.tokens(text, numbers)) for text in texts]


def length_of(training: Sequence[int]) -> int:
    """What `FIT` of the training texts need, rounded up to a multiple of `STEP`."""
    enough = sorted(training)[math.ceil(FIT * len(training)) - 1]
    return max(2 * STEP, math.ceil(enough / STEP) * STEP)
