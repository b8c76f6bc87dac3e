"""Bundles of the tests' own run, and what runs in the receiver's place."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

from pipeline.cli.app import exit_code

ALONE = """
import runpy, sys
class Refused:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] in ("pipeline", "targets"):
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Refused())
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""
"""Runs a script where none of our packages can be imported."""


def packed(run: Path, out: Path, *options: str) -> Path:
    """The bundle of `run`."""
    assert exit_code(["package", str(run), "--out", str(out), *options]) == 0
    (bundle,) = out.glob("*.zip")
    return bundle


def unpacked(bundle: Path, to: Path) -> Path:
    with zipfile.ZipFile(bundle) as archive:
        archive.extractall(to)
    return to


def alone(bundle: Path, *argv: str) -> subprocess.CompletedProcess[str]:
    """`python predict.py *argv` in the folder of a bundle, which has nothing else of ours."""
    return subprocess.run(
        [sys.executable, "-I", "-c", ALONE, "predict.py", *argv],
        cwd=bundle,
        capture_output=True,
        text=True,
        timeout=60,
    )


def top(bundle: Path, *argv: str) -> list[list[dict[str, float | str]]]:
    """The classes of each input, as `predict.py --json` prints them."""
    done = alone(bundle, *argv, "--json")
    assert done.returncode == 0, done.stderr
    return [json.loads(line)["top"] for line in done.stdout.splitlines()]
