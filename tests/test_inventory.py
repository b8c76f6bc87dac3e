"""A device has an address or an entry, and is used by one measurement at a time."""

import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from targets.devices import DEVICE_KINDS, inventory
from targets.devices.contract import Device
from targets.devices.inventory import device
from targets.devices.lock import exclusive
from targets.devices.ssh.kind import SshEntry
from targets.devices.ssh.link import SshLink
from targets.errors import DeviceError, InputError


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("ssh://raspberrypi.local", ("", "raspberrypi.local", None)),
        ("ssh://pi@10.0.0.7:2222", ("pi", "10.0.0.7", 2222)),
        ("ssh://pi@My_Alias/", ("pi", "My_Alias", None)),
        ("ssh://[fe80::1%eth0]:22", ("", "fe80::1%eth0", 22)),
    ],
)
def test_an_ssh_address_has_user_host_and_port(url: str, address: object) -> None:
    entry = device(url).entry
    assert isinstance(entry, SshEntry)
    assert entry.address == address


@pytest.mark.parametrize(
    ("url", "scheme"),
    [
        ("local", "local"),
        ("ssh://pi@host", "ssh"),
        ("adb://R58M12ABCDE", "adb"),
        ("adb://192.168.1.5:5555", "adb"),
        ("adb://", "adb"),
    ],
)
def test_the_scheme_of_an_address_is_its_kind(url: str, scheme: str) -> None:
    assert device(url).kind is DEVICE_KINDS[scheme]


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("ssh://", "is not the address of a device"),
        ("ssh://pi@", "is not the address of a device"),
        ("ssh://-oProxyCommand=touch", "is not the address of a device"),
        ("ssh://-lroot@host", "is not the address of a device"),
        ("ssh://host:0", "is not the address of a device"),
        ("ssh://host:70000", "is not the address of a device"),
        ("ssh://a b", "is not the address of a device"),
        ("ssh://pi:secret@host", "a password cannot be part of it"),
        ("ssh://pi@host/bench", "the key 'folder' of an entry in devices.toml"),
        ("adb://a b", "is not the address of a device"),
        ("local://x", "is not the address of a device"),
        ("usb://1", "Write it as one of: local, ssh://[user@]host[:port], adb://[SERIAL]"),
    ],
)
def test_a_wrong_address_is_an_error_with_its_place(url: str, error: str) -> None:
    with pytest.raises(InputError, match=rf"^--device: {re.escape(url)}: ") as caught:
        device(url, files=[])
    assert error in str(caught.value)


PI = """
[pi4]
url = "ssh://pi@raspberrypi.local"
folder = "bench"
ssh_options = ["-F", "lab.config", "-v"]
acquire = ["lab-lock", "acquire", "pi4"]
release = ["lab-lock", "release", "pi4"]
cooldown_c = 55
"""


def written(path: Path, text: str) -> Path:
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_an_entry_has_all_settings_of_a_device(tmp_path: Path) -> None:
    path = written(tmp_path / "devices.toml", PI)
    found = device("pi4", files=[path])
    assert (found.name, found.file, found.home) == ("pi4", path, tmp_path)
    assert found.entry.model_dump() == {
        "url": "ssh://pi@raspberrypi.local",
        "folder": "bench",
        "ssh_options": ["-F", str(tmp_path / "lab.config"), "-v"],
        "acquire": ["lab-lock", "acquire", "pi4"],
        "release": ["lab-lock", "release", "pi4"],
        "cooldown_c": 55,
    }


def test_the_entry_of_the_project_goes_before_that_of_the_user(tmp_path: Path) -> None:
    mine = written(tmp_path / "project" / "devices.toml", '[pi]\nurl = "ssh://here"\n')
    users = '[pi]\nurl = "ssh://there"\nfolder = "x"\n[phone]\nurl = "adb://A"\n'
    theirs = written(tmp_path / "user" / "devices.toml", users)
    found = inventory.configured([mine, theirs])
    assert {name: one.url for name, one in found.items()} == {
        "pi": "ssh://here", "phone": "adb://A",
    }  # fmt: skip
    assert found["pi"].entry.folder is None  # an entry is not mixed from two


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("[pi]\nurl = 'ssh://x'\nfoldr = 'y'", "pi.foldr: unknown key; did you mean 'folder'?"),
        ("[pi]\nfolder = 'y'", 'pi.url: is missing, as in url = "ssh://pi@raspberrypi.local".'),
        ("[pi]\nurl = 'shh://x'", "pi.url: shh://x: is not the address of a device."),
        ("[pi]\nurl = 'ssh://x/y'", "pi.url: ssh://x/y: a path cannot be part of it."),
        ("[pi]\nurl = 3", "pi.url: Input should be a valid string, not 3."),
        ("[pi]\nurl = 'ssh://x'\nssh_options = '-v'", "pi.ssh_options: Input should be a valid"),
        ("[pi]\nurl = 'adb://x'\nssh_options = ['-v']", "pi.ssh_options: only a device at ssh://"),
        ("[pi]\nurl = 'adb://x'\nfolder = 'y'", "is not below /data"),
        ("[pi]\nurl = 'local'\nfolder = 'y'", "nothing is kept on this machine"),
        ("[pi]\nurl = 'ssh://x'\nacquire = ['a']", "pi.release: is missing"),
        ("[pi]\nurl = 'ssh://x'\nacquire = []\nrelease = ['a']", "pi.acquire: List should have"),
        ("[pi]\nurl = 'ssh://x'\ncooldown_c = -1", "pi.cooldown_c: Input should be greater than"),
        ("pi = 'ssh://x'", "pi: is not an entry. Write an entry into devices.toml"),
        ("[local]\nurl = 'ssh://x'", "[local]: cannot be a device's name"),
        ("['a b']\nurl = 'ssh://x'", "[a b]: cannot be a device's name"),
        ("[pi", "cannot be read"),
    ],
)
def test_a_mistake_in_the_file_is_an_error_with_its_place(
    tmp_path: Path, text: str, error: str
) -> None:
    path = written(tmp_path / "devices.toml", text)
    with pytest.raises(InputError) as caught:
        inventory.configured([path])
    assert str(caught.value).startswith(f"{path}: ")
    assert error in str(caught.value)


def test_an_unknown_name_is_an_error_with_the_nearest_one(tmp_path: Path) -> None:
    path = written(tmp_path / "devices.toml", PI)
    with pytest.raises(InputError) as caught:
        device("pi5", files=[path])
    assert "--device: unknown device 'pi5'; did you mean 'pi4'? Known: local, pi4." in str(
        caught.value
    )
    assert 'Write an entry into devices.toml: [NAME] and url = "ssh://USER@HOST".' in str(
        caught.value
    )


def test_a_link_leads_to_the_named_device(tmp_path: Path) -> None:
    named = device("ssh://pi@nowhere.invalid:2222")
    link = named.kind.open(named, scratch=tmp_path).link
    assert isinstance(link, SshLink)
    assert (link.name, link.host) == ("ssh://pi@nowhere.invalid:2222", "nowhere.invalid")


def test_a_device_of_any_name_has_a_file(tmp_path: Path) -> None:
    stem = device("ssh://pi@host:2222").file_stem
    assert re.fullmatch(r"ssh-pi-host-2222-[0-9a-f]{6}", stem)
    assert device("ssh://pi-host:2222").file_stem != stem  # two devices, two files
    assert device("local").file_stem == "local"


def identity(named: Device) -> str:
    return named.kind.identity(named)


def test_two_names_of_one_device_have_one_lock(tmp_path: Path) -> None:
    config = written(tmp_path / "config", "Host bench\n  HostName 127.0.0.9\n  Port 2222\n")
    text = f'[pi]\nurl = "ssh://bench"\nssh_options = ["-F", "{config}"]\n'
    named = device("pi", files=[written(tmp_path / "devices.toml", text)])
    assert identity(named) == "ssh 127.0.0.9 2222"
    assert identity(device("ssh://pi@127.0.0.9:2222")) == identity(named)
    assert identity(device("ssh://pi@127.0.0.9:2223")) != identity(named)
    assert identity(device("adb://A:5555")) == "adb A:5555"


HOLD = """
import sys, time
from pathlib import Path
from targets.devices.inventory import device
from targets.devices.lock import exclusive
with exclusive(device("local"), say=print, locks=Path(sys.argv[1])):
    Path(sys.argv[2]).touch()
    time.sleep(100)
"""


def test_two_processes_never_use_one_device_and_the_second_reports_that_it_waits(
    tmp_path: Path,
) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path), str(tmp_path / "held")])
    try:
        deadline = time.monotonic() + 60
        while not (tmp_path / "held").exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        lines, killed = list[str](), threading.Event()

        def kill() -> None:
            killed.set()
            holder.kill()  # the lock of a killed process is free

        def say(text: str) -> None:
            lines.append(text)
            threading.Timer(0.5, kill).start()

        with exclusive(device("local"), say=say, locks=tmp_path):
            assert killed.is_set()
            assert lines == ["device    local: in use by another measurement; waiting for its end"]
    finally:
        holder.kill()
        holder.wait()


def test_two_devices_are_used_at_once(tmp_path: Path) -> None:
    with (
        exclusive(device("local"), say=pytest.fail, locks=tmp_path),
        exclusive(device("adb://A"), say=pytest.fail, locks=tmp_path),
    ):
        pass


def queued(tmp_path: Path, *, acquire: str, release: str = "echo released >> log") -> Device:
    text = f"[lab]\nurl = 'local'\nacquire = ['sh', '-c', '{acquire}']\n"
    text += f"release = ['sh', '-c', '{release}']\n"
    return device("lab", files=[written(tmp_path / "devices.toml", text)])


def test_a_labs_queue_is_acquired_before_and_released_after_a_failure_too(tmp_path: Path) -> None:
    lab, lines = queued(tmp_path, acquire="echo acquired >> log"), list[str]()
    with (
        pytest.raises(DeviceError, match="acquired"),
        exclusive(lab, say=lines.append, locks=tmp_path),
    ):
        raise DeviceError((tmp_path / "log").read_text())
    assert (tmp_path / "log").read_text() == "acquired\nreleased\n"
    assert lines == ["device    lab: sh -c 'echo acquired >> log'"]


def test_what_was_not_acquired_is_not_used_nor_released(tmp_path: Path) -> None:
    lab = queued(tmp_path, acquire="echo booked by Ann; exit 4")
    with (
        pytest.raises(DeviceError, match=r"device lab: its acquire .* code 4: booked by Ann\."),
        exclusive(lab, say=print, locks=tmp_path),
    ):
        pytest.fail("used")
    assert not (tmp_path / "log").exists()


def test_a_failed_release_is_an_error_and_hides_no_other_failure(tmp_path: Path) -> None:
    lab = queued(tmp_path, acquire="true", release="echo stuck; exit 1")
    with pytest.raises(DeviceError, match="its release"), exclusive(lab, say=print, locks=tmp_path):
        pass
    lines: list[str] = []
    with (
        pytest.raises(DeviceError, match="planted"),
        exclusive(lab, say=lines.append, locks=tmp_path),
    ):
        raise DeviceError("planted")
    assert lines[-1].endswith("ended with code 1: stuck.")


def test_a_missing_program_of_the_queue_is_an_error(tmp_path: Path) -> None:
    text = '[lab]\nurl = "local"\nacquire = ["lab-lokc"]\nrelease = ["x"]\n'
    path = written(tmp_path / "devices.toml", text)
    with (
        pytest.raises(InputError, match=r"\(lab-lokc\) cannot be started: No such file"),
        exclusive(device("lab", files=[path]), say=print, locks=tmp_path),
    ):
        pytest.fail("used")
