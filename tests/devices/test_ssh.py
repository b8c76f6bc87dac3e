"""Over SSH a command is what was asked for, and its end is the end of all of it."""

import signal
import subprocess
import sys
import threading
import time
from contextlib import closing
from pathlib import Path

import pytest

from targets.bench.model_files import ModelFiles, push
from targets.devices.contract import LinkLost
from targets.devices.ssh.link import MINE, SshLink
from targets.errors import DeviceError
from tests.devices.processes import gone, sleeper, written
from tests.devices.sshd import Host

pytestmark = pytest.mark.device


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


def test_a_program_left_behind_does_not_hold_the_answer(link: SshLink) -> None:
    begun = time.monotonic()
    done = link.run(["sh", "-c", "sleep 1000 & echo $!"], timeout_s=20)
    assert time.monotonic() - begun < 10
    assert gone(int(done.stdout))


def test_a_lost_connection_is_an_error_and_ends_the_command_there(
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
        with pytest.raises(LinkLost, match="device hostpi: it refuses ssh connections"):
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
    link.pull(link.push(tmp_path / "content"), tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == b"\0\1"
    done = link.run(["sh", "-c", "echo out; echo err >&2"], timeout_s=10)
    assert (done.stdout, done.stderr) == ("out\n", "err\n")
    bare = ["ssh", "-F", str(host.keys.folder / "config"), host.name, "true"]
    assert subprocess.run(bare, capture_output=True).stdout.startswith(b"Welcome")


def test_a_damaged_file_is_pushed_again(link: SshLink, tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(b"weights")
    there = Path(link.push(tmp_path / "model"))
    there.write_bytes(b"weighty")
    link.close()  # verified once per connection
    assert link.push(tmp_path / "model") == str(there)
    assert there.read_bytes() == b"weights"


def test_a_model_is_pushed_with_the_files_beside_it(link: SshLink, tmp_path: Path) -> None:
    path, weights = tmp_path / "net.onnx", tmp_path / "in side" / "weights"
    weights.parent.mkdir()
    path.write_bytes(b"net")
    model = ModelFiles(path=path, beside=("in side/weights",))
    for content in (b"first", b"other"):
        weights.write_bytes(content)
        there = Path(push(link, model))
        assert there.read_bytes() == b"net"
        assert (there.parent / "in side" / "weights").read_bytes() == content


def test_a_machine_without_ssh_is_an_error_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with (
        closing(SshLink("pi")) as link,
        pytest.raises(DeviceError, match=r"device pi: the program ssh is not installed\. Install"),
    ):
        link.run(["true"], timeout_s=10)


def test_an_unknown_host_key_is_an_error_with_its_remedy(host: Host) -> None:
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


def test_a_changed_host_key_is_an_error_with_its_remedy(host: Host) -> None:
    known = host.keys.folder / "known_hosts"
    kept = known.read_text()
    known.write_text(kept.partition(" ")[0] + " " + (host.keys.folder / "user.pub").read_text())
    try:
        with (
            closing(host.link()) as link,
            pytest.raises(DeviceError, match=r"its host key differs from .* ssh-keygen -R hostpi"),
        ):
            link.run(["true"], timeout_s=10)
    finally:
        known.write_text(kept)


def test_a_refused_key_is_an_error_with_its_remedy(host: Host) -> None:
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
    for act in (lambda: link.remote_path("x"), link.clean):
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
