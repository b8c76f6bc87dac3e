"""Over SSH a command is what was asked for, and its end is the end of all of it."""

import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from targets.bench.model_files import ModelFiles, put
from targets.devices.link import LinkLost
from targets.devices.ssh.link import MINE, SshLink
from targets.errors import DeviceError
from tests.devices.sshd import Host

pytestmark = pytest.mark.device

HOSTILE = [
    "with space",
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


def gone(pid: int, *, within_s: float = 10) -> bool:
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        stat = Path(f"/proc/{pid}/stat")
        if not stat.exists() or stat.read_text().rpartition(")")[2].split()[0] == "Z":
            return True
        time.sleep(0.05)
    return False


def sleeper(note: Path) -> list[str]:
    """A command whose child, which will not be asked to end, writes its id to `note`."""
    child = f"trap '' TERM; echo $$ > '{note}.part'; mv '{note}.part' '{note}'; sleep 1000"
    return ["sh", "-c", 'sh -c "$0" & wait', child]


def written(note: Path) -> int:
    deadline = time.monotonic() + 10
    while not note.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    return int(note.read_text())


@pytest.mark.parametrize("name", HOSTILE)
def test_an_argument_arrives_as_it_is(link: SshLink, name: str) -> None:
    done = link.run(["printf", "%s|", name, "", name], timeout_s=10)
    assert (done.returncode, done.stdout) == (0, f"{name}||{name}|")


@pytest.mark.parametrize("name", HOSTILE)
def test_a_file_of_any_name_comes_and_goes_unchanged(
    link: SshLink, tmp_path: Path, name: str
) -> None:
    content = os.urandom(5000) + b"\r\n\0"
    (tmp_path / name).write_bytes(content)
    there = link.put(tmp_path / name)
    link.fetch(there, tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == content
    assert "oops" not in link.run(["ls"], timeout_s=10).stdout.splitlines()


def test_a_code_and_both_outputs_come_apart(link: SshLink) -> None:
    done = link.run(["sh", "-c", "echo out; echo err >&2; exit 255"], timeout_s=10)
    assert (done.returncode, done.stdout, done.stderr) == (255, "out\n", "err\n")
    assert not done.timed_out


def test_an_environment_is_the_commands_own(link: SshLink) -> None:
    done = link.run(["sh", "-c", 'printf "%s" "$ODD"'], env={"ODD": "a 'b' $c"}, timeout_s=10)
    assert done.stdout == "a 'b' $c"


def test_every_command_takes_the_same_connection(host: Host, link: SshLink) -> None:
    before = (host.folder / "sshd.log").read_text().count("Accepted publickey")
    for _ in range(3):
        link.run(["true"], timeout_s=10)
    assert (host.folder / "sshd.log").read_text().count("Accepted publickey") - before <= 1


def test_nothing_is_left_of_a_closed_connection(host: Host) -> None:
    link = host.link()
    link.run(["true"], timeout_s=10)
    socket = link._connection._socket
    assert socket is not None
    link.close()
    assert not socket.parent.exists()
    link.run(["true"], timeout_s=10)  # and it can be used again
    link.close()


def test_a_limit_ends_the_command_and_its_children_there(link: SshLink, tmp_path: Path) -> None:
    done = link.run(sleeper(tmp_path / "child"), timeout_s=1)
    assert done.timed_out
    assert gone(written(tmp_path / "child"))


def test_a_command_that_ends_with_the_code_of_a_limit_is_not_late(link: SshLink) -> None:
    done = link.run(["sh", "-c", "exit 124"], timeout_s=10)
    assert (done.returncode, done.timed_out) == (124, False)


def test_a_program_left_behind_does_not_hold_the_answer(link: SshLink) -> None:
    begun = time.monotonic()
    done = link.run(["sh", "-c", "sleep 1000 & echo $!"], timeout_s=20)
    assert time.monotonic() - begun < 10
    assert gone(int(done.stdout))


def test_a_lost_connection_is_told_and_ends_the_command_there(
    host: Host, link: SshLink, tmp_path: Path
) -> None:
    def cut() -> None:
        written(tmp_path / "child")
        host.drop()

    cutter = threading.Thread(target=cut)
    cutter.start()
    with pytest.raises(LinkLost, match="device hostpi: the connection was lost while a command"):
        link.run(sleeper(tmp_path / "child"), timeout_s=60)
    cutter.join()
    assert gone(written(tmp_path / "child"))
    assert link.run(["echo", "back"], timeout_s=10).stdout == "back\n"


def test_a_device_that_is_away_may_come_back(host: Host, link: SshLink) -> None:
    host.stop()
    try:
        with pytest.raises(LinkLost, match="device hostpi: it is there but takes no ssh"):
            link.run(["true"], timeout_s=10)
    finally:
        host.start()
    assert link.run(["echo", "back"], timeout_s=10).stdout == "back\n"


def test_ctrl_c_ends_the_command_there(host: Host, tmp_path: Path) -> None:
    note, config = tmp_path / "child", host.keys.folder / "config"
    code = (
        "import signal\n"
        "from targets.devices.ssh.link import SshLink\n"
        # Ignored where the tests run as a background job of a shell.
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"link = SshLink({host.name!r}, options=('-F', {str(config)!r}))\n"
        f"try: link.run({sleeper(note)!r}, timeout_s=100)\n"
        "finally: link.close()\n"
    )
    ours = subprocess.Popen([sys.executable, "-c", code], stderr=subprocess.PIPE, text=True)
    child = written(note)
    ours.send_signal(signal.SIGINT)
    _, errors = ours.communicate(timeout=20)
    assert "KeyboardInterrupt" in errors
    assert gone(child)


@pytest.mark.usefixtures("noisy")
def test_what_a_login_shell_prints_is_ignored(host: Host, link: SshLink, tmp_path: Path) -> None:
    (tmp_path / "content").write_bytes(b"\0\1")
    link.fetch(link.put(tmp_path / "content"), tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == b"\0\1"
    done = link.run(["sh", "-c", "echo out; echo err >&2"], timeout_s=10)
    assert (done.stdout, done.stderr) == ("out\n", "err\n")
    bare = ["ssh", "-F", str(host.keys.folder / "config"), host.name, "true"]
    assert subprocess.run(bare, capture_output=True).stdout.startswith(b"Welcome")


def test_a_file_is_brought_once_and_again_when_it_was_damaged(
    link: SshLink, tmp_path: Path
) -> None:
    (tmp_path / "model").write_bytes(b"weights")
    there = Path(link.put(tmp_path / "model"))
    brought = there.stat().st_ino
    assert Path(link.put(tmp_path / "model")).stat().st_ino == brought
    there.write_bytes(b"weighty")
    link.close()  # looked at once a connection
    assert link.put(tmp_path / "model") == str(there)
    assert there.read_bytes() == b"weights"


def test_a_folder_is_brought_as_it_is(link: SshLink, tmp_path: Path) -> None:
    source = tmp_path / "the wheels"
    (source / "in side").mkdir(parents=True)
    (source / "in side" / "a").write_text("1")
    (source / "b").write_text("2")
    there = Path(link.put(source))
    found = {str(p.relative_to(there)): p.read_text() for p in there.rglob("*") if p.is_file()}
    assert found == {"in side/a": "1", "b": "2"}
    assert link.put(source) == str(there)


def test_a_model_is_brought_with_the_files_beside_it(link: SshLink, tmp_path: Path) -> None:
    path, weights = tmp_path / "net.onnx", tmp_path / "in side" / "weights"
    weights.parent.mkdir()
    path.write_bytes(b"net")
    model = ModelFiles(path=path, beside=("in side/weights",))
    for content in (b"first", b"other"):
        weights.write_bytes(content)
        there = Path(put(link, model))
        assert there.read_bytes() == b"net"
        assert (there.parent / "in side" / "weights").read_bytes() == content


def test_a_file_that_is_not_there_is_told(link: SshLink, tmp_path: Path) -> None:
    with pytest.raises(DeviceError, match=r"device hostpi: could not fetch .*No such file"):
        link.fetch(link.place("nothing"), tmp_path / "nothing")
    assert not list(tmp_path.iterdir())


def test_a_machine_without_ssh_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with (
        closing(SshLink("pi")) as link,
        pytest.raises(DeviceError, match=r"device pi: the program ssh is not there\. Install"),
    ):
        link.run(["true"], timeout_s=10)


def test_an_unknown_host_key_is_told_with_its_remedy(host: Host) -> None:
    known = host.keys.folder / "known_hosts"
    kept = known.read_text()
    known.write_text("")
    try:
        with (
            closing(host.link()) as link,
            pytest.raises(DeviceError, match=r"its host key is not known yet\. .*ssh hostpi"),
        ):
            link.run(["true"], timeout_s=10)
        assert known.read_text() == ""  # and it was not taken on trust
    finally:
        known.write_text(kept)


def test_a_changed_host_key_is_told_with_its_remedy(host: Host) -> None:
    known = host.keys.folder / "known_hosts"
    kept = known.read_text()
    known.write_text(kept.partition(" ")[0] + " " + (host.keys.folder / "user.pub").read_text())
    try:
        with (
            closing(host.link()) as link,
            pytest.raises(DeviceError, match=r"another host key than .* ssh-keygen -R hostpi"),
        ):
            link.run(["true"], timeout_s=10)
    finally:
        known.write_text(kept)


def test_a_key_that_is_not_let_in_is_told_with_its_remedy(host: Host) -> None:
    link = SshLink(
        host.name, options=("-F", str(host.keys.folder / "config"), "-o", "IdentityFile=/dev/null")
    )
    authorized = host.keys.folder / "user.pub"
    kept = authorized.read_text()
    authorized.write_text("")
    try:
        with closing(link), pytest.raises(DeviceError, match="ssh-copy-id hostpi"):
            link.run(["true"], timeout_s=10)
    finally:
        authorized.write_text(kept)


def test_a_folder_of_somebody_else_is_neither_filled_nor_removed(host: Host) -> None:
    (host.home / "precious").mkdir()
    (host.home / "precious" / "thesis").write_text("years")
    link = host.link(folder="precious")
    for act in (lambda: link.place("x"), link.clean):
        with pytest.raises(DeviceError, match="precious there is not empty and was not made by us"):
            act()
    assert [path.name for path in (host.home / "precious").iterdir()] == ["thesis"]
    link.close()


def test_cleaning_leaves_nothing_and_touches_nothing_else(host: Host) -> None:
    (host.home / "kept").write_text("theirs")
    link = host.link()
    assert (Path(link.root()) / MINE).exists()
    link.clean()
    assert not (host.home / link.folder).exists()
    assert (host.home / "kept").exists()
    link.close()
