"""Complete or not there: whatever crashes, races or rots."""

import multiprocessing
import os
import time
from pathlib import Path

import pytest

from pipeline.engine.manifest import Manifest, StageKey, key_digest
from pipeline.engine.progress import SilentConsole
from pipeline.engine.store import Damaged, Store, Stored, digests, replace_folder

MADE_FROM = StageKey(stage="teacher", recipe={}, inputs={}, code={}, libraries={})
KEY = key_digest(MADE_FROM)


def manifest(out: Path) -> Manifest:
    return Manifest(files=digests(out), made_from=MADE_FROM, created_utc="2026", wall_s=1.0)


def publish(root: Path, content: str = "weights") -> Stored:
    store = Store(root)
    with store.scratch("teacher", KEY, SilentConsole()) as scratch:
        out = scratch / "out"
        out.mkdir()
        (out / "weights.npz").write_text(content)
        (out / "artifact.json").write_text("{}")
        stored = store.publish(out, stage="teacher", key=KEY, manifest=manifest(out))
        store.clear(scratch)
    return stored


def test_what_is_published_is_found(tmp_path: Path) -> None:
    stored = publish(tmp_path)
    found = Store(tmp_path).find("teacher", KEY)
    assert found == stored
    assert (stored.folder / "weights.npz").read_text() == "weights"


def test_a_crash_publishes_nothing_and_keeps_the_scratch_folder(tmp_path: Path) -> None:
    store = Store(tmp_path)

    def crash() -> None:
        with store.scratch("teacher", KEY, SilentConsole()) as scratch:
            (scratch / "checkpoint.npz").write_text("epoch 3")
            raise RuntimeError

    with pytest.raises(RuntimeError):
        crash()
    assert store.find("teacher", KEY) is None
    with store.scratch("teacher", KEY, SilentConsole()) as scratch:
        assert (scratch / "checkpoint.npz").read_text() == "epoch 3"


def test_a_folder_without_manifest_is_no_result(tmp_path: Path) -> None:
    (Store(tmp_path).folder("teacher", KEY)).mkdir()
    assert Store(tmp_path).find("teacher", KEY) is None


@pytest.mark.parametrize("what", ["weights.npz", "manifest.json"])
def test_damage_is_found_when_a_result_is_read(tmp_path: Path, what: str) -> None:
    path = publish(tmp_path).folder / what
    path.write_bytes(b"\xff" + path.read_bytes()[1:])
    assert Store(tmp_path).find("teacher", KEY) == Damaged(what=what)


def test_a_missing_file_is_damage(tmp_path: Path) -> None:
    (publish(tmp_path).folder / "weights.npz").unlink()
    assert Store(tmp_path).find("teacher", KEY) == Damaged(what="weights.npz")


@pytest.mark.parametrize("content", ["[]", "{}", '{"files": {}, "made_from": {"stage": "x"}}'])
def test_a_manifest_that_is_none_is_damage_and_stops_no_plan(tmp_path: Path, content: str) -> None:
    (publish(tmp_path).folder / "manifest.json").write_text(content)
    assert Store(tmp_path).find("teacher", KEY) == Damaged(what="manifest.json")
    assert Store(tmp_path).latest("teacher") is None


def test_the_same_bytes_are_not_replaced_under_a_readers_hands(tmp_path: Path) -> None:
    first = publish(tmp_path).folder.stat().st_ino
    assert publish(tmp_path).folder.stat().st_ino == first
    assert publish(tmp_path, "other").folder.stat().st_ino != first


def test_a_result_can_be_replaced(tmp_path: Path) -> None:
    publish(tmp_path, "old")
    publish(tmp_path, "new")
    found = Store(tmp_path).find("teacher", KEY)
    assert isinstance(found, Stored)
    assert (found.folder / "weights.npz").read_text() == "new"
    assert [p.name for p in tmp_path.iterdir() if p.name.endswith(".old")] == []


def test_a_digest_is_of_the_contents_alone(tmp_path: Path) -> None:
    first, second = publish(tmp_path / "a"), publish(tmp_path / "b")
    assert first.manifest.digest == second.manifest.digest
    assert publish(tmp_path / "c", "other").manifest.digest != first.manifest.digest


def make_if_missing(root: Path, made: Path, name: str) -> None:
    store = Store(root)
    with store.scratch("teacher", KEY, SilentConsole()) as scratch:
        if store.find("teacher", KEY) is not None:
            return
        out = scratch / "out"
        out.mkdir()
        (made / name).touch()
        (out / "artifact.json").write_text("{}")
        time.sleep(0.3)  # long enough for the others to want it too
        store.publish(out, stage="teacher", key=KEY, manifest=manifest(out))
        store.clear(scratch)


def test_of_racing_runs_one_makes_it_and_the_others_find_it(tmp_path: Path) -> None:
    made = tmp_path / "made"
    made.mkdir()
    spawn = multiprocessing.get_context("spawn")
    runs = [
        spawn.Process(target=make_if_missing, args=(tmp_path / "store", made, f"{i}"))
        for i in range(4)
    ]
    for run in runs:
        run.start()
    for run in runs:
        run.join(60)
    assert [run.exitcode for run in runs] == [0] * 4
    assert len(list(made.iterdir())) == 1
    assert isinstance(Store(tmp_path / "store").find("teacher", KEY), Stored)


def test_a_run_that_waits_says_so(tmp_path: Path) -> None:
    import threading

    store, console = Store(tmp_path), SilentConsole()
    entered, leave = threading.Event(), threading.Event()

    def hold() -> None:
        with store.scratch("teacher", KEY, SilentConsole()):
            entered.set()
            leave.wait(10)

    holder = threading.Thread(target=hold)
    holder.start()
    entered.wait(10)
    threading.Timer(0.2, leave.set).start()
    with store.scratch("teacher", KEY, console):
        pass
    holder.join()
    assert console.lines == ["teacher   another run is making this; waiting for it"]


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_what_stops_between_the_renames_leaves_the_old_folder_in_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: type[BaseException]
) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    rename = os.replace

    def stopped(source: Path, target: Path) -> None:
        if source == tmp_path / "new":
            raise error
        rename(source, target)

    monkeypatch.setattr("pipeline.engine.store.os.replace", stopped)
    with pytest.raises(error):
        replace_folder(tmp_path / "new", tmp_path / "old")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["new", "old"]
    assert [p.name for p in (tmp_path / "old").iterdir()] == ["old"]


def test_a_replaced_folder_is_whole(tmp_path: Path) -> None:
    for name in ("old", "new"):
        (tmp_path / name).mkdir()
        (tmp_path / name / name).touch()
    replace_folder(tmp_path / "new", tmp_path / "old")
    assert [p.name for p in tmp_path.iterdir()] == ["old"]
    assert [p.name for p in (tmp_path / "old").iterdir()] == ["new"]
