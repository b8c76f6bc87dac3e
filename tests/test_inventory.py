"""A device is named in one of few ways, a mistake is told, and nobody measures beside another."""

import re
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from targets.devices import inventory
from targets.devices.addresses import Adb, Local, Ssh, parsed
from targets.devices.inventory import Device, device, open_link, open_remote
from targets.devices.local.link import LocalLink
from targets.devices.lock import alone, identity
from targets.devices.ssh.link import SshLink
from targets.errors import DeviceError, InputError


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("local", Local()),
        ("ssh://raspberrypi.local", Ssh(host="raspberrypi.local")),
        ("ssh://pi@10.0.0.7:2222", Ssh(host="10.0.0.7", user="pi", port=2222)),
        ("ssh://pi@My_Alias/", Ssh(host="My_Alias", user="pi")),
        ("ssh://[fe80::1%eth0]:22", Ssh(host="fe80::1%eth0", port=22)),
        ("adb://R58M12ABCDE", Adb(serial="R58M12ABCDE")),
        ("adb://192.168.1.5:5555", Adb(serial="192.168.1.5:5555")),
        ("adb://", Adb(serial=None)),
    ],
)
def test_an_address_says_how_a_device_is_reached(url: str, address: object) -> None:
    assert parsed(url, place="--device") == address


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("ssh://", "no address of a device"),
        ("ssh://pi@", "no address of a device"),
        ("ssh://-oProxyCommand=touch", "no address of a device"),
        ("ssh://-lroot@host", "no address of a device"),
        ("ssh://host:0", "no address of a device"),
        ("ssh://host:70000", "no address of a device"),
        ("ssh://a b", "no address of a device"),
        ("ssh://pi:secret@host", "a password cannot be part of it"),
        ("ssh://pi@host/bench", "the key 'folder' of an entry in devices.toml"),
        ("adb://a b", "no address of a device"),
        ("usb://1", "no address of a device"),
    ],
)
def test_what_is_no_address_is_told(url: str, said: str) -> None:
    with pytest.raises(InputError, match=r"^--device: ") as caught:
        device(url, files=[])
    assert said in str(caught.value)


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


def test_an_entry_says_all_of_a_device(tmp_path: Path) -> None:
    path = written(tmp_path / "devices.toml", PI)
    assert device("pi4", files=[path]) == Device(
        name="pi4",
        url="ssh://pi@raspberrypi.local",
        address=Ssh(host="raspberrypi.local", user="pi"),
        place=path,
        folder="bench",
        ssh_options=("-F", str(tmp_path / "lab.config"), "-v"),
        acquire=("lab-lock", "acquire", "pi4"),
        release=("lab-lock", "release", "pi4"),
        cooldown_c=55,
        home=tmp_path,
    )


def test_the_entry_of_the_project_goes_before_that_of_the_user(tmp_path: Path) -> None:
    mine = written(tmp_path / "project" / "devices.toml", '[pi]\nurl = "ssh://here"\n')
    users = '[pi]\nurl = "ssh://there"\nfolder = "x"\n[phone]\nurl = "adb://A"\n'
    theirs = written(tmp_path / "user" / "devices.toml", users)
    found = inventory.configured([mine, theirs])
    assert {name: one.url for name, one in found.items()} == {
        "pi": "ssh://here", "phone": "adb://A",
    }  # fmt: skip
    assert found["pi"].folder is None  # an entry is not mixed from two


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[pi]\nurl = 'ssh://x'\nfoldr = 'y'", "pi.foldr: unknown key; did you mean 'folder'?"),
        ("[pi]\nfolder = 'y'", 'pi.url: is missing, as in url = "ssh://pi@raspberrypi.local".'),
        ("[pi]\nurl = 'shh://x'", "pi.url: shh://x: no address of a device."),
        ("[pi]\nurl = 3", "pi.url: Input should be a valid string, not 3."),
        ("[pi]\nurl = 'ssh://x'\nssh_options = '-v'", "pi.ssh_options: Input should be a valid"),
        ("[pi]\nurl = 'adb://x'\nssh_options = ['-v']", "only an ssh:// device has them"),
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
def test_a_mistake_in_the_file_is_told_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    path = written(tmp_path / "devices.toml", text)
    with pytest.raises(InputError) as caught:
        inventory.configured([path])
    assert str(caught.value).startswith(f"{path}: ")
    assert said in str(caught.value)


def test_an_unknown_name_is_told_with_the_nearest_and_how_to_write_one(tmp_path: Path) -> None:
    path = written(tmp_path / "devices.toml", PI)
    with pytest.raises(InputError) as caught:
        device("pi5", files=[path])
    assert "--device: unknown device 'pi5'; did you mean 'pi4'? Known: local, pi4." in str(
        caught.value
    )
    assert 'Write an entry into devices.toml: [NAME] and url = "ssh://USER@HOST".' in str(
        caught.value
    )


def test_a_link_leads_to_what_was_named(tmp_path: Path) -> None:
    here = open_link(device("local"), tmp_path)
    assert isinstance(here, LocalLink)
    assert here.place("x") == str(tmp_path / "x")
    there = open_link(device("ssh://pi@nowhere.invalid:2222"), tmp_path)
    assert isinstance(there, SshLink)
    assert (there.name, there.host) == ("ssh://pi@nowhere.invalid:2222", "nowhere.invalid")


def test_this_machine_has_no_folder_to_clean() -> None:
    with pytest.raises(InputError, match="device local: is this machine"):
        open_remote(device("local"))


def test_a_device_of_any_name_has_a_file(tmp_path: Path) -> None:
    stem = device("ssh://pi@host:2222").file_stem
    assert re.fullmatch(r"ssh-pi-host-2222-[0-9a-f]{6}", stem)
    assert device("ssh://pi-host:2222").file_stem != stem  # two devices, two files
    assert device("local").file_stem == "local"


def test_one_device_by_two_names_is_one(tmp_path: Path) -> None:
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
from targets.devices.lock import alone
with alone(device("local"), say=print, locks=Path(sys.argv[1])):
    Path(sys.argv[2]).touch()
    time.sleep(100)
"""


def test_two_processes_never_have_one_device_and_the_second_says_that_it_waits(
    tmp_path: Path,
) -> None:
    holder = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path), str(tmp_path / "held")])
    try:
        deadline = time.monotonic() + 60
        while not (tmp_path / "held").exists():
            assert time.monotonic() < deadline
            time.sleep(0.05)
        said, killed = list[str](), threading.Event()

        def kill() -> None:
            killed.set()
            holder.kill()  # also of one that was killed the lock is gone

        def say(text: str) -> None:
            said.append(text)
            threading.Timer(0.5, kill).start()

        with alone(device("local"), say=say, locks=tmp_path):
            assert killed.is_set()
            assert said == ["device    local: in use by another measurement; waiting for its end"]
    finally:
        holder.kill()
        holder.wait()


def test_two_devices_are_used_at_once(tmp_path: Path) -> None:
    with (
        alone(device("local"), say=pytest.fail, locks=tmp_path),
        alone(device("adb://A"), say=pytest.fail, locks=tmp_path),
    ):
        pass


def queued(tmp_path: Path, *, acquire: str, release: str = "echo released >> log") -> Device:
    text = f"[lab]\nurl = 'local'\nacquire = ['sh', '-c', '{acquire}']\n"
    text += f"release = ['sh', '-c', '{release}']\n"
    return device("lab", files=[written(tmp_path / "devices.toml", text)])


def test_a_lab_s_queue_is_asked_before_and_told_after_a_failure_too(tmp_path: Path) -> None:
    lab, said = queued(tmp_path, acquire="echo acquired >> log"), list[str]()
    with pytest.raises(DeviceError, match="acquired"), alone(lab, say=said.append, locks=tmp_path):
        raise DeviceError((tmp_path / "log").read_text())
    assert (tmp_path / "log").read_text() == "acquired\nreleased\n"
    assert said == ["device    lab: sh -c 'echo acquired >> log'"]


def test_what_was_not_acquired_is_not_used_nor_released(tmp_path: Path) -> None:
    lab = queued(tmp_path, acquire="echo booked by Ann; exit 4")
    with (
        pytest.raises(DeviceError, match=r"device lab: its acquire .* code 4: booked by Ann\."),
        alone(lab, say=print, locks=tmp_path),
    ):
        pytest.fail("used")
    assert not (tmp_path / "log").exists()


def test_a_failed_release_is_told_and_hides_no_other_failure(tmp_path: Path) -> None:
    lab = queued(tmp_path, acquire="true", release="echo stuck; exit 1")
    with pytest.raises(DeviceError, match="its release"), alone(lab, say=print, locks=tmp_path):
        pass
    said: list[str] = []
    with (
        pytest.raises(DeviceError, match="planted"),
        alone(lab, say=said.append, locks=tmp_path),
    ):
        raise DeviceError("planted")
    assert said[-1].endswith("ended with code 1: stuck.")


def test_a_queue_s_program_that_is_not_there_is_told(tmp_path: Path) -> None:
    text = '[lab]\nurl = "local"\nacquire = ["lab-lokc"]\nrelease = ["x"]\n'
    path = written(tmp_path / "devices.toml", text)
    with (
        pytest.raises(InputError, match=r"\(lab-lokc\) cannot be started: No such file"),
        alone(device("lab", files=[path]), say=print, locks=tmp_path),
    ):
        pytest.fail("used")
