"""A vocabulary of pieces of words, learned from texts: the same texts, the same vocabulary.

WordPiece of BERT's tools is byte pair encoding over letters (Sennrich et al. 2016, arXiv
1508.07909), in which a letter that does not begin a word has ## in front. Hugging Face's trainer
gives another vocabulary in every process (huggingface/tokenizers#1794): of equally frequent pairs
it takes any. Here it is the first by text.
"""

import heapq
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from targets.texts.tokens import LONGEST_WORD, SPECIAL

LETTERS = 1000
"""Letters that come first, the most frequent ones; further ones get what room the pieces leave."""
LEAST = 2
"""Times that a piece is seen."""

Pair = tuple[str, str]


def learned(counts: Mapping[str, int], size: int) -> tuple[str, ...]:
    """At most `size` tokens, from words (lower case, without spaces) and how often each is seen."""
    used = {word: count for word, count in sorted(counts.items()) if len(word) <= LONGEST_WORD}
    letters = _letters(used)
    room = size - len(SPECIAL)
    first = letters[: min(LETTERS, room)]
    pieces = _Merging(used, alphabet=set(first)).pieces(room - len(first))
    more = letters[len(first) : room - len(pieces)]
    return (*SPECIAL, *first, *pieces, *more)


def _letters(counts: Mapping[str, int]) -> list[str]:
    """Letters at the beginning of words, and others with ## in front; the most frequent first."""
    found: Counter[str] = Counter()
    for word, count in counts.items():
        for letter in _split(word):
            found[letter] += count
    seen = (letter for letter in found if found[letter] >= LEAST)
    return sorted(seen, key=lambda letter: (-found[letter], letter))


def _split(word: str) -> list[str]:
    return [word[0], *(f"##{letter}" for letter in word[1:])]


class _Merging:
    """Words as pieces, of which the most frequent pair becomes one piece, again and again."""

    def __init__(self, counts: Mapping[str, int], *, alphabet: set[str]) -> None:
        spelled = ((_split(word), count) for word, count in counts.items())
        known = [(parts, count) for parts, count in spelled if alphabet.issuperset(parts)]
        self.words = [parts for parts, _ in known]
        self.counts = [count for _, count in known]
        self.pairs: Counter[Pair] = Counter()
        self.where: defaultdict[Pair, set[int]] = defaultdict(set)
        """Words that a pair is or was in."""
        for number in range(len(self.words)):
            self._count(number)
        self.heap = [(-count, pair) for pair, count in self.pairs.items()]
        heapq.heapify(self.heap)

    def pieces(self, most: int) -> list[str]:
        """The new pieces, in the order in which they are made."""
        made: dict[str, None] = {}  # two pairs can make the same piece
        while len(made) < most and (pair := self._most_frequent()) is not None:
            piece = pair[0] + pair[1].removeprefix("##")
            made[piece] = None
            for changed in self._merge(pair, piece):
                if self.pairs[changed] > 0:
                    heapq.heappush(self.heap, (-self.pairs[changed], changed))
        return list(made)

    def _most_frequent(self) -> Pair | None:
        """The heap also holds counts of earlier; a pair whose count fell was pushed again."""
        while self.heap:
            count, pair = heapq.heappop(self.heap)
            if -count == self.pairs[pair]:
                return pair if -count >= LEAST else None
        return None

    def _merge(self, pair: Pair, piece: str) -> set[Pair]:
        """Put `piece` in the place of `pair` everywhere; the pairs whose counts changed."""
        changed: set[Pair] = set()
        for number in self.where.pop(pair):
            before = self.words[number]
            changed.update(self._count(number, sign=-1))
            self.words[number] = _merged(before, pair, piece)
            changed.update(self._count(number))
        return changed - {pair}

    def _count(self, number: int, *, sign: int = 1) -> Iterable[Pair]:
        parts = self.words[number]
        found = list(pairwise(parts))
        for pair in found:
            self.pairs[pair] += sign * self.counts[number]
            if sign > 0:
                self.where[pair].add(number)
        return found


def _merged(parts: Sequence[str], pair: Pair, piece: str) -> list[str]:
    """From the left, so that of three equal letters the first two become one."""
    merged: list[str] = []
    for part in parts:
        if merged and (merged[-1], part) == pair:
            merged[-1] = piece
        else:
            merged.append(part)
    return merged
