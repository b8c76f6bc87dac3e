"""A Python on a phone that has none, in a real ARM tree with Android's shell."""

import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from targets.devices.adb.link import AdbLink
from targets.devices.adb.provisioning import provision
from targets.devices.contract import Provisioned, WantedRuntime
from targets.errors import DeviceError
from tests.conftest import Lane
from tests.devices import need
from tests.devices.adb.android import Android
from tests.devices.adb.tree import tree
from tests.devices.by_command import Given, no_speed_up, whole_way

pytestmark = pytest.mark.device
RUNTIME = "tflite_runtime"
"""Emulated, the quickest to start of the two."""
WANTED = WantedRuntime(format="tflite", runtime=RUNTIME)


def quiet(_: str) -> None: ...


@pytest.fixture(scope="module")
def android(tmp_path_factory: pytest.TempPathFactory) -> Android:
    """What lies over the tree: Android's own programs, and the fast core first of two."""
    upper = tmp_path_factory.mktemp("work") / "upper"
    android = Android(upper / "system", seen_as="/system", shell="/system/bin/sh")
    android.sysfs = upper / "sys"
    android.cores(2_400_000, 1_800_000)
    return android


@pytest.fixture(scope="module")
def link(own_server: int, android: Android) -> Iterator[AdbLink]:
    need.root("a private system for ARM")
    qemu = need.program("qemu-aarch64-static", package="qemu-user-static")
    need.program("dpkg-deb", package="dpkg")
    work = android.sysfs.parent.parent
    program = [sys.executable, "-m", "tests.devices.adb.private_phone"]
    server = subprocess.Popen(
        [*program, qemu, str(tree()), str(work)], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    with server.stdout:
        port = int(server.stdout.readline())
        yield AdbLink(f"127.0.0.1:{port}")
    server.kill()
    server.wait()


@pytest.fixture(scope="module")
def made(link: AdbLink) -> Provisioned:
    return provision(link, "arm64-v8a", WANTED, say=quiet)


def test_the_shell_is_androids_on_arm(link: AdbLink) -> None:
    done = link.run(["sh", "-c", "uname -m; echo $KSH_VERSION; exit 7"], env={}, timeout_s=30)
    assert done.returncode == 7
    assert re.match(r"aarch64\n.*MIRBSD KSH", done.stdout)


def test_a_command_that_never_ends_is_ended_there_with_its_children(link: AdbLink) -> None:
    assert link.run(["sh", "-c", "sleep 301 & sleep 302"], env={}, timeout_s=2).timed_out
    deadline = time.monotonic() + 20  # emulated, the last of them takes a moment to be gone
    while (left := sleeping(link)) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert not left


def sleeping(link: AdbLink) -> list[str]:
    """What `ps` still shows of them; a zombie has no arguments."""
    shown = link.run(["ps", "-ef"], env={}, timeout_s=30).stdout
    return [line for line in shown.splitlines() if "sleep 301" in line or "sleep 302" in line]


def test_the_bundle_runs_the_agents_own_test(made: Provisioned) -> None:
    assert made.runtime == RUNTIME
    assert made.numpy.startswith("1.")


def test_the_bundle_takes_no_library_from_the_phone(link: AdbLink, made: Provisioned) -> None:
    code = "import numpy, tflite_runtime.interpreter; print(open('/proc/self/maps').read())"
    done = link.run([made.python, "-I", "-c", code], env={}, timeout_s=120)
    libraries = {line.split()[-1] for line in done.stdout.splitlines() if ".so" in line}
    assert len(libraries) > 5
    assert {name for name in libraries if not name.startswith(made.python[:-6])} == set()


def test_the_second_time_it_is_there(link: AdbLink, made: Provisioned) -> None:
    again = provision(link, "arm64-v8a", replace(WANTED, install=False), say=quiet)
    assert again.reused
    assert again.python == made.python


def test_a_phone_of_another_kind_is_refused(link: AdbLink) -> None:
    with pytest.raises(DeviceError, match="the device is armeabi-v7a"):
        provision(link, "armeabi-v7a", WANTED, say=quiet)


@pytest.mark.usefixtures("project", "made")
def test_the_whole_way_on_a_phone(
    link: AdbLink, android: Android, finished: Lane, tmp_path: Path
) -> None:
    pytest.importorskip("tflite_runtime", reason="ends at CPython 3.11")
    given = Given.make(finished, tmp_path, runtime=RUNTIME)
    Path("devices.toml").write_text(f'[phone]\nurl = "adb://{link.serial}"\n')
    document = whole_way("phone", given)
    assert no_speed_up(document)
    assert (document.device.model, document.device.os) == ("Pixel 7", "Android 14")
    for block in document.blocks:
        assert block.runtime.affinity_effective == (0,)  # the fast core
        assert block.env_before is not None
        assert (block.env_before.thermal_status, block.env_before.battery_c) == (0, 31.2)
    assert android.get("wakefulness") == "Asleep"  # as before
    with pytest.raises(DeviceError, match="cannot write in"):  # our folder is gone
        link.run(["true"], env={}, timeout_s=30)
