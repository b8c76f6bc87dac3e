"""What every link promises: local, ssh, adb (of two ages) and the fake."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from targets.devices.adb.link import AdbLink
from targets.devices.contract import Link
from targets.devices.fake.link import FakeLink
from targets.devices.local.link import LocalLink
from targets.errors import DeviceError, InputError
from tests.devices.adb.adbd import MODERN, Phone
from tests.devices.processes import gone, sleeper, written
from tests.devices.sshd import Host

pytestmark = pytest.mark.device

HOSTILE = [
    "with  two spaces",
    "it's",
    '"quoted"',
    "$(touch oops)",
    "`touch oops`",
    "two\nlines",
    "a\\n\\b",
    "-rf",
    "*;!~#&|<>",
    "größe.tflite",
]


@pytest.fixture(params=["local", "fake", "ssh", "adb", "adb without shell_v2"])
def link(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Link]:
    folder = tmp_path / "our folder" / "it's"
    if request.param == "local":
        folder.mkdir(parents=True)
        yield LocalLink(folder)
    elif request.param == "fake":
        yield FakeLink(folder)
    elif request.param == "ssh":
        host: Host = request.getfixturevalue("host")
        ssh = host.link(folder=str(folder))
        yield ssh
        ssh.close()
    else:
        request.getfixturevalue("own_server")
        with Phone(features=MODERN if request.param == "adb" else ()) as phone:
            yield AdbLink(phone.serial, folder=str(folder))


def test_arguments_and_variables_arrive_as_given(link: Link, tmp_path: Path) -> None:
    script = 'printf "%s|" "$@" "$GIVEN"'
    argv = ["sh", "-c", script, "sh", *HOSTILE, ""]
    done = link.run(argv, env={"GIVEN": "a 'b' $c\n"}, timeout_s=10)
    assert done.returncode == 0
    assert done.stdout == "".join(f"{word}|" for word in [*HOSTILE, "", "a 'b' $c\n"])
    assert not list(tmp_path.rglob("oops"))


@pytest.mark.parametrize("code", [7, 124, 255])
def test_exit_code_and_streams_come_apart(link: Link, code: int) -> None:
    script = f"echo out; printf err >&2; exit {code}"
    done = link.run(["sh", "-c", script], env={}, timeout_s=10)
    assert (done.returncode, done.stdout, done.stderr) == (code, "out\n", "err")
    assert not done.timed_out


def test_much_output_comes_whole(link: Link) -> None:
    done = link.run(["seq", "200000"], env={}, timeout_s=30)
    assert done.stdout == "".join(f"{number}\n" for number in range(1, 200_001))


def test_the_time_limit_kills_the_command_and_its_children(link: Link, tmp_path: Path) -> None:
    begun = time.monotonic()
    done = link.run(sleeper(tmp_path / "child"), env={}, timeout_s=1)
    assert done.timed_out
    assert time.monotonic() - begun < 10
    assert gone(written(tmp_path / "child"))


@pytest.mark.parametrize("name", [*HOSTILE, os.fsdecode(b"not-utf8-\xff")])
def test_a_file_of_any_name_is_pushed_and_pulled_unchanged(
    link: Link, tmp_path: Path, name: str
) -> None:
    content = os.urandom(5000) + b"\r\n\0\xff"
    (tmp_path / name).write_bytes(content)
    link.pull(link.push(tmp_path / name), tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == content


def test_a_file_is_pushed_once_for_each_content(link: Link, tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.write_bytes(b"one")
    first = Path(link.push(model))
    pushed = first.stat().st_ino
    assert Path(link.push(model)) == first
    assert first.stat().st_ino == pushed
    model.write_bytes(b"two")  # of the same size
    os.utime(model, ns=(1, 1))
    second = Path(link.push(model))
    assert second.read_bytes() == b"two"
    assert (second == first) == link.shares_files


def test_a_folder_is_pushed_as_it_is(link: Link, tmp_path: Path) -> None:
    tree = tmp_path / "the wheels"
    (tree / "in side").mkdir(parents=True)
    (tree / "in side" / "it's").write_text("x")
    (tree / "run").write_text("#!/bin/sh\necho ran\n")
    (tree / "run").chmod(0o755)
    there = link.push(tree)
    assert Path(there, "in side", "it's").read_text() == "x"
    assert link.run([f"{there}/run"], env={}, timeout_s=10).stdout == "ran\n"
    assert link.push(tree) == there


def test_what_a_command_writes_can_be_pulled(link: Link, tmp_path: Path) -> None:
    there = link.remote_path("result.json")
    link.run(["sh", "-c", 'printf done > "$1"', "sh", there], env={}, timeout_s=10)
    link.pull(there, tmp_path / "here")
    assert (tmp_path / "here").read_text() == "done"


def test_a_file_that_does_not_exist_cannot_be_pulled(link: Link, tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=rf"^device {link.name}: .*nothing"):
        link.pull(link.remote_path("nothing"), tmp_path / "here")
    assert not list(tmp_path.glob("*here*"))


def test_cleaning_removes_our_folder_alone(link: Link, tmp_path: Path) -> None:
    (tmp_path / "model").write_text("x")
    there = Path(link.push(tmp_path / "model"))
    if link.shares_files:
        with pytest.raises(InputError, match="is this machine"):
            link.clean()
    else:
        link.clean()
        assert not there.exists()
    assert (tmp_path / "model").exists()


def test_a_closed_link_can_be_used_again(link: Link) -> None:
    link.close()
    assert link.run(["echo", "back"], env={}, timeout_s=10).stdout == "back\n"
