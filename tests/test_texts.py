"""Texts in a table become a data set, and what is wrong with the table is one paragraph."""

import codecs
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline import datasets
from pipeline.cli.app import exit_code
from pipeline.datasets import DATASETS
from pipeline.datasets.splits import Dataset, Split
from pipeline.datasets.texts.encodings import guessed
from pipeline.datasets.texts.files import File
from pipeline.datasets.texts.settings import Settings
from pipeline.datasets.texts.table import table_of
from pipeline.recipe.schema import DatasetConfig
from targets.errors import InputError
from targets.texts import tokens
from tests.tasks import LOADED
from tests.texts import Rows, delimited, questions, write


def config(path: Path, **settings: object) -> DatasetConfig:
    return DatasetConfig.model_validate({"name": "texts", "path": path, **settings})


def loaded(path: Path, **settings: object) -> Dataset:
    return DATASETS["texts"].load(config(path, **settings))


def words_in(data: Dataset, split: Split) -> set[tuple[str, ...]]:
    """The texts of a split, as they can be read back from their tokens."""
    assert data.tokenizer is not None
    vocabulary = data.tokenizer.vocabulary
    return {
        tuple(vocabulary[n] for n in row if n not in (tokens.PAD, tokens.CLS))
        for row in data[split].raw.tolist()
    }


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return write(tmp_path / "questions.csv")


def test_a_table_becomes_three_splits_of_tokens(path: Path) -> None:
    data = loaded(path)
    assert data.name == "questions"
    assert data.classes == ("COUNT", "WHAT", "WHERE")
    assert [len(data[split]) for split in Split] == [36, 9, 15]
    for split in Split:
        assert np.bincount(data[split].labels).tolist() == [len(data[split]) // 3] * 3
        assert data[split].raw.dtype == np.int32
        assert data[split].raw.shape[1:] == data.input.shape
    assert data.input.kind == "tokens"
    assert data.tokenizer is not None
    assert data.input.vocabulary == len(data.tokenizer.vocabulary)
    assert words_in(data, Split.TRAIN).isdisjoint(words_in(data, Split.TEST))
    assert data.sha256 == datasets.source_digest(config(path))


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.jsonl"])
def test_every_form_of_a_table_gives_the_same_data(path: Path, tmp_path: Path, name: str) -> None:
    data, other = loaded(path), loaded(write(tmp_path / name))
    for split in Split:
        np.testing.assert_array_equal(data[split].raw, other[split].raw)
        np.testing.assert_array_equal(data[split].labels, other[split].labels)


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace("\n", "\r\n").encode(),
        lambda text: text.replace("\n", "\r").encode(),
        lambda text: codecs.BOM_UTF8 + text.encode(),
        lambda text: text.replace("\n", "\n\n  \n").encode(),
    ],
    ids=["windows", "old mac", "byte order mark", "empty lines"],
)
def test_line_ends_and_a_byte_order_mark_change_nothing(
    path: Path, tmp_path: Path, change: Callable[[str], bytes]
) -> None:
    other = tmp_path / "other.csv"
    other.write_bytes(change(path.read_text()))
    np.testing.assert_array_equal(loaded(path)[Split.TEST].raw, loaded(other)[Split.TEST].raw)


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "utf-16-le", "gb18030"])
def test_any_encoding_can_be_named(tmp_path: Path, encoding: str) -> None:
    rows = [(f"{text} café ©", label) for text, label in questions()]
    utf8 = write(tmp_path / "utf8.csv", rows)
    other = tmp_path / "other.csv"
    other.write_text(delimited(rows), encoding=encoding)
    np.testing.assert_array_equal(
        loaded(utf8)[Split.TRAIN].raw, loaded(other, encoding=encoding)[Split.TRAIN].raw
    )


def test_columns_are_found_by_their_usual_names_or_as_they_are_named(tmp_path: Path) -> None:
    rows = [("1", label, text) for text, label in questions()]
    usual = write(tmp_path / "usual.csv", rows, header="id,Category,Question")
    named = write(tmp_path / "named.csv", rows, header="id,a,b")
    same = loaded(named, text_column="b", label_column="a")
    np.testing.assert_array_equal(loaded(usual)[Split.TRAIN].raw, same[Split.TRAIN].raw)


def test_a_quoted_text_may_hold_the_delimiter_marks_and_lines(tmp_path: Path) -> None:
    rows = [*questions(), ('"one, ""two""\nthree"', "WHAT"), ("then one", "WHAT")]
    data = table_of(File(tmp_path / "a.csv", None, delimited(rows).encode()), Settings())
    assert [entry.text for entry in data.entries[-2:]] == ['one, "two"\nthree', "then one"]
    assert [entry.line for entry in data.entries[-2:]] == [62, 64]


def test_a_quotation_mark_can_be_a_letter_like_others(tmp_path: Path) -> None:
    content = b'text\tlabel\n"Why not\tA\n5" of rain\tB\n'
    with pytest.raises(InputError, match=r"line 2: .*set dataset\.quoted = false"):
        table_of(File(tmp_path / "a.tsv", None, content), Settings())
    table = table_of(File(tmp_path / "a.tsv", None, content), Settings(quoted=False))
    assert [entry.text for entry in table.entries] == ['"Why not', '5" of rain']


def test_the_column_of_splits_is_kept_and_a_missing_one_is_drawn_from_training(
    tmp_path: Path,
) -> None:
    rows = [(*row, "Testing" if n % 4 == 0 else "train") for n, row in enumerate(questions())]
    data = loaded(write(tmp_path / "a.csv", rows, header="text,label,split"))
    tested = {text for text, _, split in rows if split == "Testing"}
    assert {" ".join(words) for words in words_in(data, Split.TEST)} == tested
    assert [len(data[split]) for split in Split] == [38, 7, 15]


def test_a_folder_of_tables_has_a_split_in_each(tmp_path: Path) -> None:
    rows = questions()
    for name, part in (
        ("q_train.csv", rows[::2]),
        ("q_dev.csv", rows[1::4]),
        ("q_test.csv", rows[3::4]),
    ):
        write(tmp_path / name, part)
    data = loaded(tmp_path)
    assert [len(data[split]) for split in Split] == [30, 15, 15]
    write(tmp_path / "q_extra.csv")
    with pytest.raises(InputError, match="whose names do not give each split once"):
        loaded(tmp_path)


def test_the_vocabulary_and_the_length_are_learned_from_training_texts_alone(
    tmp_path: Path,
) -> None:
    def rows(word: str, repeat: int) -> Rows:
        extra = [(f"{word} {word} {n} " * repeat, "WHAT", "test") for n in range(3)]
        return [*((*row, "train") for row in questions()), *extra]

    first, second = (
        loaded(write(tmp_path / f"{word}.csv", rows(word, n), header="text,label,split"))
        for word, n in (("zebra", 1), ("quagga", 9))
    )
    assert first.tokenizer == second.tokenizer
    assert first.tokenizer is not None
    assert "zebra" not in first.tokenizer.vocabulary


@pytest.mark.parametrize("kind", ["words", "wordpiece"])
def test_a_limit_of_the_vocabulary_is_kept_and_the_same_file_gives_the_same_one(
    path: Path, tmp_path: Path, kind: str
) -> None:
    data = loaded(path, tokens=kind, vocabulary=20)
    assert data.tokenizer is not None
    assert len(data.tokenizer.vocabulary) == 20
    copy = loaded(write(tmp_path / "copy.csv"), tokens=kind, vocabulary=20)
    assert copy.tokenizer == data.tokenizer


def test_texts_of_pieces_have_hardly_an_unknown_token(path: Path) -> None:
    pieces = loaded(path, tokens="wordpiece")
    assert not (pieces[Split.TEST].raw == tokens.UNK).any()


def test_the_length_is_what_99_percent_of_the_training_texts_need(tmp_path: Path) -> None:
    rows = [(*row, "train") for row in questions(each=80)]
    rows += [("where " * 30, "WHERE", "train"), ("what " * 40, "WHAT", "test")]
    path = write(tmp_path / "a.csv", rows, header="text,label,split")
    data = loaded(path)
    assert data.input.shape == (12,)  # nine words and [CLS]
    assert (data[Split.TEST].raw[0] != tokens.PAD).all()
    notes = datasets.notes_on(config(path))
    assert "Length 12 tokens; longer texts are cut: 1 train, 1 test (dataset.length)." in notes


def test_equal_texts_are_in_one_split_and_those_under_two_labels_are_named(tmp_path: Path) -> None:
    twins = [("WHO goes there?", "WHO"), ("who goes  there ?", "WHAT")] * 3
    others = [(f"who is in the {thing}", "WHO") for thing, _ in questions(each=9)[:9]]
    path = write(tmp_path / "a.csv", [*questions(), *others, *twins])
    data = loaded(path)
    held = [split for split in Split if ("who", "goes", "there", "?") in words_in(data, split)]
    assert len(held) <= 1  # none where its words are too rare to be known
    notes = " ".join(datasets.notes_on(config(path)))
    assert (
        "1 text is under two labels, of which one is wrong: 'WHO goes there?' (WHO a.csv" in notes
    )
    assert "Texts with the words of an earlier one: 5." in notes


def test_a_text_in_two_given_splits_is_refused_unless_it_is_allowed(tmp_path: Path) -> None:
    rows = [(*row, "train" if n % 2 else "test") for n, row in enumerate(questions())]
    rows.append((rows[0][0].upper(), rows[0][1], "train"))
    path = write(tmp_path / "a.csv", rows, header="text,label,split")
    with pytest.raises(InputError) as caught:
        datasets.source_digest(config(path))
    assert (
        "1 text is in two splits: 'where does the cat live near dog' (train a.csv:62, test "
        in str(caught.value)
    )
    assert "dataset.allow_leaks = true" in str(caught.value)
    notes = datasets.notes_on(config(path, allow_leaks=True))
    assert any(note.startswith("1 text is in two splits, on which figures") for note in notes)


def wrong(content: str | bytes, name: str = "a.csv") -> tuple[bytes, str]:
    return (content if isinstance(content, bytes) else content.encode()), name


GOOD = delimited(questions())

BAD = {
    "an empty text": (wrong(GOOD + " ,WHAT\n"), "one wrong line: line 62: the text is empty."),
    "no words": (wrong(GOOD + "\u200b,WHAT\n"), r"line 62: the text is without a word: '\u200b'"),
    "a long text": (
        wrong(GOOD + "a" * 100_000 + ",WHAT\n"),
        "line 62: a text of 100,000 characters, 'aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa…', and 20,000",
    ),
    "NUL": (wrong(GOOD + "a\0b,WHAT\n"), r"line 62: a NUL character in the text 'a\x00b'"),
    "no label": (wrong(GOOD + "why,\n"), "line 62: no label in 'label'"),
    "a label of two lines": (wrong(GOOD + 'why,"a\nb"\n'), "a label with a line break"),
    "numbers and words": (
        wrong(GOOD + "why,1\nwho,2\n"),
        "numbers and words mixed: 1 (a.csv:62), 2 (a.csv:63); and COUNT (a.csv:42), WHAT (a.csv:22",
    ),
    "no column of texts": (
        wrong(GOOD.replace("text", "sent")),
        "no column that is known to hold the text; its first line names: sent, label. Name one "
        "with dataset.text_column",
    ),
    "no header": (
        wrong(GOOD.removeprefix("text,label\n")),
        "its first line names: where does the cat live near dog, WHERE.",
    ),
    "two columns of one name": (
        wrong(GOOD.replace("label", "text")),
        "several columns of one name",
    ),
    "one class": (
        wrong(delimited([(text, "A") for text, _ in questions()])),
        "all 60 texts of {path} are of one class, A.",
    ),
    "a small class": (
        wrong(GOOD + "why,WHY\nhow come,WHY\n"),
        "each class needs 3 different texts at least, and there are fewer of WHY (2).",
    ),
    "labels that are texts": (
        wrong(delimited([(label, text) for text, label in questions()])),
        "Is the column of classes another one (dataset.label_column)?",
    ),
    "ragged": (
        wrong(GOOD + "well, why,WHAT\nwhy\n"),
        "2 wrong lines: line 62: the line has 3 cells, and the first one names 2 (a text with ',' "
        "in it must be in quotation marks); line 63: the line has 1 cells",
    ),
    "empty": (wrong(""), "is empty. Give a file with a text on each line."),
    "a header alone": (wrong("text,label\n"), "names columns, and no line follows."),
    "cp1252": (
        wrong(GOOD.encode() + "café au lait,WHAT\n".encode("cp1252")),
        "is not in utf-8: line 62 holds the byte 0xE9, which that encoding has not there. As "
        "cp1252, usual in Western Europe, it would read 'café au lait,WHAT': if that is right, set "
        'dataset.encoding = "cp1252"',
    ),
    "UTF-16": (wrong(GOOD.encode("utf-16")), 'set dataset.encoding = "utf-16"'),
    "UTF-16 without a mark": (
        wrong(GOOD.encode("utf-16-le")),
        'would be: set dataset.encoding = "utf-16-le", or',
    ),
    "a spreadsheet": (wrong(b"PK\x03\x04..."), "is a ZIP archive, as the files of spreadsheets"),
    "a list": (wrong('[{"text": "a"}]'), "is JSON. Write an object for each text on a line"),
    "not JSON": (
        wrong(
            '{"text": "a", "label": "b"}\nnope\n{"text": "c"}\n[1]\n{"text": [], "label": 1}',
            "a.jsonl",
        ),
        "4 wrong lines: line 2: not JSON: Expecting value: line 1 column 1 (char 0); line 3: no "
        'key \'label\', as the first object has; line 4: not an object, as {{"text": "…", '
        '"label": "…"}} is; line 5: \'text\' is a list or an object',
    ),
    "nothing that is JSON": (wrong("nope", "a.jsonl"), "one wrong line: line 1: not JSON"),
    "an unknown split": (
        wrong("text,label,split\na,b,train\nc,d,later\n"),
        "line 3: the split 'later' in 'split' is none of train, val and test",
    ),
    "no training": (
        wrong("text,label,split\na,b,val\nc,d,test\n"),
        "has the splits test, val, and none for training.",
    ),
    "a class without training": (
        wrong("text,label,split\na,b,train\nc,d,test\n"),
        "has no training text of d (a.csv:3).",
    ),
    "no words twice": (
        wrong("text,label\n" + "".join(f"w{n},{'ab'[n % 2]}\n" for n in range(40))),
        "no word is seen twice in the 24 training texts",
    ),
}


@pytest.mark.parametrize(("content", "message"), BAD.values(), ids=BAD)
def test_bad_input_is_one_paragraph_with_file_line_and_remedy(
    tmp_path: Path, content: tuple[bytes, str], message: str
) -> None:
    path = tmp_path / content[1]
    path.write_bytes(content[0])
    with pytest.raises(InputError) as caught:
        loaded(path)
    text = str(caught.value)
    assert text.startswith("data set texts: ")
    assert message.format(path=path) in text
    assert str(path) in text
    assert "\n" not in text


def test_a_run_of_bad_texts_ends_with_2_before_anything_is_made(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "a.csv"
    path.write_text(GOOD + ",WHAT\n")
    argv = ["run", "digits", "--set", "dataset.name=texts", "--data", str(path)]
    assert exit_code([*argv, "--out", str(tmp_path / "runs")]) == 2
    assert not (tmp_path / "runs").exists()


@pytest.mark.parametrize("path", [None, Path("nowhere.csv"), Path(__file__).parent / "devices"])
def test_a_file_that_is_not_there_is_an_input_error(path: Path | None) -> None:
    with pytest.raises(InputError, match=r"^data set texts: .*--data"):
        datasets.source_digest(DatasetConfig(name="texts", path=path))


@pytest.mark.parametrize("name", ["cp125", "base64", "undefined", ""])
def test_an_unknown_encoding_is_told_by_the_recipe(name: str) -> None:
    with pytest.raises(ValueError, match="common ones are utf-8, cp1252"):
        Settings(encoding=name)


def test_a_utf8_file_that_is_read_as_something_else_is_noted(tmp_path: Path) -> None:
    path = write(tmp_path / "a.csv", [*questions(), ("a café", "WHAT")])
    notes = datasets.notes_on(config(path, encoding="latin-1"))
    wanted = "a.csv is read as latin-1, but is valid UTF-8 too: line 62 would be 'a café,WHAT'."
    assert wanted in notes


def test_an_encoding_is_guessed_by_the_bytes() -> None:
    text = "café — “naïve”"
    for encoding in ("utf-8", "utf-16", "cp1252"):
        assert guessed(text.encode(encoding)) == encoding
    assert guessed(b"\x81 is no letter of cp1252") == "latin-1"


def test_a_file_may_be_renamed_but_a_split_may_not(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    names = ("train.csv", "test.csv")
    parts = [
        write(tmp_path / "folder" / name, questions(each))
        for name, each in zip(names, (9, 4), strict=True)
    ]
    one = datasets.source_digest(config(write(tmp_path / "a.csv")))
    assert one == datasets.source_digest(config(write(tmp_path / "b.csv")))
    folder = config(tmp_path / "folder", allow_leaks=True)
    both = DATASETS["texts"].source_digest(folder)
    parts[0].rename(tmp_path / "folder" / "dev.csv")
    parts[1].rename(tmp_path / "folder" / "train.csv")
    assert DATASETS["texts"].source_digest(folder) != both


def test_a_file_that_changes_is_read_again(path: Path) -> None:
    first = loaded(path)
    path.write_text(delimited(questions(each=30)))
    assert len(loaded(path)[Split.TRAIN]) > len(first[Split.TRAIN])


lines = st.text(st.sampled_from("abc,;\t\"'\r\n{}[]:\0\ufeffé 1"), max_size=80)


@LOADED
@given(st.one_of(st.binary(max_size=80), lines.map(str.encode)), st.booleans())
def test_any_bytes_are_a_table_or_an_input_error(content: bytes, quoted: bool) -> None:
    for name, header in (("a.csv", b"text,label\n"), ("a.jsonl", b"")):
        for given_content in (content, header + content):
            with suppress(InputError):
                table_of(File(Path(name), None, given_content), Settings(quoted=quoted))
