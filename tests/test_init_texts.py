"""`pipeline init`: a file of texts in, a recipe with reasons out."""

import json
from pathlib import Path

import pytest

from pipeline import datasets
from pipeline.recipe.load import load
from pipeline.recipe.text_proposal import FoundTexts, propose_texts
from tests.test_init import Init, chosen, init, pictures
from tests.texts import delimited, questions, write

__all__ = ["init"]  # the fixture


def found(**changes: object) -> FoundTexts:
    values: dict[str, object] = {
        "path": "questions.csv",
        "columns": {"text": "question", "label": "kind"},
        "encoding": "utf-8",
        "train": 4600,
        "length": 28,
        "cores": 2,
    }
    return FoundTexts(**{**values, **changes})  # type: ignore[arg-type]


def test_a_file_of_texts_has_a_recipe_that_names_its_columns(init: Init, tmp_path: Path) -> None:
    rows = [(label, text, "train") for text, label in questions()]
    rows[::4] = [(*row[:2], "test") for row in rows[::4]]
    path = write(tmp_path / "my questions.csv", rows, header="Kind of,question,Split")
    code, out, err = init(path, "--set", "dataset.label_column=Kind of")
    assert (code, err) == (0, "")
    assert "60 texts of 3 classes: COUNT 20, WHAT 20, WHERE 20" in out
    assert "splits (given): train 38, val 7, test 15" in out
    recipe = load("my-questions.toml")
    assert (recipe.dataset.name, recipe.dataset.path) == ("texts", path)
    settings = recipe.dataset.model_dump()
    assert [settings[f"{role}_column"] for role in ("text", "label", "split")] == [
        *("question", "Kind of", "Split")
    ]
    assert recipe.distill.family == "ds_cnn_1d"
    assert recipe.augmentation.kind == "tokens"
    datasets.source_digest(recipe.dataset)


def test_what_was_found_is_one_json_document(init: Init, tmp_path: Path) -> None:
    _, out, _ = init(write(tmp_path / "q.jsonl"), "--json")
    found = json.loads(out)["found"]
    assert found["columns"] == {"text": "text", "label": "label", "split": None}
    assert found["splits"] == {"train": 36, "val": 9, "test": 15}


def test_an_encoding_that_is_not_utf8_is_proposed(init: Init, tmp_path: Path) -> None:
    path = tmp_path / "q.csv"
    path.write_text(delimited([(f"{text} café", label) for text, label in questions()]), "cp1252")
    assert init(path)[0] == 0
    assert 'encoding = "cp1252"  # the file is not UTF-8' in Path("q.toml").read_text()


def test_texts_in_two_splits_are_told_with_what_a_run_needs(init: Init, tmp_path: Path) -> None:
    rows = [(*row, "train" if n % 4 else "test") for n, row in enumerate(questions())]
    path = write(tmp_path / "q.csv", [*rows, (*rows[0][:2], "train")], header="text,label,split")
    code, out, _ = init(path)
    assert code == 0
    assert "at which a run ends unless dataset.allow_leaks is true\n1 text is in two splits" in out


def test_a_folder_of_tables_is_texts_and_one_with_pictures_is_not(
    init: Init, tmp_path: Path
) -> None:
    rows = questions()
    (tmp_path / "texts").mkdir()
    for name, part in (("train.tsv", rows[::2]), ("test.tsv", rows[1::2])):
        write(tmp_path / "texts" / name, part)
    assert init(tmp_path / "texts")[0] == 0
    assert load("texts.toml").dataset.name == "texts"
    write(pictures(tmp_path / "photos", ["cat", "dog"]) / "notes.csv")
    assert init(tmp_path / "photos")[0] == 0
    assert load("photos.toml").dataset.name == "folder"


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("dataset.text_colum=a", "dataset.text_colum: unknown key; did you mean"),
        ("distill.epochs=3", "--set distill.epochs: only keys of dataset help to look at the data"),
        ("dataset.text_column=a", "has no column 'a' (dataset.text_column)"),
    ],
)
def test_a_wrong_key_is_one_paragraph(init: Init, tmp_path: Path, value: str, message: str) -> None:
    code, _, err = init(write(tmp_path / "q.csv"), "--set", value)
    assert code == 2
    assert message in err
    assert not list(Path.cwd().iterdir())


def test_the_estimate_is_of_texts_and_their_length_and_stays_in_the_time() -> None:
    def epochs(**changes: object) -> object:
        return chosen(propose_texts(found(**changes), minutes=10), "distill.epochs")

    assert epochs() == 20
    assert epochs(train=100) == 60
    assert epochs(length=560) < 10  # type: ignore[operator]
