"""`pipeline predict` and `Classifier` for a model of texts."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest

from targets import Classifier
from targets.bench.plan import logits_of
from targets.errors import InputError
from tests.picture_models import delivered as of_pictures
from tests.picture_models import photo
from tests.predicting import Predict, command  # noqa: F401 # the fixture `predict`
from tests.text_models import CLASSES, TOKENIZER, delivered
from tests.texts import delimited, questions, write

QUESTIONS = ["Where is the cat?", "How many dogs?", "what is a dog"]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    return delivered(tmp_path / "student.onnx")


def test_a_text_has_the_tokens_and_the_logits_of_a_device(model: Path, tmp_path: Path) -> None:
    classifier = Classifier(model)
    raw = np.stack([classifier.prepared(text) for text in QUESTIONS])
    assert raw.tobytes() == TOKENIZER(QUESTIONS).tobytes()
    wanted = logits_of(model, "onnx", raw, tmp_path)
    found = [one.logits for one in classifier.predict_many(QUESTIONS)]
    assert np.stack(found).tobytes() == classifier.logits(raw).tobytes() == wanted.tobytes()
    assert [classifier.predict(text).name for text in QUESTIONS] == ["WHERE", "COUNT", "WHAT"]


def test_a_text_of_unknown_words_has_a_prediction(model: Path) -> None:
    found = Classifier(model).predict("Zyzzyva! Qwerty?")
    assert found.probability == pytest.approx(1 / 3)


@pytest.mark.parametrize(
    ("item", "message"),
    [
        ("", "a text (str): cannot be read as a text: the text is empty"),
        (" \t", "the text is empty"),
        ("\u200b", r"the text is without a word: '\u200b'"),
        ("a\0b", r"a NUL character in the text 'a\x00b'"),
        ("why " * 30_000, "a text of 120,000 characters, 'why why"),
        (Path("questions.csv"), "questions.csv: cannot be read as a text: it is no str"),
        (b"why", "a text (bytes): cannot be read as a text: it is no str"),
        (np.zeros(8, np.int32), "it is no str"),
    ],
)
def test_what_is_no_text_is_one_clear_error(model: Path, item: object, message: str) -> None:
    with pytest.raises(InputError) as caught:
        Classifier(model).predict(item)  # type: ignore[arg-type]
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)


def test_raw_tokens_of_another_length_are_refused(model: Path) -> None:
    with pytest.raises(InputError, match=r"takes raw inputs int32 \[n, 8\], not int32 \[1, 9\]"):
        Classifier(model).logits(np.zeros((1, 9), np.int32))


def test_a_table_with_labels_gives_the_accuracy(
    predict: Predict, model: Path, tmp_path: Path
) -> None:
    rows = [*questions(each=4), ("what is where", "COUNT"), ("who", "WHO")]
    done = predict(model, write(tmp_path / "q.csv", rows), "--top", 1)
    assert done.code == 0
    header, first, *_ = done.rows
    assert header == ["line", "text", "class", "%", "label", "verdict"]
    assert first[0].endswith("q.csv:14")
    assert first[-1] == "wrong"
    assert "12 of 13 texts with a label that is a class" in done.out
    assert "most confused (label → prediction): COUNT → WHAT 1" in done.out
    assert "14 texts in " in done.err
    assert " to tokenize, " in done.err
    assert "labels that are no class of the model, and not counted: WHO 1" in done.err


@pytest.mark.parametrize("name", ["q.csv", "q.tsv", "q.jsonl"])
def test_every_form_of_a_table_gives_the_same(
    predict: Predict, model: Path, tmp_path: Path, name: str
) -> None:
    document = json.loads(predict(model, write(tmp_path / name), "--json").out)
    assert document["kind"] == "tokens"
    assert document["tokenizer"] == TOKENIZER.record.model_dump()
    assert document["preprocessing"] is document["windowing"] is None
    found = [(one["text"], one["label"], one["top"][0]["class"]) for one in document["texts"]]
    assert found == [(text, label, label) for text, label in questions()]
    assert document["accuracy"]["texts"] == 60
    first = 1 if name.endswith("jsonl") else 2
    assert [one["line"] for one in document["texts"]] == list(range(first, first + 60))


def test_lines_are_texts_from_a_file_or_the_standard_input(
    predict: Predict, model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = "how many\x85 cats\r\nwhere\u2028 is it\n"
    (tmp_path / "q.txt").write_bytes(content.encode())
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(content.encode())))
    documents = [
        json.loads(predict(model, source, "--json").out) for source in (tmp_path / "q.txt", "-")
    ]
    for document, file in zip(documents, (str(tmp_path / "q.txt"), "-"), strict=True):
        rows = [(one["file"], one["line"], one["text"]) for one in document["texts"]]
        assert rows == [(file, 1, "how many\x85 cats"), (file, 2, "where\u2028 is it")]
        assert [one["top"][0]["class"] for one in document["texts"]] == ["COUNT", "WHERE"]
        assert document["accuracy"] is None


def test_bad_texts_are_listed_with_reasons_and_the_rest_is_complete(
    predict: Predict, model: Path, tmp_path: Path
) -> None:
    table = delimited([("where", "WHERE"), ("", "WHAT"), ("a\0b", "WHAT"), ("a", "b", "c")])
    (tmp_path / "q.csv").write_text(table + "what,WHAT\n" + "x" * 20_001 + ',WHAT\nhow,"COUNT\n')
    done = predict(model, tmp_path / "q.csv", "--csv", tmp_path / "out.csv")
    assert done.code == 2
    assert "2 of 2 texts with a label" in done.out
    assert "Error: 5 of 7 texts cannot be read." in done.err
    for line, reason in (
        (3, "the text is empty"),
        (4, r"a NUL character in the text 'a\x00b'"),
        (5, "the line has 3 cells, and the first one names 2"),
        (7, "a text of 20,001 characters"),
        (8, "so that nothing behind this line is read"),
    ):
        (shown,) = [text for text in done.err.splitlines() if f"q.csv:{line}: " in text]
        assert reason in shown
    rows = list(csv.DictReader((tmp_path / "out.csv").read_text().replace("\0", "").splitlines()))
    assert [row["line"] for row in rows] == ["2", "6", "3", "4", "5", "7", "8"]
    assert [row["text"] for row in rows[:2]] == ["where", "what"]
    assert [row["class_1"] for row in rows[:3]] == ["WHERE", "WHAT", ""]


def test_a_json_line_that_is_none_is_listed(predict: Predict, model: Path, tmp_path: Path) -> None:
    (tmp_path / "q.jsonl").write_text('{"text": "where"}\n{"text": ["a"]}\nwhere\n')
    done = predict(model, tmp_path / "q.jsonl", "--json")
    document = json.loads(done.out)
    assert done.code == 2
    assert [one["line"] for one in document["unreadable"]] == [2, 3]
    assert [one["top"][0]["class"] for one in document["texts"]] == ["WHERE"]


def test_columns_and_encoding_are_named_by_options(
    predict: Predict, model: Path, tmp_path: Path
) -> None:
    table = 'frage;art;text\n"where";WHERE;Käse\n'
    (tmp_path / "q.csv").write_bytes(table.encode("cp1252"))
    how = ("--encoding", "cp1252", "--text-column", "frage", "--label-column", "art")
    done = predict(model, tmp_path / "q.csv", *how, "--json")
    (one,) = json.loads(done.out)["texts"]
    assert (one["text"], one["label"]) == ("where", "WHERE")
    done = predict(model, tmp_path / "q.csv", *how, "--unquoted", "--json")
    (one,) = json.loads(done.out)["texts"]
    assert one["text"] == '"where"'


def test_a_column_of_splits_is_mentioned(predict: Predict, model: Path, tmp_path: Path) -> None:
    rows = [("where", "WHERE", "train"), ("what", "WHAT", "test")]
    done = predict(model, write(tmp_path / "q.csv", rows, header="text,label,split"))
    assert "q.csv has a column of splits, of which all are shown" in done.err
    assert "2 of 2 texts" in done.out


def test_only_wrong_ones_need_labels(predict: Predict, model: Path, tmp_path: Path) -> None:
    rows = [("where", "WHERE"), ("what", "WHERE")]
    done = predict(model, write(tmp_path / "q.csv", rows), "--wrong-only", "--json")
    assert [one["text"] for one in json.loads(done.out)["texts"]] == ["what"]
    (tmp_path / "q.txt").write_text("where\n")
    done = predict(model, tmp_path / "q.txt", "--wrong-only")
    assert done.code == 2
    assert "--wrong-only: no label of these texts has the name of a class" in done.err


def test_a_folder_gives_its_files_of_texts(predict: Predict, model: Path, tmp_path: Path) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "a.txt").write_text("where\n")
    (tmp_path / "in" / "b.csv").write_text("text\nwhat\n")
    photo(tmp_path / "in" / "c.png", "red")
    done = predict(model, tmp_path / "in", "--json")
    found = [one["top"][0]["class"] for one in json.loads(done.out)["texts"]]
    assert found == ["WHERE", "WHAT"]
    assert "other files in the folders, skipped: 1" in done.err


MISTAKES = {
    "a text as a file": (["m.onnx", "where " * 100], "there is no such file or folder. Give .csv"),
    "a picture": (["m.onnx", "a.png"], "a.png: holds pictures, and the model takes texts."),
    "a folder of pictures": (["m.onnx", "photos"], "photos: no texts there (1 other files), which"),
    "texts for pictures": (["p.onnx", "q.csv"], "q.csv: holds texts, and the model takes pictures"),
    "an unknown name": (["m.onnx", "labels"], "labels: is not known to hold texts: its name must"),
    "an empty file": (["m.onnx", "empty.csv"], "empty.csv is empty."),
    "no line": (["m.onnx", "header.csv"], "header.csv names columns, and no line follows."),
    "no JSON": (["m.onnx", "no.jsonl"], "no.jsonl: no line of it can be read; line 1: not JSON"),
    "no column": (["m.onnx", "other.csv"], "Name one with --text-column, or add a first line"),
    "another column": (
        ["m.onnx", "q.csv", "--label-column", "lable"],
        "q.csv has no column 'lable' (--label-column); did you mean 'label'?",
    ),
    "cp1252": (["m.onnx", "latin.csv"], "if that is right, give --encoding cp1252; if not"),
    "an encoding": (["m.onnx", "q.csv", "--encoding", "cp125"], "--encoding cp125: unknown enc"),
    "a size": (["m.onnx", "q.csv", "--size", "8"], "--size is what its sidecar m.onnx.json says"),
    "an option of texts": (["p.onnx", "a.png", "--encoding", "utf-8"], "says how texts are read"),
    "another vocabulary": (["moved/m.onnx", "q.csv"], "is not the vocabulary that the model was"),
    "no vocabulary": (["alone/m.onnx", "q.csv"], "vocab.txt: the vocabulary of the model cannot"),
    "no sidecar": (["bare.onnx", "q.csv"], "needs the sidecar of its run beside it, bare.onnx.jso"),
}


@pytest.mark.parametrize(("argv", "message"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_one_paragraph_and_exit_2(
    predict: Predict,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    argv: list[str],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    for folder in ("moved", "alone"):
        Path(folder).mkdir()
        delivered(Path(folder, "m.onnx"))
    Path("moved/vocab.txt").write_text("[PAD]\n")
    Path("alone/vocab.txt").unlink()
    delivered(Path("m.onnx"))
    of_pictures(Path("p.onnx"))
    Path("bare.onnx").write_bytes(Path("m.onnx").read_bytes())
    photo(Path("photos/a.png"), "red")
    photo(Path("a.png"), "red")
    write(Path("q.csv"), questions(2))
    for name, content in {
        "labels": "where\n",
        "empty.csv": " \n",
        "header.csv": "text,label\n",
        "no.jsonl": "no\n",
        "other.csv": "a,b\nc,d\n",
    }.items():
        Path(name).write_text(content)
    Path("latin.csv").write_bytes("text\ncafé\n".encode("cp1252"))
    done = predict(*argv)
    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert "Traceback" not in done.err
    assert done.err.count("\n") == 1


def test_classes_of_the_model_are_named_in_the_results(model: Path) -> None:
    assert Classifier(model).classes == CLASSES
