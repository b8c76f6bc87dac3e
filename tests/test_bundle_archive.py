"""The container of a bundle, as `pipeline package` writes it."""

import os
import shutil
import subprocess
import zipfile
from pathlib import Path

import pytest

from targets.bundle import archive
from targets.bundle.schema import SUMS
from targets.errors import InputError
from targets.files.digest import file_sha256


def small(folder: Path) -> Path:
    """A folder of files, made in no special order."""
    for name, content in {"b/ü.txt": b"two", "a.txt": b"one", "b/empty": b""}.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def test_the_same_files_give_the_same_bytes_on_every_python(tmp_path: Path) -> None:
    one, two = small(tmp_path / "one"), small(tmp_path / "two")
    os.utime(two / "a.txt", (1, 1))
    (two / "a.txt").chmod(0o755)
    first, second = (
        archive.write(folder, tmp_path / f"{folder.name}.zip") for folder in (one, two)
    )
    assert first == second == file_sha256(tmp_path / "one.zip")
    assert first == "fdd6c7167cb16f7b45fdd19b70fcf8e152cf502361c7bf6e370b3a82ae6975f0"


def test_other_programs_read_the_container(tmp_path: Path) -> None:
    archive.write(small(tmp_path / "one"), tmp_path / "one.zip")
    with zipfile.ZipFile(tmp_path / "one.zip") as found:
        assert found.testzip() is None
        assert found.namelist() == [SUMS, "a.txt", "b/empty", "b/ü.txt"]
        assert found.read("b/ü.txt") == b"two"
        assert {one.date_time for one in found.infolist()} == {(1980, 1, 1, 0, 0, 0)}


@pytest.mark.skipif(shutil.which("sha256sum") is None, reason="no sha256sum here")
def test_sha256sum_checks_what_was_unpacked(tmp_path: Path) -> None:
    archive.write(small(tmp_path / "one"), tmp_path / "one.zip")
    with zipfile.ZipFile(tmp_path / "one.zip") as found:
        found.extractall(tmp_path / "out")
    argv = ["sha256sum", "--strict", "-c", SUMS]
    assert subprocess.run(argv, cwd=tmp_path / "out", check=False).returncode == 0
    (tmp_path / "out" / "a.txt").write_bytes(b"One")
    assert subprocess.run(argv, cwd=tmp_path / "out", check=False).returncode == 1


@pytest.mark.parametrize(
    "name",
    ["a\\b", "c:x", "line\nbreak", "con", "nul.txt", "dot.", "space ", "e\u0301", "B/x", "A.TXT",
     "bidi\u202e", "\udcff"],
)  # fmt: skip
def test_a_name_that_some_receiver_refuses_is_refused(tmp_path: Path, name: str) -> None:
    folder = small(tmp_path / "one")
    (folder / name).parent.mkdir(exist_ok=True)
    (folder / name).write_bytes(b"")
    if name == "B/x":
        (folder / "B" / "ü.TXT").write_bytes(b"")
    with pytest.raises(InputError) as error:
        archive.write(folder, tmp_path / "one.zip")
    assert str(error.value).isprintable()
    assert not (tmp_path / "one.zip").exists()


def test_links_and_special_files_are_refused(tmp_path: Path) -> None:
    (small(tmp_path / "link") / "odd").symlink_to("/etc")
    os.mkfifo(small(tmp_path / "pipe") / "odd")
    for folder in (tmp_path / "link", tmp_path / "pipe"):
        with pytest.raises(InputError, match="odd: is a link or a special file"):
            archive.write(folder, tmp_path / "one.zip")


def test_a_place_that_cannot_be_written_is_one_error_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(InputError, match="--out"):
        archive.write(small(tmp_path / "one"), tmp_path / "file" / "one.zip")
    assert {path.name for path in tmp_path.iterdir()} == {"file", "one"}


def test_an_empty_folder_is_no_bundle(tmp_path: Path) -> None:
    (tmp_path / "one").mkdir()
    with pytest.raises(InputError, match="has 0 files"):
        archive.write(tmp_path / "one", tmp_path / "one.zip")
