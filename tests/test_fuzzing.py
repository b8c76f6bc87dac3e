"""A fixed number of hostile inputs, found by the coverage of what reads them."""

import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

RUNS = 20_000
ROOT = Path(__file__).parent.parent


@pytest.mark.skipif(find_spec("atheris") is None, reason="atheris has no wheel for this platform")
@pytest.mark.parametrize("reader", ["bundle", "result"])
def test_a_reader_of_strangers_bytes_raises_only_what_a_user_can_act_on(
    reader: str, tmp_path: Path
) -> None:
    argv = [sys.executable, "-m", "tests.fuzzing", reader, f"-runs={RUNS}", "-seed=1"]
    done = subprocess.run(
        [*argv, "-rss_limit_mb=0", f"-artifact_prefix={tmp_path}/"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert f"Done {RUNS} runs" in done.stderr
