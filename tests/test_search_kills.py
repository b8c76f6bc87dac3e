"""A search that is killed again and again, as the command."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from pipeline.reporting.schema.search import SearchResult, read
from tests.test_search_command import SPACE

NOISY = {"measuring_s", "training_s", "untrained", "trained"}
"""What differs between two observations; the size of the files is compared apart."""


def command(recipe: Path, data: Path, out: Path) -> list[str]:
    arguments = ["search", str(recipe), "--data", str(data), "--out", str(out), "--trials", "8"]
    return [sys.executable, "-m", "pipeline", *arguments]


def trials(result: SearchResult) -> list[dict[str, Any]]:
    rows = [row.model_dump(exclude=NOISY) for row in result.trials]
    sizes = [(row.untrained or row.trained) for row in result.trials]
    return [
        {**row, "size": size and size.size_bytes} for row, size in zip(rows, sizes, strict=True)
    ]


@pytest.mark.slow
def test_a_search_killed_at_random_moments_comes_to_the_trials_of_an_undisturbed_one(
    tmp_path: Path, recipe_file: Path, data_file: Path
) -> None:
    recipe = tmp_path / "tiny.toml"
    recipe.write_text(recipe_file.read_text() + SPACE)
    whole = command(recipe, data_file, tmp_path / "whole")
    subprocess.run(whole, check=True, capture_output=True)
    moments, kills = random.Random(0), 0
    broken = command(recipe, data_file, tmp_path / "broken")
    while True:
        run = subprocess.Popen(
            broken, stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL, start_new_session=True
        )
        try:
            run.wait(moments.uniform(6, 25) if kills < 8 else None)
            break
        except subprocess.TimeoutExpired:
            os.killpg(run.pid, signal.SIGKILL)
            run.wait()
            kills += 1
            time.sleep(0.5)
    assert kills >= 3
    assert run.returncode == 0
    found = [read(tmp_path / name / "tiny-search" / "search.json") for name in ("whole", "broken")]
    assert trials(found[0]) == trials(found[1])
    best = [
        (tmp_path / name / "tiny-search" / "best.toml").read_text() for name in ("whole", "broken")
    ]
    assert best[0].partition("\n\n")[2] == best[1].partition("\n\n")[2]
