"""Corruptions of tokens, int32 [n, length], of `targets.texts.tokens`.

`unknown` is what a misspelt word is to a vocabulary of words (Belinkov and Bisk 2018, arXiv
1711.02173, on such noise), and a rare one to any. `swap` and `delete` are two of the four changes
of EDA (Wei and Zou 2019, arXiv 1901.11196), at its shares; it swaps any two words, here they are
neighbours. Typing errors would need the letters, which tokens have no more.
"""

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from targets.evaluation.corruptions.draws import Corrupt, Draws
from targets.texts.tokens import CLS, PAD, UNK

Tokens = npt.NDArray[np.int32]
Chosen = npt.NDArray[np.bool_]

SHARES = (0.1, 0.2, 0.3, 0.4, 0.5)
"""Of the tokens, those that are changed; padding and [CLS] never are."""


def unknown(texts: Tokens, level: int, draws: Draws) -> Tokens:
    return np.where(_chosen(texts, level, draws), np.int32(UNK), texts)


def swap(texts: Tokens, level: int, draws: Draws) -> Tokens:
    """With a chosen token and the one behind it in each other's place, from the left."""
    words, chosen, swapped = _words(texts), _chosen(texts, level, draws), texts.copy()
    free = np.ones(len(texts), np.bool_)
    for place in range(texts.shape[1] - 1):
        now = free & chosen[:, place] & words[:, place + 1]
        swapped[now, place], swapped[now, place + 1] = texts[now, place + 1], texts[now, place]
        free = ~now
    return swapped


def delete(texts: Tokens, level: int, draws: Draws) -> Tokens:
    """Without the chosen tokens; those behind move up, and one word is left."""
    words, out = _words(texts), _chosen(texts, level, draws)
    empty = ~(words & ~out).any(axis=1)
    out[empty, words[empty].argmax(axis=1)] = False
    order = np.argsort(out, axis=1, kind="stable")
    return np.take_along_axis(np.where(out, np.int32(PAD), texts), order, axis=1)


def _words(texts: Tokens) -> Chosen:
    words: Chosen = (texts != PAD) & (texts != CLS)
    return words


def _chosen(texts: Tokens, level: int, draws: Draws) -> Chosen:
    """More of the same at each severity."""
    shares = np.stack([random.random(texts.shape[1]) for random in draws])
    chosen: Chosen = (shares < SHARES[level]) & _words(texts)
    return chosen


CORRUPTIONS: Mapping[str, Corrupt] = MappingProxyType(
    {"unknown": unknown, "swap": swap, "delete": delete}
)
