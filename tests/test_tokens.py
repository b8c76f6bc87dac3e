"""A text has the same tokens in training, in Hugging Face's tokenizer and on a device."""

import ast
import json
import re
import string
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from targets.errors import InputError
from targets.texts import tokenizer, tokens
from targets.texts.tokenizer import Tokenizer
from tests.tasks import LOADED

LETTERS = string.ascii_lowercase + string.digits
VOCABULARY = (
    *tokens.SPECIAL,
    *LETTERS,
    *(f"##{letter}" for letter in LETTERS),
    *string.punctuation,
    *(
        "un",
        "##aff",
        "##able",
        "play",
        "##ing",
        "##ed",
        "the",
        "東",
        "京",
        "ß",
        "##ß",
        "ſ",
        "한",
        "é",
    ),
    *("😀", "ς", "σ", "##σ", "α", "##α", "й"),
)
NUMBERS = {token: number for number, token in enumerate(VOCABULARY)}

# Made by Hugging Face's tokenizers 0.23.3 (which brings 40 MB of other packages, and so is no
# dependency of the tests): WordPiece(NUMBERS, unk_token="[UNK]", max_input_chars_per_word=100) with
# BertNormalizer() and BertPreTokenizer(); `encode(text, add_special_tokens=False).tokens`.
GOLDEN = [
    ("unaffable", "un ##aff ##able"),
    ("The playing, PLAYED!", "the play ##ing , play ##ed !"),
    ("Café crème", "c ##a ##f ##e c ##r ##e ##m ##e"),
    ("e\u0301", "e"),
    ("İstanbul", "i ##s ##t ##a ##n ##b ##u ##l"),
    ("ΑΣ Σ", "α ##σ σ"),
    ("ß ſ", "ß ſ"),
    ("東京タワー", "東 京 [UNK]"),
    ("\u3400\U00020000", "[UNK] [UNK]"),
    ("가", "[UNK]"),
    ("a\0b", "a ##b"),
    ("a\u200bb c\ufeff", "a ##b c"),
    ("a\xadb", "a ##b"),
    ("a\xa0b\u3000c\u2028d", "a b c d"),
    ("a\x85b\x1cc\x0bd", "a ##b ##c ##d"),
    ("a\tb\r\nc", "a b c"),
    ("😀 a😀b", "😀 [UNK]"),
    ("👩\u200d👩\u200d👧", "[UNK]"),
    ("x" * 100, " ".join(["x", *["##x"] * 99])),
    ("x" * 101, "[UNK]"),
    ("x" * 150 + " y", "[UNK] y"),
    ("don't -- [CLS] [PAD] ##ing", "d ##o ##n ' t - - [ c ##l ##s ] [ p ##a ##d ] # # i ##n ##g"),
    ("a…b—c“d”", "a [UNK] b [UNK] c [UNK] d [UNK]"),
    ("$5.00 + 3€ ^_^ `~|", "$ 5 . 0 ##0 + [UNK] ^ _ ^ ` ~ |"),
    ("\ufffda\ufffd", "a"),
    ("ａＢ１", "[UNK]"),
    ("ﬁ", "[UNK]"),
    ("½²", "[UNK]"),
    ("Å \u212b", "a a"),
    ("नमस्ते", "[UNK]"),
    ("a\u0301\u0302b", "a ##b"),
    ("\U000e0001a", "a"),
    ("\ue000a", "a"),
    ("\u0378a", "[UNK]"),
    ("2\u20e3", "[UNK]"),
    ("q̷", "q"),
    ("", ""),
    ("   ", ""),
    ("http://a.b/c?d=e&f", "h ##t ##t ##p : / / a . b / c ? d = e & f"),
    ("ｶﾞ", "[UNK]"),
]


@pytest.mark.parametrize(("text", "expected"), GOLDEN)
def test_the_tokens_are_those_of_hugging_face(text: str, expected: str) -> None:
    found = [VOCABULARY[number] for number in tokens.tokens(text, NUMBERS)]
    assert " ".join(found) == expected


def test_a_vocabulary_of_whole_words_knows_a_word_whole_or_not_at_all() -> None:
    vocabulary = {token: number for number, token in enumerate((*tokens.SPECIAL, "cat", "s"))}
    assert list(tokens.tokens("Cat s cats scat", vocabulary)) == [3, 4, tokens.UNK, tokens.UNK]


any_text = st.text(st.characters(exclude_categories=()), max_size=60)  # surrogates too


@LOADED
@given(any_text, st.integers(1, 20))
def test_any_text_becomes_the_number_of_tokens_that_the_model_takes(text: str, length: int) -> None:
    ids = tokens.encode(text, NUMBERS, length)
    assert len(ids) == length
    assert ids[0] == tokens.CLS
    assert set(ids) <= set(NUMBERS.values())
    first = ids.index(tokens.PAD) if tokens.PAD in ids else length
    assert set(ids[first:]) <= {tokens.PAD}
    assert ids == tokens.encode(text, NUMBERS, length)


@LOADED
@given(any_text)
def test_words_are_their_own_words(text: str) -> None:
    found = tokens.words(text)
    assert tokens.words(" ".join(found)) == found
    assert all(word and len(word.split()) == 1 for word in found)


MADE = Tokenizer(kind="wordpiece", vocabulary=VOCABULARY, length=12)


def test_a_device_makes_the_same_numbers_with_the_two_files_and_the_standard_library(
    tmp_path: Path,
) -> None:
    MADE.write(tmp_path)
    texts = [text for text, _ in GOLDEN]
    program = (
        "import sys, json; sys.path.insert(0, '.'); import tokens\n"
        "known = tokens.read_vocabulary('vocab.txt')\n"
        "print(json.dumps([tokens.encode(text, known, 12) for text in json.load(sys.stdin)]))"
    )
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", program],
        cwd=tmp_path,
        input=json.dumps(texts),
        capture_output=True,
        text=True,
        check=True,
    )
    np.testing.assert_array_equal(json.loads(done.stdout), MADE(texts))


def test_the_example_of_the_documentation_runs_with_the_standard_library(tmp_path: Path) -> None:
    page = (Path(__file__).parent.parent / "docs" / "texts.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    models = tmp_path / "runs" / "questions" / "models"
    models.mkdir(parents=True)
    MADE.write(models)
    argv = [sys.executable, "-I", "-S", "-c", f"{example}\nprint(ids)"]
    done = subprocess.run(argv, cwd=tmp_path, capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == tokens.encode("How far is it to the moon ?", NUMBERS, 24)


def test_the_code_for_devices_imports_nothing_of_ours_and_is_python_3_9() -> None:
    tree = ast.parse(Path(tokens.__file__).read_text(encoding="utf-8"), feature_version=(3, 9))
    imported = {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    imported |= {a.name for n in ast.walk(tree) if isinstance(n, ast.Import) for a in n.names}
    assert {name.split(".")[0] for name in imported if name} <= sys.stdlib_module_names


def test_no_texts_are_an_empty_array() -> None:
    assert MADE([]).shape == (0, 12)
    assert MADE(["a"]).dtype == np.int32
    assert (MADE.input.shape, MADE.input.vocabulary) == ((12,), len(VOCABULARY))


def test_a_tokenizer_is_read_as_it_was_written(tmp_path: Path) -> None:
    MADE.write(tmp_path)
    assert tokenizer.read(tmp_path, MADE.record) == MADE


def test_another_vocabulary_beside_the_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"vocab\.txt: the vocabulary of the model cannot be read"):
        tokenizer.read(tmp_path, MADE.record)
    Tokenizer(kind="words", vocabulary=(*tokens.SPECIAL, "cat"), length=12).write(tmp_path)
    with pytest.raises(InputError, match=r"vocab\.txt: is not the vocabulary that the model was"):
        tokenizer.read(tmp_path, MADE.record)
