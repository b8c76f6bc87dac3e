"""The pages in a browser: axe finds nothing, a phone scrolls one way, nothing is fetched."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from pipeline.reporting.findings.recommendation import recommend
from pipeline.reporting.pages import bench
from pipeline.reporting.pages.activations import laid_over
from pipeline.reporting.pages.album import data_uri
from pipeline.reporting.pages.report import render
from pipeline.reporting.schema.flip import Flip, Prediction
from targets.bench import result
from tests.browser import Browser, Look, browser, faults
from tests.reports import model_row, report, two_formats
from tests.test_decision import decided, gate
from tests.test_page import SCALE

pytestmark = pytest.mark.browser

PHONE, DESK = Look(360, dark=False), Look(1280, dark=False)


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with browser() as opened:
        yield opened


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Failed gates, two devices, long tables, long names, and photos with their maps."""
    files = two_formats().models
    there = [row.model_copy(update={"device": "pi4", "latency_note": "disturbed"}) for row in files]
    rows, gates = [*files, *there], [gate("failed"), gate("passed"), gate("undecided")] * 5
    said = [Prediction(model=name, predicted="bag", confidence=0.5) for name in ("a", "b")]
    flips = [
        Flip(split="test", index=n, label="coat", before=said[0], after=said[1]) for n in range(3)
    ]
    photo = np.random.default_rng(0).integers(0, 256, (32, 40, 3)).astype(np.uint8)
    seen = laid_over(photo, np.eye(4, dtype=np.float32))
    album = {
        **{f"test:{n}": data_uri(photo) for n in range(3)},
        **{f"seen test:{n}": data_uri(seen) for n in range(3)},
    }
    shown = report(
        rows, gates=gates, flips=flips, recommended=recommend(rows),
        decision=decided(rows, *gates), scales=[{**SCALE, "tensor": "name_" * 20}] * 13,
    )  # fmt: skip
    path = tmp_path_factory.mktemp("page") / "made.html"
    path.write_text(render(shown, album), encoding="utf-8")
    return path


def test_a_planted_fault_of_each_kind_is_found(chromium: Browser, tmp_path: Path) -> None:
    page = tmp_path / "bad.html"
    page.write_text(
        "<!doctype html><title>x</title><p style='color:#ccc;background:#fff'>pale</p>"
        "<img src='http://127.0.0.1:9/a.png'><div style='width:900px'>wide</div>"
        "<script>nothing()</script>"
    )
    chromium.open(page, PHONE)
    found = " ".join(chromium.violations())
    for rule in ("color-contrast", "image-alt", "html-has-lang"):
        assert rule in found
    assert "wide" in " ".join(chromium.overflow())
    assert chromium.fetched() == ["http://127.0.0.1:9/a.png"]
    assert "nothing is not defined" in " ".join(chromium.complaints())


def test_the_page_of_a_run_is_accessible_in_every_look(chromium: Browser, run: Path) -> None:
    assert faults(chromium, run / "report.html") == {}


def test_a_page_of_photos_gates_and_devices_is_accessible_in_every_look(
    chromium: Browser, made: Path
) -> None:
    assert faults(chromium, made) == {}


def test_the_page_of_a_measurement_is_accessible_in_every_look(
    chromium: Browser, run: Path, tmp_path: Path
) -> None:
    document = result.read(run / "bench" / "local.json")
    bench.write({"local": document}, {"pi4": "no answer"}, tmp_path / "bench.html")
    assert faults(chromium, tmp_path / "bench.html") == {}


ROWS = "[...document.querySelectorAll('table')].find(t => t.caption?.textContent === '{}')"
TOPS = "[...{}.tBodies[0].rows].map(r => r.cells[{}].textContent)"


def test_a_table_sorts_by_the_keyboard_and_says_which_way(chromium: Browser, made: Path) -> None:
    chromium.open(made, DESK)
    table = ROWS.format("Models")
    chromium.evaluate(f"{table}.tHead.rows[0].cells[4].querySelector('button').focus()")
    for direction in ("ascending", "descending"):
        chromium.press("Enter", 13)
        got = chromium.evaluate(f"{table}.tHead.rows[0].cells[4].getAttribute('aria-sort')")
        assert got == direction
        tops = chromium.evaluate(TOPS.format(table, 4))
        assert tops == sorted(tops, key=float, reverse=direction == "descending")
    chromium.evaluate(f"{table}.tHead.rows[0].cells[1].querySelector('button').click()")
    marked = chromium.evaluate(f"{table}.querySelectorAll('[aria-sort]').length")
    assert marked == 1
    assert chromium.violations() == []


def test_a_long_table_folds_and_opens(chromium: Browser, made: Path) -> None:
    chromium.open(made, DESK)
    table = ROWS.format("Gates")
    shown = f"[...{table}.tBodies[0].rows].filter(r => r.offsetHeight).length"
    toggle = f"{table}.parentElement.nextElementSibling"
    assert chromium.evaluate(f"[{shown}, {toggle}.ariaExpanded]") == [12, "false"]
    chromium.evaluate(f"{toggle}.click()")
    assert chromium.evaluate(f"[{shown}, {toggle}.ariaExpanded]") == [15, "true"]


def test_without_javascript_and_on_paper_all_rows_are_there(chromium: Browser, made: Path) -> None:
    shown = f"[...{ROWS.format('Gates')}.tBodies[0].rows].filter(r => r.offsetHeight).length"
    chromium.call("Emulation.setScriptExecutionDisabled", value=True)
    chromium.open(made, DESK)
    chromium.call("Emulation.setScriptExecutionDisabled", value=False)
    assert chromium.evaluate("document.querySelectorAll('button').length") == 0
    assert chromium.evaluate(shown) == 15
    chromium.open(made, DESK)
    chromium.call("Emulation.setEmulatedMedia", media="print")
    assert chromium.evaluate(shown) == 15
    chromium.call("Emulation.setEmulatedMedia", media="")


def test_the_first_key_skips_to_the_results(chromium: Browser, made: Path) -> None:
    chromium.open(made, DESK)
    chromium.press("Tab", 9)
    assert chromium.evaluate("document.activeElement.className") == "skip"
    chromium.press("Enter", 13)
    assert chromium.evaluate("location.hash") == "#main"


def test_nothing_but_the_pages_own_script_runs(chromium: Browser, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    hostile = render(report([model_row("student.int8.tflite")]))
    page.write_text(hostile.replace("</main>", "<script>document.title = 'x'</script></main>"))
    chromium.open(page, DESK)
    assert chromium.evaluate("document.title") != "x"
    assert "Content Security Policy" in " ".join(chromium.complaints())
