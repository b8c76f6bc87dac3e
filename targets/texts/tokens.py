"""From a text to the numbers of its tokens, with the standard library only.

For a device, copy this file and `vocab.txt`: `encode(text, read_vocabulary("vocab.txt"), length)`
is the int32 input of a model. The words are those of BERT (Devlin et al. 2018, arXiv 1810.04805,
uncased); of a word, the longest pieces that the vocabulary has. A vocabulary without pieces, which
begin with ##, holds whole words: each is then found whole, or unknown.
"""

import unicodedata
from collections.abc import Iterator, Mapping
from functools import lru_cache
from itertools import islice
from pathlib import Path

SPECIAL = ("[PAD]", "[UNK]", "[CLS]")
"""The first tokens of every vocabulary. No text spells them: a bracket is a word of its own."""
PAD, UNK, CLS = 0, 1, 2
LONGEST_WORD = 100
"""Letters above which a word is unknown."""
IDEOGRAPHS = (
    *((0x3400, 0x4DBF), (0x4E00, 0x9FFF), (0xF900, 0xFAFF), (0x20000, 0x2A6DF)),
    *((0x2A700, 0x2B73F), (0x2B740, 0x2B81F), (0x2B820, 0x2CEAF), (0x2F800, 0x2FA1F)),
)
"""First and last of each block of Chinese characters that are words."""


def read_vocabulary(path: str) -> dict[str, int]:
    """Token -> number, of a file with a token a line."""
    lines = Path(path).read_text(encoding="utf-8").splitlines()
    return {token: number for number, token in enumerate(lines)}


def encode(text: str, vocabulary: Mapping[str, int], length: int) -> list[int]:
    """[CLS], then the text's tokens as far as there is room, then [PAD]: `length` numbers."""
    ids = [CLS, *islice(tokens(text, vocabulary), length - 1)]
    return ids + [PAD] * (length - len(ids))


def tokens(text: str, vocabulary: Mapping[str, int]) -> Iterator[int]:
    for word in words(text):
        yield from pieces(word, vocabulary)


def words(text: str) -> list[str]:
    """Lower case, without accents and control characters; punctuation and ideographs alone."""
    return "".join(map(_spelled, unicodedata.normalize("NFD", text))).split()


@lru_cache(maxsize=4096)
def _spelled(letter: str) -> str:
    """The letter as it is in a word, nothing, or between spaces."""
    category = unicodedata.category(letter)
    if letter.isspace() and (category != "Cc" or letter in "\t\n\r"):
        return " "
    # Characters that Python does not know yet (Cn) stay: a device's Python can be older.
    if category in ("Mn", "Cc", "Cf", "Co", "Cs") or letter == "\ufffd":
        return ""
    return f" {letter} " if _is_alone(letter, category) else letter.lower()


def _is_alone(letter: str, category: str) -> bool:
    code = ord(letter)
    if code < 128:
        return not letter.isalnum()
    return category[0] == "P" or any(first <= code <= last for first, last in IDEOGRAPHS)


def pieces(word: str, vocabulary: Mapping[str, int]) -> list[int]:
    """The numbers of the longest pieces, from the left; of all but the first, with ## in front."""
    if len(word) > LONGEST_WORD:
        return [UNK]
    found: list[int] = []
    start = 0
    while start < len(word):
        front = "##" if start else ""
        ends = range(len(word), start, -1)
        end = next((end for end in ends if front + word[start:end] in vocabulary), None)
        if end is None:
            return [UNK]
        found.append(vocabulary[front + word[start:end]])
        start = end
    return found
