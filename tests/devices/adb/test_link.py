"""Over adb a command is what was asked for, and its end is the end of all of it."""

import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from targets.devices.adb.link import AdbLink
from targets.devices.contract import LinkLost
from targets.errors import DeviceError, InputError
from tests.devices.adb.adbd import MODERN, Phone
from tests.devices.processes import gone, written


@pytest.fixture(params=[MODERN, ()], ids=["shell_v2", "old"])
def phone(request: pytest.FixtureRequest) -> Iterator[Phone]:
    with Phone(features=request.param) as phone:
        yield phone


def unplug_when(path: Path, phone: Phone) -> None:
    """As soon as the command there has written the file."""

    def watch() -> None:
        written(path)
        phone.unplug()

    threading.Thread(target=watch, daemon=True).start()


def test_output_of_the_shells_start_up_files_is_dropped(tmp_path: Path) -> None:
    noisy = tmp_path / "noisy"
    noisy.write_text("#!/bin/sh\necho 'Welcome!'; echo 'No locale' >&2; exec sh -c \"$1\"\n")
    noisy.chmod(0o755)
    with Phone(shell=(str(noisy),)) as phone:
        link = AdbLink(phone.serial, folder=str(tmp_path / "ours"))
        done = link.run(["echo", "hello"], env={}, timeout_s=5)
    assert (done.stdout, done.stderr) == ("hello\n", "")


def test_a_command_that_prints_our_own_text_does_not_end_early(link: AdbLink) -> None:
    """As `ps` does: the text that the shell was given, line by line, and more behind it."""
    show = "tr -d '\\000' </proc/$PPID/cmdline; sleep 1; echo more"
    done = link.run(["sh", "-c", show], env={}, timeout_s=5)
    assert (done.returncode, done.stderr) == (0, "")
    assert "setsid" in done.stdout
    assert done.stdout.endswith("more\n")


def test_a_program_that_is_not_there_is_an_exit_code(link: AdbLink) -> None:
    done = link.run(["no such program"], env={}, timeout_s=5)
    assert done.returncode in (126, 127)
    assert "no such program" in done.stderr


def test_what_no_shell_can_take_is_refused(link: AdbLink) -> None:
    with pytest.raises(InputError, match="NUL"):
        link.run(["a\0b"], env={}, timeout_s=5)
    with pytest.raises(InputError, match="not a name"):
        link.run(["true"], env={"A;id": "b"}, timeout_s=5)
    with pytest.raises(InputError, match="Put the long part into a file"):
        link.run(["a" * 70_000], env={}, timeout_s=5)


def test_a_command_leaves_no_file(link: AdbLink, folder: str) -> None:
    link.run(["sh", "-c", "echo to-stderr >&2"], env={}, timeout_s=5)
    link.run(["sleep", "9"], env={}, timeout_s=1)
    assert list(Path(folder).iterdir()) == []


def test_a_file_is_sent_once_for_each_content(link: AdbLink, phone: Phone, tmp_path: Path) -> None:
    model = tmp_path / "model"
    model.write_bytes(b"one")
    first = link.push(model)
    assert link.push(model) == first
    assert phone.services.count("sync:") == 1
    model.write_bytes(b"two")  # of the same size
    assert link.push(model) != first
    assert phone.services.count("sync:") == 2


def test_a_damaged_file_there_is_sent_again(link: AdbLink, tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(b"good")
    there = Path(link.push(tmp_path / "model"))
    there.write_bytes(b"baad")
    assert link.push(tmp_path / "model") == str(there)
    assert there.read_bytes() == b"good"


def test_our_folder_is_ours_alone(link: AdbLink, folder: str) -> None:
    assert Path(folder).stat().st_mode & 0o777 == 0o700
    assert link.remote_path("result.json") == f"{folder}/result.json"
    with pytest.raises(InputError, match="without a folder"):
        link.remote_path("../result.json")
    link.clean()
    assert not Path(folder).exists()


def test_a_full_disk_is_an_error_with_its_remedy(
    link: AdbLink, phone: Phone, tmp_path: Path
) -> None:
    phone.path = lambda name: Path("/dev/full")
    (tmp_path / "model").write_bytes(b"x" * 200_000)
    with pytest.raises(DeviceError, match=r"No space left on device.*devices clean"):
        link.push(tmp_path / "model")


def test_a_file_that_arrives_altered_is_not_used(
    link: AdbLink, phone: Phone, tmp_path: Path
) -> None:
    phone.path = lambda name: tmp_path / "elsewhere"
    (tmp_path / "model").write_bytes(b"x")
    with pytest.raises(DeviceError, match="was altered on its way"):
        link.push(tmp_path / "model")


def test_a_folder_that_cannot_be_made_is_named(phone: Phone, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(DeviceError, match="cannot be made there"):
        AdbLink(phone.serial, folder=str(tmp_path / "file" / "ours"))


def test_a_pulled_cable_is_a_lost_link_and_the_same_link_comes_back(
    link: AdbLink, phone: Phone, tmp_path: Path
) -> None:
    script = 'echo $$ >"$1"; sleep 300'
    unplug_when(tmp_path / "pid", phone)
    begun = time.monotonic()
    with pytest.raises(LinkLost, match="connection broke"):
        link.run(["sh", "-c", script, "sh", str(tmp_path / "pid")], env={}, timeout_s=60)
    assert time.monotonic() - begun < 5
    with pytest.raises(LinkLost):
        link.run(["true"], env={}, timeout_s=5)
    phone.plug_in()
    assert link.run(["echo", "back"], env={}, timeout_s=5).stdout == "back\n"
    assert gone(written(tmp_path / "pid"))  # not beside what is measured next


def test_the_limit_holds_without_a_connection(link: AdbLink, phone: Phone, tmp_path: Path) -> None:
    unplug_when(tmp_path / "pid", phone)
    with pytest.raises(LinkLost):
        link.run(
            ["sh", "-c", 'echo $$ >"$1"; sleep 300', "sh", str(tmp_path / "pid")],
            env={},
            timeout_s=2,
        )
    assert gone(written(tmp_path / "pid"))


def test_a_cable_pulled_in_the_middle_of_a_file_publishes_nothing(
    link: AdbLink, phone: Phone, tmp_path: Path, folder: str
) -> None:
    (tmp_path / "model").write_bytes(bytes(30_000_000))
    received = phone.path

    def path(name: str) -> Path:
        threading.Timer(0.02, phone.unplug).start()
        return received(name)

    phone.path = path
    with pytest.raises(LinkLost):
        link.push(tmp_path / "model")
    assert not list(Path(folder).rglob("model"))
