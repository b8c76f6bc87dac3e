"""The vocabulary of pieces is that of the algorithm, in every process."""

import os
import subprocess
import sys
from collections import Counter
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pipeline.datasets.texts import wordpiece
from targets.texts import tokens
from tests.tasks import LOADED

COUNTS = {"low": 5, "lower": 2, "newest": 6, "widest": 3}
"""The example of Sennrich et al. 2016."""


def test_the_most_frequent_pairs_become_pieces() -> None:
    learned = wordpiece.learned(COUNTS, 100)
    pieces = [t for t in learned if t not in tokens.SPECIAL and len(t.removeprefix("##")) > 1]
    assert pieces[:4] == ["##es", "##est", "##ow", "low"]  # "##es" and "##st" are as frequent
    assert learned[: len(tokens.SPECIAL)] == tokens.SPECIAL


words_seen = st.dictionaries(
    st.text("abcé", min_size=1, max_size=7), st.integers(1, 9), min_size=1, max_size=12
)


@LOADED
@given(words_seen, st.integers(4, 40))
def test_the_vocabulary_is_that_of_counting_all_pairs_anew_after_each_merge(
    counts: dict[str, int], size: int
) -> None:
    assert wordpiece.learned(counts, size) == counted_anew(counts, size)


def counted_anew(counts: dict[str, int], size: int) -> tuple[str, ...]:
    words = {word: [word[0], *(f"##{c}" for c in word[1:])] for word in counts}
    letters: Counter[str] = Counter()
    for word, parts in words.items():
        letters.update({part: parts.count(part) * counts[word] for part in set(parts)})
    seen = sorted((c for c in letters if letters[c] >= 2), key=lambda c: (-letters[c], c))
    made = [*tokens.SPECIAL, *seen[: size - 3]]
    words = {word: parts for word, parts in words.items() if set(parts) <= set(made)}
    while len(made) < size:
        pairs: Counter[tuple[str, str]] = Counter()
        for word, parts in words.items():
            for pair in pairwise(parts):
                pairs[pair] += counts[word]
        best = min(pairs, key=lambda pair: (-pairs[pair], pair), default=None)
        if best is None or pairs[best] < 2:
            break
        piece = best[0] + best[1][2:]
        words = {word: replaced(parts, best, piece) for word, parts in words.items()}
        made += [piece] * (piece not in made)
    return tuple(made)


def replaced(parts: list[str], pair: tuple[str, str], piece: str) -> list[str]:
    made, at = [], 0
    while at < len(parts):
        both = tuple(parts[at : at + 2]) == pair
        made.append(piece if both else parts[at])
        at += 2 if both else 1
    return made


def test_every_process_learns_the_same_vocabulary() -> None:
    program = (
        "from pipeline.datasets.texts.wordpiece import learned; "
        "print(*learned({f'{a}{b}{a}ing': 2 for a in 'abcdef' for b in 'uvwxyz'}, 60))"
    )
    made = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={**os.environ, "PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    assert len(made) == 1


def test_ideographs_beyond_the_first_thousand_letters_get_the_room_that_is_left() -> None:
    counts = {chr(0x4E00 + number): 2000 - number for number in range(1500)}
    learned = wordpiece.learned(counts, 1400)
    assert learned == (*tokens.SPECIAL, *list(counts)[:1397])
