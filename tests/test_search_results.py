"""The results folder of a search that was there before."""

from pathlib import Path

import pytest

from pipeline.cluster.here import InProcess
from pipeline.engine.progress import SilentConsole
from pipeline.engine.store import Store
from pipeline.recipe.load import read
from pipeline.reporting.schema.search import FILE
from pipeline.search import best
from pipeline.search.search import Search
from pipeline.search.winner import Chosen
from tests import searches
from tests.test_search import Formulas

TRIALS = [searches.trial(number) for number in range(3)]


@pytest.fixture
def made(tmp_path: Path) -> Search:
    return Search(
        source=read("digits"),
        folder=tmp_path,
        store=Store(tmp_path / "store"),
        cluster=InProcess(store=Store(tmp_path / "store")),
        measuring=Formulas(),
        console=SilentConsole(),
    )


def test_the_recipe_of_an_earlier_search_does_not_outlive_it(made: Search) -> None:
    (made.folder / best.FILE).write_text("of other limits")
    made._publish(searches.search(TRIALS), Chosen())
    assert not (made.folder / best.FILE).exists()


def test_a_finished_search_is_shown_again_only_if_all_of_it_is_there(made: Search) -> None:
    done = searches.search(TRIALS, recommended=1)
    now = searches.search(TRIALS, finished=False)
    assert made._finished(now) is None
    (made.folder / FILE).write_text(done.dump())
    assert made._finished(now) is None, "without best.toml, it ended before it was published"
    (made.folder / best.FILE).write_text("x")
    assert made._finished(now) == done
    (made.folder / FILE).write_text(done.dump()[:-100])
    assert made._finished(now) is None, "a damaged document is written again"
