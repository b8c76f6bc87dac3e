"""`pipeline store`: what goes, what stays, and what is damaged. No TensorFlow."""

import json
import os
import shutil
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.app import exit_code
from pipeline.engine.manifest import Manifest, StageKey, key_digest
from pipeline.engine.progress import SilentConsole
from pipeline.engine.references import References
from pipeline.engine.store import Store, Stored, digests, folder_beside

Gc = Callable[..., dict[str, Any]]
DAY_S = 86400


def stored(out: Path, stage: str, value: int = 0) -> Stored:
    """A result of `stage` in the store of `out`."""
    made_from = StageKey(stage=stage, recipe={"v": value}, inputs={}, code={}, libraries={})
    key, store = key_digest(made_from), Store(out / ".store")
    with store.scratch(stage, key, SilentConsole()) as scratch:
        made = scratch / "out"
        made.mkdir()
        (made / "weights.npz").write_text(f"weights {value}")
        (made / "artifact.json").write_text("{}")
        manifest = Manifest(files=digests(made), made_from=made_from, created_utc="", wall_s=1)
        published = store.publish(made, stage=stage, key=key, manifest=manifest)
        store.clear(scratch)
    return published


def results(out: Path, name: str, *made_from: Stored) -> None:
    """A results folder."""
    stages = {one.manifest.made_from["stage"]: one.manifest.model_dump() for one in made_from}
    (out / name).mkdir(parents=True)
    (out / name / "provenance.json").write_text(json.dumps({"stages": stages}))


def unfinished(out: Path, name: str, *, days: float = 0) -> Path:
    """The work folder of an interrupted stage, which was last written to `days` ago."""
    work = out / ".store" / "work" / name
    work.mkdir(parents=True)
    (work / "teacher.npz").write_text("epoch 3")
    aged(work, days)
    return work


def aged(path: Path, days: float) -> None:
    then = time.time() - days * DAY_S
    for one in (*path.rglob("*"), path):
        os.utime(one, (then, then))


@pytest.fixture
def gc(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> Gc:
    """`pipeline store gc --json` over `tmp_path`: name of each folder -> reason."""

    def run(*argv: str) -> dict[str, Any]:
        capsys.readouterr()
        assert exit_code(["store", "gc", "--out", str(tmp_path), "--json", *argv]) == 0
        entries = json.loads(capsys.readouterr().out)["entries"]
        return {Path(one["path"]).name: one["reason"] for one in entries}

    return run


def names(out: Path) -> set[str]:
    return {path.name for path in (out / ".store").iterdir()} - {"work", "runs", ".lock"}


def test_what_results_folders_were_made_from_stays_and_the_rest_goes(
    tmp_path: Path, gc: Gc
) -> None:
    kept, other = stored(tmp_path, "teacher", 1), stored(tmp_path, "teacher", 2)
    results(tmp_path, "mine", kept)
    expected = {other.folder.name: "no results folder refers to it"}
    assert gc() == gc("--dry-run") == expected
    assert other.folder.exists()  # only listed
    assert gc("--yes") == expected
    assert names(tmp_path) == {kept.folder.name}
    assert gc("--yes") == {}


def test_results_folders_elsewhere_that_used_the_store_count_until_they_are_gone(
    tmp_path: Path, gc: Gc
) -> None:
    used = stored(tmp_path, "teacher")
    results(tmp_path / "elsewhere", "mine", used)
    note = References(store=tmp_path / ".store", results=tmp_path / "elsewhere" / "mine")
    note.add(used.folder.name)
    note.finish()
    assert gc() == {}
    shutil.rmtree(tmp_path / "elsewhere")
    assert gc("--yes") == {used.folder.name: "no results folder refers to it"}
    assert list((tmp_path / ".store" / "runs").iterdir()) == []


def test_an_interrupted_run_keeps_what_it_has_made_for_a_time(tmp_path: Path, gc: Gc) -> None:
    made = stored(tmp_path, "teacher")
    References(store=tmp_path / ".store", results=tmp_path / "mine").add(made.folder.name)
    assert gc() == {}
    aged(tmp_path / ".store" / "runs", days=31)
    assert set(gc()) == {made.folder.name}
    assert gc("--older-than", "60d") == {}


def test_an_interrupted_run_keeps_what_the_results_before_it_refer_to(
    tmp_path: Path, gc: Gc
) -> None:
    teacher, variant, later = (stored(tmp_path, "teacher", n) for n in range(3))
    results(tmp_path, "mine", teacher)
    note = References(store=tmp_path / ".store", results=tmp_path / "mine")
    note.add(variant.folder.name)  # of an ablation, and so not in the provenance
    note.finish()
    again = References(store=tmp_path / ".store", results=tmp_path / "mine")
    again.add(later.folder.name)
    assert gc() == {}
    again.finish()
    assert set(gc()) == {variant.folder.name}


def test_a_finished_search_keeps_what_it_names_until_its_folder_is_gone(
    tmp_path: Path, gc: Gc
) -> None:
    winner, other = (stored(tmp_path, "distill", n) for n in range(2))
    (tmp_path / "mine-search").mkdir()
    (tmp_path / "mine-search" / "search.json").write_text("{}")
    note = References(store=tmp_path / ".store", results=tmp_path / "mine-search")
    for one in (winner, other):
        note.add(one.folder.name)
    assert gc() == {}
    named = References(store=note.store, results=note.results)
    named.add(winner.folder.name)
    named.finish()
    assert set(gc()) == set(gc("--older-than", "0d")) == {other.folder.name}
    shutil.rmtree(tmp_path / "mine-search")
    assert set(gc()) == {winner.folder.name, other.folder.name}


def test_a_note_that_cannot_be_read_stops_the_cleaning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = stored(tmp_path, "teacher")
    note = References(store=tmp_path / ".store", results=tmp_path / "mine")
    note.add(made.folder.name)
    (file,) = (tmp_path / ".store" / "runs").iterdir()
    file.write_text("{")
    assert exit_code(["store", "gc", "--out", str(tmp_path), "--yes"]) == 2
    assert f"{file.name}: not the note of a run" in capsys.readouterr().err
    assert made.folder.exists()
    note.add("another")  # the run itself goes on
    assert exit_code(["store", "gc", "--out", str(tmp_path)]) == 0


def test_files_that_a_run_removes_meanwhile_are_not_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    unfinished(tmp_path, f"distill-{'0' * 16}")
    lstat = Path.lstat

    def removing(path: Path) -> os.stat_result:
        if path.name == "teacher.npz":
            path.unlink()
        return lstat(path)

    monkeypatch.setattr(Path, "lstat", removing)
    found = json.loads(run_json("store", "size", "--out", str(tmp_path)))
    assert found["unfinished"] == {"count": 1, "size_bytes": 0}


def test_unfinished_work_goes_when_it_is_old_or_finished(tmp_path: Path, gc: Gc) -> None:
    made = stored(tmp_path, "teacher")
    results(tmp_path, "mine", made)
    old, new = f"distill-{'0' * 16}", f"quantize-{'0' * 16}"
    unfinished(tmp_path, old, days=31)
    recent = unfinished(tmp_path, new, days=29)
    unfinished(tmp_path, made.folder.name)
    assert gc("--yes") == {
        old: "unfinished, and not continued since",
        made.folder.name: "the stage was finished",
    }
    assert (recent / "teacher.npz").exists()
    assert made.folder.exists()


def test_a_clock_that_went_backwards_keeps_unfinished_work(tmp_path: Path, gc: Gc) -> None:
    stored(tmp_path, "teacher")
    unfinished(tmp_path, f"distill-{'0' * 16}", days=-400)
    assert f"distill-{'0' * 16}" not in gc("--older-than", "0d")


def test_a_store_in_use_is_not_cleaned(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    unused = stored(tmp_path, "teacher")
    with Store(tmp_path / ".store").used(SilentConsole()):
        assert exit_code(["store", "gc", "--out", str(tmp_path), "--yes"]) == 2
    assert "a run uses this store" in capsys.readouterr().err
    assert unused.folder.exists()


def test_a_run_that_starts_while_the_store_is_cleaned_waits(tmp_path: Path) -> None:
    from pipeline.engine.upkeep.cleaning import alone

    store, console, entered = Store(tmp_path), SilentConsole(), threading.Event()

    def use() -> None:
        with store.used(console):
            entered.set()

    with alone(tmp_path):
        run = threading.Thread(target=use)
        run.start()
        assert not entered.wait(0.2)
    assert entered.wait(10)
    run.join()
    assert console.lines == [f"{tmp_path} is being cleaned; waiting for it"]


def test_a_kill_while_the_store_is_cleaned_leaves_no_half_of_a_result(
    tmp_path: Path, gc: Gc, monkeypatch: pytest.MonkeyPatch
) -> None:
    unused = stored(tmp_path, "teacher")

    def killed(path: Path) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr("pipeline.engine.upkeep.cleaning.shutil.rmtree", killed)
        assert exit_code(["store", "gc", "--out", str(tmp_path), "--yes"]) == 130
    assert not unused.folder.exists()
    assert list(gc("--yes").values()) == ["left by a kill"]
    assert names(tmp_path) == set()


def test_what_is_not_ours_in_a_store_is_never_touched(tmp_path: Path, gc: Gc) -> None:
    others = ["notes.txt", "teacher-backup", "photos", f"teacher-{'g' * 16}"]
    for name in others:
        (tmp_path / ".store" / name).mkdir(parents=True)
    assert gc("--yes", "--older-than", "0d") == {}
    assert names(tmp_path) == set(others)


def test_a_recipe_can_be_kept(tmp_path: Path, gc: Gc) -> None:
    plan = json.loads(run_json("plan", "digits", "--out", str(tmp_path)))
    work = unfinished(tmp_path, plan[0]["folder"], days=99)
    assert set(gc()) == {work.name}
    assert gc("--keep", "digits") == {}


def run_json(*argv: str) -> str:
    from click.testing import CliRunner

    from pipeline.cli.app import main

    return CliRunner().invoke(main, [*argv, "--json"], catch_exceptions=False).stdout


def test_sizes_are_by_stage_and_by_run(tmp_path: Path) -> None:
    shared, own = stored(tmp_path, "teacher"), stored(tmp_path, "distill")
    results(tmp_path, "a", shared)
    results(tmp_path, "b", shared, own)
    stored(tmp_path, "distill", 2)
    unfinished(tmp_path, f"quantize-{'0' * 16}")
    found = json.loads(run_json("store", "size", "--out", str(tmp_path)))
    assert {name: one["count"] for name, one in found["stages"].items()} == {
        "distill": 2,
        "teacher": 1,
    }
    assert {Path(one["results"]).name: one["count"] for one in found["runs"]} == {"a": 1, "b": 2}
    assert found["unreferenced"]["count"] == found["unfinished"]["count"] == 1
    files = [path for path in (tmp_path / ".store").rglob("*") if path.is_file()]
    counted = [path for path in files if path.suffix != ".lock"]
    assert found["total"]["size_bytes"] == sum(path.stat().st_size for path in counted)


def test_provenance_that_cannot_be_read_stops_the_cleaning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = stored(tmp_path, "teacher")
    results(tmp_path, "mine", made)
    (tmp_path / "mine" / "provenance.json").write_text("{")
    assert exit_code(["store", "gc", "--out", str(tmp_path), "--yes"]) == 2
    assert "mine/provenance.json: not the provenance of a run" in capsys.readouterr().err
    assert made.folder.exists()


@pytest.mark.parametrize("what", ["size", "gc", "verify"])
def test_where_no_store_is_is_one_error(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], what: str
) -> None:
    assert exit_code(["store", what, "--store", str(tmp_path / "a\nb")]) == 2
    assert "a\\nb: no store there" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


def test_an_option_before_the_command_is_not_ignored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(["store", "--out", str(tmp_path), "gc", "--yes"]) == 2
    assert "behind the command: pipeline store gc" in capsys.readouterr().err


@pytest.mark.parametrize("age", ["30", "d", "-1d", "1w", "x"])
def test_what_is_no_age_is_one_error(tmp_path: Path, age: str) -> None:
    assert exit_code(["store", "gc", "--out", str(tmp_path), f"--older-than={age}"]) == 2


def one_byte(folder: Path) -> None:
    path = folder / "weights.npz"
    path.write_bytes(b"W" + path.read_bytes()[1:])


def a_link(folder: Path) -> None:
    path = folder / "weights.npz"
    path.rename(folder.parent / "moved")
    path.symlink_to(folder.parent / "moved")


def a_folder(folder: Path) -> None:
    (folder / "weights.npz").unlink()
    (folder / "weights.npz").mkdir()


def another_schema(folder: Path) -> None:
    (folder / "manifest.json").write_text('{"schema": "manifest/9"}')


def half_a_manifest(folder: Path) -> None:
    path = folder / "manifest.json"
    path.write_text(path.read_text()[:100])


def a_file(folder: Path) -> None:
    shutil.rmtree(folder)
    folder.write_text("")


def another_result(folder: Path) -> None:
    other = stored(folder.parent.parent, "teacher", 9)
    shutil.rmtree(folder)
    other.folder.rename(folder)


EDITS: dict[str, tuple[Callable[[Path], object], str]] = {
    "one byte": (one_byte, "weights.npz"),
    "a missing file": (lambda folder: (folder / "weights.npz").unlink(), "weights.npz"),
    "a link": (a_link, "weights.npz"),
    "a folder in place of a file": (a_folder, "weights.npz"),
    "no manifest": (lambda folder: (folder / "manifest.json").unlink(), "manifest.json"),
    "a manifest of another schema": (another_schema, "manifest.json"),
    "half a manifest": (half_a_manifest, "manifest.json"),
    "a file in place of the folder": (a_file, "manifest.json"),
    "the folder of another result": (another_result, "manifest.json"),
}


@pytest.mark.parametrize("edit", EDITS)
def test_an_edited_result_is_found_removed_and_can_be_made_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], edit: str
) -> None:
    made, whole = stored(tmp_path, "teacher"), stored(tmp_path, "distill")
    change, file = EDITS[edit]
    change(made.folder)
    assert not isinstance(
        Store(tmp_path / ".store").find("teacher", key_digest(made.manifest.made_from)), Stored
    )
    assert exit_code(["store", "verify", "--out", str(tmp_path)]) == 1
    assert f"{made.folder.name}/{file} is missing or has other contents" in capsys.readouterr().out
    assert exit_code(["store", "verify", "--out", str(tmp_path), "--remove"]) == 0
    assert not os.path.lexists(made.folder)
    assert exit_code(["store", "verify", "--out", str(tmp_path)]) == 0
    assert whole.folder.exists()
    assert stored(tmp_path, "teacher").manifest.digest == made.manifest.digest


@pytest.mark.parametrize("edit", EDITS)
def test_a_stage_replaces_an_edited_result(tmp_path: Path, edit: str) -> None:
    made = stored(tmp_path, "teacher")
    EDITS[edit][0](made.folder)
    assert stored(tmp_path, "teacher").manifest.digest == made.manifest.digest
    assert exit_code(["store", "verify", "--out", str(tmp_path)]) == 0


def test_a_link_to_nothing_in_place_of_a_result_is_replaced(tmp_path: Path) -> None:
    made = stored(tmp_path, "teacher")
    shutil.rmtree(made.folder)
    made.folder.symlink_to(tmp_path / "nothing")
    assert stored(tmp_path, "teacher").manifest.digest == made.manifest.digest


def test_an_extra_file_is_found_and_removed_and_its_result_stays(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made = stored(tmp_path, "teacher")
    (made.folder / ".DS_Store").write_text("")
    assert exit_code(["store", "verify", "--out", str(tmp_path)]) == 1
    assert ".DS_Store belongs to no result" in capsys.readouterr().out
    assert exit_code(["store", "verify", "--out", str(tmp_path), "--remove"]) == 0
    assert sorted(path.name for path in made.folder.iterdir()) == [
        "artifact.json",
        "manifest.json",
        "weights.npz",
    ]


def killed_work(place: Path) -> Path:
    left = place.with_name(f".{place.name}.abcdefgh.new")
    left.mkdir()
    (left / ".lock").touch()
    return left


def test_the_next_run_clears_what_a_kill_left_beside_its_results(tmp_path: Path) -> None:
    left, other = killed_work(tmp_path / "mine"), killed_work(tmp_path / "mine.b")
    with folder_beside(tmp_path / "mine") as work:
        assert not left.exists()
        with folder_beside(tmp_path / "mine") as second:
            assert work.exists()  # of a run that goes on
        assert not second.exists()
        assert other.exists()
    assert sorted(tmp_path.glob(".mine.????????.*")) == []


def test_results_that_a_kill_left_aside_come_back(tmp_path: Path) -> None:
    aside = tmp_path / ".mine.abcdefgh.old" / "old"
    aside.mkdir(parents=True)
    (aside / "report.json").touch()
    with folder_beside(tmp_path / "mine"):
        assert (tmp_path / "mine" / "report.json").exists()
    assert not aside.parent.exists()


def test_gc_takes_what_kills_left_beside_results(tmp_path: Path, gc: Gc) -> None:
    stored(tmp_path, "teacher")
    left = killed_work(tmp_path / "mine")
    with folder_beside(tmp_path / "mine.b") as work:
        assert gc("--yes", "--older-than", "0d")[left.name] == "left by a kill"
        assert work.exists()
    assert not left.exists()


@pytest.mark.parametrize("name", [".config.20240101.old", ".config.20240101.new"])
def test_a_hidden_folder_of_the_user_beside_results_stays(
    tmp_path: Path, gc: Gc, name: str
) -> None:
    stored(tmp_path, "teacher")
    kept = tmp_path / name / "notes.txt"
    kept.parent.mkdir()
    kept.touch()
    gc("--yes")
    assert [one.name for one in kept.parent.iterdir()] == ["notes.txt"]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PIPELINE_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache" / "photos"


def copy(cache: Path, name: str, days: float) -> Path:
    """A decoded copy of pictures, last read `days` ago."""
    folder = cache / name
    folder.mkdir(parents=True)
    (folder / "images.npy").write_text("pixels")
    aged(folder, days)
    return folder


def test_old_copies_of_decoded_pictures_go_where_that_is_asked_for(
    tmp_path: Path, gc: Gc, cache: Path
) -> None:
    (tmp_path / ".store").mkdir()
    old, new, broken = (
        copy(cache, "a" * 64, 31),
        copy(cache, "b" * 64, 29),
        copy(cache, f"{'c' * 64}.work", 31),
    )
    mine = copy(cache, "holiday", 999)
    (mine / "beach.jpg").touch()
    assert gc("--yes") == {}
    assert set(gc("--cache", "--yes")) == {old.name, broken.name}
    assert sorted(path.name for path in cache.iterdir() if path.is_dir()) == [new.name, mine.name]


def test_old_copies_of_decoded_sounds_go_too(tmp_path: Path, gc: Gc, cache: Path) -> None:
    (tmp_path / ".store").mkdir()
    kinds = {cache: "images.npy", cache.with_name("sounds"): "waveforms.npy"}
    for number, (folder, name) in enumerate(kinds.items()):
        old = copy(folder, f"{number}" * 64, 31)
        (old / "images.npy").rename(old / name)
        aged(old, 31)
    assert gc("--cache") == {
        "0" * 64: "decoded pictures, not read since",
        "1" * 64: "decoded sounds, not read since",
    }


def test_a_copy_that_a_run_decodes_stays(tmp_path: Path, gc: Gc, cache: Path) -> None:
    from targets.files.file_lock import waiting_lock

    (tmp_path / ".store").mkdir()
    work = copy(cache, f"{'c' * 64}.work", 31)
    with waiting_lock(cache / f"{'c' * 64}.lock", on_wait=lambda: None):
        assert gc("--cache", "--yes") == {}
    assert work.exists()
