"""Whether texts and characters have the ids of Hugging Face's `tokenizers`; time of learning.

`python -m pip install tokenizers` first: it is no dependency of the product or its tests. FILES are
texts, a line each; a vocabulary of 4,000 pieces is learned from each of the first two.
"""

import sys
import time
import unicodedata
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import click
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

from pipeline.datasets.texts.wordpiece import learned
from targets.texts import tokens

SIZE = 4000
Ids = Callable[[str], list[int]]


def lines(file: Path) -> list[str]:
    return [line for line in file.read_text("latin-1").split("\n") if line.strip()]


def oracle(vocabulary: dict[str, int]) -> Ids:
    peer = Tokenizer(models.WordPiece(vocabulary, unk_token="[UNK]", max_input_chars_per_word=100))
    peer.normalizer = normalizers.BertNormalizer()
    peer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    return lambda text: list(peer.encode(text, add_special_tokens=False).ids)


def characters() -> int:
    """How many characters between two letters make other words."""
    normalizer, splitter = normalizers.BertNormalizer(), pre_tokenizers.BertPreTokenizer()
    found = 0
    for code in range(sys.maxunicode + 1):
        text = f"a{chr(code)}B"
        if unicodedata.category(chr(code)) != "Cs":
            peers = splitter.pre_tokenize_str(normalizer.normalize_str(text))
            found += [word for word, _ in peers] != tokens.words(text)
    return found


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
def main(files: tuple[Path, ...]) -> None:
    for source in files[:2]:
        counts = Counter(word for text in lines(source) for word in tokens.words(text))
        begun = time.perf_counter()
        vocabulary = {token: n for n, token in enumerate(learned(counts, SIZE))}
        click.echo(f"{source.name}: {SIZE} pieces in {time.perf_counter() - begun:.1f} s")
        ids = oracle(vocabulary)
        for file in files:
            texts = lines(file)
            other = sum(ids(text) != list(tokens.tokens(text, vocabulary)) for text in texts)
            click.echo(f"  {file.name}: {other} of {len(texts):,} texts have other ids")
    click.echo(f"{characters()} characters make other words")


if __name__ == "__main__":
    main()
