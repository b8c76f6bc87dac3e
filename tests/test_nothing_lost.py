"""Kills, races, full and read-only disks: the bytes of an undisturbed run, or one clear error.

`benchmarks/kills.py` kills 50 runs over all stages; here, only the quickest one is made again.
"""

import errno
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest

from pipeline.engine.store import Store, digests
from pipeline.engine.upkeep.verification import faults
from targets.files.npy_file import new_npy
from tests.conftest import Lane

NO_BENCH = ("--set", "bench.enabled=false")


@pytest.fixture
def out(finished: Lane, tmp_path: Path) -> Path:
    """The store of the finished lane without its logits."""
    shutil.copytree(finished.out / ".store", tmp_path / ".store")
    (logits,) = (tmp_path / ".store").glob("logits-*")
    shutil.rmtree(logits)
    return tmp_path


@contextmanager
def started(lane: Lane, out: Path) -> "Iterator[subprocess.Popen[str]]":
    """The run of `lane` into `out` in a process group of its own, killed at the end."""
    formats = ("--target", "tflite", "--target", "onnx")
    argv = ("run", str(lane.recipe_file), "--data", str(lane.data_file), *formats, *NO_BENCH)
    with subprocess.Popen(
        [sys.executable, "-m", "pipeline", *argv, "--out", str(out)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            yield process
        finally:
            with suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)


def require_undisturbed(out: Path, finished: Lane) -> None:
    """The bytes of the finished lane, and nothing else."""
    assert digests(out / "tiny" / "models") == digests(finished.out / "tiny" / "models")
    assert list(faults(out / ".store")) == []
    assert sorted(path.name for path in out.iterdir()) == [".store", ".tiny.lock", "tiny"]


def test_two_runs_race_over_what_a_killed_one_left(finished: Lane, out: Path) -> None:
    with started(finished, out) as killed:
        assert killed.stderr is not None
        assert any(line.startswith("logits ") for line in killed.stderr)
    assert not (out / "tiny").exists()
    assert list((out / ".store").glob("logits-*")) == []
    with started(finished, out) as one, started(finished, out) as two:
        said = [run.communicate(timeout=200)[1] for run in (one, two)]
        assert [run.returncode for run in (one, two)] == [0, 0], said
    assert sum("logits    done" in text for text in said) == 1
    require_undisturbed(out, finished)


@contextmanager
def mounted(place: Path, *options: str) -> Iterator[None]:
    """A small file system in memory at `place`."""
    place.mkdir(exist_ok=True)
    mount = ["mount", "-t", "tmpfs", "-o", ",".join(options), "tmpfs", str(place)]
    if os.geteuid() or subprocess.run(mount, capture_output=True).returncode:
        pytest.skip("mounting a file system needs root")
    try:
        yield
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def remount(place: Path, option: str) -> None:
    subprocess.run(["mount", "-o", f"remount,{option}", str(place)], check=True)


def test_a_full_disk_publishes_nothing_and_with_room_the_run_ends(
    finished: Lane, out: Path, tmp_path: Path
) -> None:
    disk = tmp_path / "disk"
    with mounted(disk, "size=20m"):
        shutil.move(out / ".store", disk / ".store")
        lane = Lane(finished.recipe_file, finished.data_file, disk)
        run = (("convert.targets", ["tflite", "onnx"]), ("bench.enabled", False))
        free = shutil.disk_usage(disk).free - 8_000
        (disk / "ballast").write_bytes(bytes(free))
        with pytest.raises(OSError, match="No space left on device"):
            lane.run(*run)
        assert not (disk / "tiny").exists()
        assert list((disk / ".store").glob("logits-*")) == []
        (disk / "ballast").unlink()
        lane.run(*run)
        require_undisturbed(disk, finished)


def test_a_store_that_cannot_be_written_serves_a_run_without_files_of_others(
    finished: Lane, tmp_path: Path
) -> None:
    store = tmp_path / "a store\nü"
    with mounted(store, "size=20m"):
        shutil.copytree(finished.out / ".store", store, dirs_exist_ok=True)
        (exports,) = store.glob("convert-*")
        (exports / "models" / "extra.tflite").touch()
        remount(store, "ro")
        lane = Lane(finished.recipe_file, finished.data_file, tmp_path / "out")
        both = ("convert.targets", ["tflite", "onnx"])
        lane.run(both, ("bench.enabled", False), store=str(store))
        made = tmp_path / "out" / "tiny" / "models"
        assert digests(made) == digests(finished.out / "tiny" / "models")
        with pytest.raises(OSError, match="Read-only file system"):
            lane.run(both, ("teacher.epochs", 1), store=str(store))
        assert digests(made) == digests(finished.out / "tiny" / "models")


def refusing(file: int, start: int, size: int) -> None:
    raise OSError(errno.EOPNOTSUPP, os.strerror(errno.EOPNOTSUPP))


@pytest.mark.parametrize("has", ["the call", "no such call", "a file system without it"])
def test_a_mapped_file_on_a_full_disk_is_an_error(
    tmp_path: Path, has: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without its space taken first, the process would end with SIGBUS."""
    if has == "no such call":
        monkeypatch.delattr(os, "posix_fallocate")
    elif has == "a file system without it":
        monkeypatch.setattr(os, "posix_fallocate", refusing)
    with mounted(tmp_path / "disk", "size=64k"):
        with pytest.raises(OSError, match=r"No space left on device.*big\.npy"):
            new_npy(tmp_path / "disk" / "big.npy", np.float16, (1000, 1000))
        (tmp_path / "disk" / "big.npy").unlink()
        mapped = new_npy(tmp_path / "disk" / "small.npy", np.float16, (10, 10))
        mapped[:] = 7
        assert np.load(tmp_path / "disk" / "small.npy").sum() == 700


@pytest.mark.parametrize("given", ["", None])
def test_an_empty_variable_for_the_store_is_none(
    finished: Lane, monkeypatch: pytest.MonkeyPatch, given: str | None
) -> None:
    from click.testing import CliRunner

    from pipeline.cli.app import main

    done = CliRunner(env={"PIPELINE_STORE": given}).invoke(
        main, ["store", "verify", "--out", str(finished.out)]
    )
    assert done.output == "5 results are whole\n"
    assert Store(finished.out / ".store").latest("teacher") is not None
