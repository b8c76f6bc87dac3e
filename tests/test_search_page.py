"""A search as a person sees it: the terminal, the page, and `pipeline report` on its folder."""

import json
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

from pipeline.cli.app import exit_code
from pipeline.reporting.figures import search as pictures
from pipeline.reporting.pages.search import render
from pipeline.reporting.schema.search import FILE, LimitRow, Rejected, SearchResult, read
from pipeline.reporting.tables.search import print_search, short_names, shown, space, trials
from targets.errors import InputError
from tests.browser import Browser, browser, faults
from tests.reports import cells
from tests.searches import EIGHT, figures, realistic, search, trial

SEARCHES = {
    "three": realistic(),
    "eight": realistic(space=EIGHT, devices=("pi4", "phone")),
    "going-on": realistic(17, finished=False),
    "nothing-fits": realistic(12, slower=30),
    "empty": search([], finished=False),
}


ZERO = trial(0).model_dump(mode="json")
ZERO["trained"]["size_bytes"] = 0


@cache
def rendered(name: str) -> str:
    return render(SEARCHES[name])


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as opened:
        yield opened


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "digits-search").mkdir()
    (tmp_path / "digits-search" / FILE).write_text(SEARCHES["three"].dump(), "utf-8")
    return tmp_path / "digits-search"


@pytest.mark.browser
@pytest.mark.parametrize(
    "name",
    ["eight", "nothing-fits"]
    + [pytest.param(name, marks=pytest.mark.slow) for name in ("three", "going-on", "empty")],
)
def test_the_page_of_a_search_is_accessible_in_every_look(
    name: str, chromium: Browser, tmp_path: Path
) -> None:
    page = tmp_path / f"search-{name}.html"
    page.write_text(rendered(name), "utf-8")
    assert faults(chromium, page) == {}


def test_the_decision_stands_before_everything_else() -> None:
    page = rendered("three")
    assert page.index("<strong>Train trial 19</strong>: 92.68 % top-1") < page.index("<nav")
    assert "<strong>No student fits</strong>: no trial meets p90" in rendered("nothing-fits")
    assert "<strong>Not finished</strong>: 17 trials so far" in rendered("going-on")


def test_the_table_has_every_trial_the_best_first_and_a_reason_where_it_did_not_train() -> None:
    found = SEARCHES["three"]
    header, rows = cells(rendered("three"), "trial")
    states = [row[header.index("state")] for row in rows]
    assert sorted(int(row[0]) for row in rows) == list(range(40))
    assert states[0] == "recommended"
    tops = [float(row[2]) for row, state in zip(rows, states, strict=True)
            if state in ("recommended", "on the front", "trained")]  # fmt: skip
    assert tops == sorted(tops, reverse=True)
    by_number = {row.number: row for row in found.trials}
    for row in rows:
        assert row[header.index("why")].replace("\u00a0", " ") == (
            by_number[int(row[0])].reason or "-"
        )


def test_only_dimensions_whose_values_differ_are_columns() -> None:
    rows = [trial(n, values={"distill.loss": "kd", "distill.width": n}) for n in range(3)]
    header, _ = trials(search(rows))
    assert "width" in header
    assert "loss" not in header
    alone, _ = trials(search(rows[:1]))
    assert {"width", "loss"} <= set(alone)


def test_a_dimension_that_some_families_lack_is_a_column() -> None:
    rows = [trial(0, values={"distill.temperature": 2}), trial(1, values={})]
    header, shown_rows = trials(search(rows))
    assert [row[header.index("temperature")] for row in shown_rows] == ["2", "-"]


def test_short_names_are_unique_and_no_other_columns() -> None:
    keys = (
        "distill.temperature",
        "teacher.temperature",
        "dataset.size",
        "distill.loss",
        "seed",
        "x.p90",
    )
    assert short_names(keys) == {
        "distill.temperature": "distill.temperature",
        "teacher.temperature": "teacher.temperature",
        "dataset.size": "dataset.size",
        "distill.loss": "loss",
        "seed": "seed",
        "x.p90": "x.p90",
    }


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("fused", "fused"), (0.30000000000000004, "0.3"), (64, "64"), (True, "true"), (None, "-"),
        (["int8", "float32"], "int8, float32"), ({"a": 1}, '{"a": 1}'),
        ("\x1b[31m", "\\x1b[31m"), ("x" * 40, "x" * 27 + "…"),
    ],
)  # fmt: skip
def test_a_value_is_shown_in_a_cells_width(value: object, text: str) -> None:
    assert shown(value) == text  # type: ignore[arg-type]


def test_each_device_has_its_p90_and_a_disturbed_one_is_marked() -> None:
    rows = [trial(0, trained=figures(3, 300, ("pi4", "phone"), valid=False)),
            trial(1, devices=("pi4", "phone"))]  # fmt: skip
    header, (first, second) = trials(search(rows, devices=("pi4", "phone")))
    place = header.index("p90 pi4")
    assert header[place : place + 2] == ["p90 pi4", "p90 phone"]
    assert (first[place], second[place]) == ("~3.00 ms", "3.00 ms")


def test_a_rejected_trial_is_told_with_its_reason() -> None:
    rejected = [Rejected(trial=1, reason="p90 5.20 ms, limit p90 <= 5 ms").model_dump()]
    found = search([trial(0), trial(1)], recommended=0, rejected=rejected)
    header, rows = trials(found)
    assert [row[header.index("state")] for row in rows] == ["recommended", "rejected"]
    assert rows[1][header.index("why")] == "p90 5.20 ms, limit p90 <= 5 ms"
    assert "<strong>Trial 1 was rejected</strong>: p90 5.20 ms" in render(found)


def test_the_space_says_what_was_asked_for_and_how_much_was_tried() -> None:
    _, rows = space(SEARCHES["eight"])
    assert rows[0] == ["distill.family", "mobilenet_v1; mobilenet_v2; fused", "3"]
    assert rows[1] == ["distill.width_multiplier", "0.25 to 1.5 in steps of 0.25", "6"]
    assert rows[6][:2] == ["distill.temperature", "1 to 8, log scale"]
    assert rows[6][2] == str(
        len({t.values["distill.temperature"] for t in SEARCHES["eight"].trials
             if "distill.temperature" in t.values})
    )  # fmt: skip


def test_the_terminal_has_the_decision_every_trial_and_the_cost(
    capsys: pytest.CaptureFixture[str],
) -> None:
    print_search(SEARCHES["three"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].startswith("Train trial 19: ")
    assert sum(bool(re.match(r"\d+  ", line)) for line in lines) == 40
    assert "15 of 40 trials were over a limit and never trained: 13 p90, 14 size" in "".join(lines)
    assert lines[-1].startswith("Measuring before training spared 15 trainings")


def test_the_figures_say_what_they_show_and_mark_the_recommended() -> None:
    found = SEARCHES["three"]
    latency = pictures.latency(found)
    assert latency is not None
    label = ET.fromstring(latency).attrib["aria-label"]
    assert "On the front: trial 28 240.0 µs, 88.21 %;" in label
    assert "Limit: p90 <= 5 ms." in label
    assert "21 trials were not trained to the end." in label
    for words in ("recommended", "over a limit, not trained", "limit: p90 &lt;= 5 ms"):
        assert words in latency
    course = pictures.course(found)
    assert course is not None
    assert (
        "best so far over 40 trials: trial 0 91.50 %; trial 2 91.87 %; trial 19 92.68 %." in course
    )


def test_a_search_that_trained_none_has_a_figure_of_what_was_measured() -> None:
    found = SEARCHES["nothing-fits"]
    assert [pictures.latency(found), pictures.size(found), pictures.course(found)] == [None] * 3
    assert "Size against p90 of 11 measured trials." in (pictures.costs(found) or "")
    assert pictures.costs(SEARCHES["empty"]) is None


def test_names_from_strangers_are_text() -> None:
    hostile = "<script>x</script>$\\frac$"
    limit = LimitRow(figure="p90", most=5e6, text=hostile)
    rows = [trial(0, values={hostile: hostile}), trial(1, top1=None, reason=hostile)]
    page = render(search(rows, recommended=0, recipe=hostile, limits=[limit.model_dump()]))
    assert "<script>x" not in page


def test_the_same_search_gives_the_same_page() -> None:
    found = SEARCHES["eight"]
    assert rendered("eight") == render(SearchResult.model_validate_json(found.dump()))


def test_report_on_the_folder_of_a_search_shows_it_again(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(["report", str(folder)]) == 0
    assert capsys.readouterr().out.startswith("Train trial 19: ")
    assert exit_code(["report", str(folder / FILE), "--json"]) == 0
    assert capsys.readouterr().out == (folder / FILE).read_text("utf-8")
    assert read(folder / FILE) == SEARCHES["three"]


def test_report_writes_and_opens_the_page_of_a_search(
    folder: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    opened: list[str] = []

    def opens(url: str) -> bool:
        opened.append(url)
        return True

    monkeypatch.setattr("webbrowser.open", opens)
    assert exit_code(["report", str(folder), "--open"]) == 2
    page = folder / "search.html"
    assert f"there is no {page}. Write it with --html {page}." in capsys.readouterr().err
    assert exit_code(["report", str(folder), "--html", str(page), "--open"]) == 0
    assert exit_code(["report", str(folder), "--open"]) == 0
    assert opened == [page.as_uri()] * 2


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"schema": "search/2"}, "schema: Input should be 'search/1'"),
        ({"front": [99]}, "there is no trial 99, which it names elsewhere"),
        ({"unknown": 1}, "unknown: Extra inputs are not permitted"),
        ({"trials": [{"number": 0}]}, "trials.0.values: Field required (and "),
        ({"trials": [trial(0).model_dump(mode="json")] * 2}, "a number is there twice"),
        ({"trials": [ZERO]}, "trials.0.trained.size_bytes: Input should be greater than 0"),
        ({"limits": [{"figure": "p90", "most": 0, "text": ""}]}, "limits.0.most: Input should be"),
    ],
)
def test_a_damaged_search_is_one_paragraph_that_names_the_key(
    folder: Path, changes: dict[str, object], error: str, capsys: pytest.CaptureFixture[str]
) -> None:
    whole = json.loads((folder / FILE).read_text("utf-8"))
    (folder / FILE).write_text(json.dumps(whole | changes), "utf-8")
    assert exit_code(["report", str(folder)]) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert len(printed.err.strip().splitlines()) == 1
    assert f"{folder / FILE}: not a search of schema search/1: " in printed.err
    assert error in printed.err


def test_a_search_that_is_cut_or_gone_is_one_paragraph(folder: Path) -> None:
    (folder / FILE).write_bytes((folder / FILE).read_bytes()[:500])
    with pytest.raises(InputError, match=r"Invalid JSON: EOF .* Run the search again\.$"):
        read(folder / FILE)
    with pytest.raises(InputError, match=r"cannot be read: No such file or directory\."):
        read(folder / "nowhere" / FILE)


def test_a_search_is_not_compared_with_a_run(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(["report", str(folder), "runs/digits"]) == 2
    assert "is a search. OTHER compares two runs" in capsys.readouterr().err
