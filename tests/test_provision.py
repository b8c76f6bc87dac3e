"""The facts of a device, and which runtime it can have (tests/devices installs them)."""

from dataclasses import replace
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest

from targets.devices.contract import Completed, WantedRuntime
from targets.devices.facts import DeviceFacts, Interpreter
from targets.devices.fake.link import FakeLink
from targets.devices.install_options import InstallOption, install_options
from targets.devices.local.kind import LocalSession
from targets.devices.local.link import LocalLink
from targets.devices.probe import facts as facts_of
from targets.devices.probe import parsed, probe
from targets.devices.provisioning import provision
from targets.devices.wheels import Platform, fetched
from targets.errors import DeviceError

PI = """\
arch\taarch64
long_bit\t32
libc\tglibc 2.36
python\t/usr/bin/python3|3.11.2|32|1.24.2
loadavg\t0.10 0.05 0.01 1/100 99
"""


def device(text: str = PI, **changes: Any) -> DeviceFacts:
    printed = parsed(f"Welcome!\r\nBEGIN-PROBE\n{text}END-PROBE\nbye\n")
    assert printed is not None
    return replace(facts_of("pi", printed), **changes)


def python(version: str, numpy: str | None = None) -> Interpreter:
    return Interpreter(path=f"/bin/{version}", version=version, pointer_bits=64, numpy=numpy)


def options(facts: DeviceFacts, format_name: str) -> list[InstallOption]:
    return list(install_options(facts, format_name, name="pi"))


def requirements(facts: DeviceFacts, format_name: str) -> list[tuple[str, ...]]:
    return [each.requirements for each in options(facts, format_name)]


def test_a_64_bit_kernel_with_32_bit_programs_is_a_32_bit_device() -> None:
    facts = device()
    assert (facts.arch, facts.abi, facts.userland_bits) == ("aarch64", "armv7l", 32)
    assert (facts.model, facts.throttled_raw, facts.mem_total_bytes) == (None, None, None)


def test_pointers_decide_where_the_system_does_not_state_its_bits() -> None:
    assert device(PI.replace("long_bit\t32\n", "")).abi == "armv7l"


def test_an_incomplete_answer_is_none() -> None:
    assert parsed(f"BEGIN-PROBE\n{PI}") is None
    assert parsed("") is None


def test_the_facts_of_this_machine_are_read(tmp_path: Path) -> None:
    facts = probe(LocalLink(tmp_path))
    assert facts.emulated is False
    assert facts.cpus
    assert facts.mem_total_bytes
    assert facts.disk_free_bytes


def test_a_device_that_does_not_answer_is_an_error(tmp_path: Path) -> None:
    mute = FakeLink(tmp_path, handler=lambda argv: Completed(returncode=127, stderr="no sh\n"))
    with pytest.raises(DeviceError, match=r"could not be probed: no sh\."):
        probe(mute)


def test_only_tags_that_the_device_can_load_are_asked_for() -> None:
    tags = Platform(abi="aarch64", glibc=(2, 36), python=(3, 11)).tags()
    assert {f"manylinux_2_{n}_aarch64" for n in (17, 27, 28, 34)} <= set(tags)
    old = Platform(abi="aarch64", glibc=(2, 31), python=(3, 9)).tags()
    assert "manylinux_2_34_aarch64" not in old
    assert "manylinux_2_28_aarch64" in old


def test_this_machines_own_version_comes_first() -> None:
    first, second, *_ = requirements(device(abi="aarch64"), "onnx")
    assert first[0].startswith("onnxruntime==")
    assert second[0].startswith("onnxruntime>=")


def test_the_newer_runtime_comes_before_the_older_one() -> None:
    runtimes = [each.runtime.name for each in options(device(), "tflite")]
    assert runtimes == sorted(runtimes)
    assert {*runtimes} == {"ai_edge_litert", "tflite_runtime"}


def test_the_older_runtime_comes_with_the_numpy_that_it_was_built_for() -> None:
    every = requirements(device(abi="aarch64"), "tflite")
    older = [each for each in every if each[0].startswith("tflite-runtime")]
    assert older
    assert all("numpy<2" in each for each in older)


def test_where_no_numpy_wheel_exists_the_devices_own_is_used() -> None:
    (*_, last) = options(device(), "tflite")
    assert last.own_numpy
    assert last.requirements == ("tflite-runtime>=2.14",)
    assert not requirements(device(pythons=(python("3.11.2"),)), "tflite")
    newer = requirements(device(pythons=(python("3.13.1", numpy="2.2.4"),)), "tflite")
    assert not [each for each in newer if "tflite-runtime" in each[0]]


def test_another_python_or_system_gets_an_environment_of_its_own() -> None:
    keys = {
        options(facts, "onnx")[0].key
        for facts in (
            device(),
            device(libc="glibc 2.41"),
            device(pythons=(python("3.13.1", numpy="2.2.4"),)),
        )
    }
    assert len(keys) == 3


def test_every_python_of_a_device_is_considered() -> None:
    facts = device(abi="aarch64", pythons=(python("3.14.0"), python("3.11.2")))
    bases = [each.base for each in options(facts, "onnx")]
    assert bases[:2] == ["/bin/3.14.0", "/bin/3.11.2"]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"pythons": ()}, r"no python3 there\. Install it"),
        ({"libc": None}, r"its C library is unknown.*--native"),
        ({"libc": "musl 1.2"}, r"its C library is musl 1\.2.*--native"),
    ],
)
def test_a_device_that_can_have_no_wheel_is_an_error(changes: dict[str, Any], error: str) -> None:
    with pytest.raises(DeviceError, match=error):
        options(device(**changes), "tflite")


def empty(folder: Path) -> FakeLink:
    """A device where nothing is installed, and nothing may be."""
    return FakeLink(folder, name="pi", handler=lambda argv: Completed(returncode=0))


def test_a_device_that_no_wheel_fits_is_an_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")  # an index that has nothing
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    link = empty(tmp_path / "pi")
    with pytest.raises(DeviceError, match=r"no wheel of onnxruntime fits it \(riscv64, glibc 2.36"):
        provision(
            link, device(abi="riscv64"), WantedRuntime(format="onnx"), cache=tmp_path, say=print
        )
    assert not list(link.folder.iterdir())


def test_a_32_bit_device_without_numpy_needs_its_own(tmp_path: Path) -> None:
    bare = device(pythons=(python("3.11.2"),))
    with pytest.raises(DeviceError, match="sudo apt install python3-numpy"):
        provision(empty(tmp_path), bare, WantedRuntime(format="onnx"), cache=tmp_path, say=print)


def test_an_index_that_is_out_of_reach_is_not_one_without_the_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = "http://127.0.0.1:9/"
    for name, value in (("INDEX_URL", closed), ("EXTRA_INDEX_URL", ""), ("RETRIES", "1")):
        monkeypatch.setenv(f"PIP_{name}", value)
    platform = Platform(abi="aarch64", glibc=(2, 36), python=(3, 11))
    with pytest.raises(DeviceError, match=r"could not fetch them: .*Check this machine's network"):
        fetched(["onnxruntime"], platform, cache=tmp_path)
    assert not list(tmp_path.iterdir())


def offered(index: Path, name: str) -> Path:
    """A wheel of nothing, in a folder that pip can take for an index."""
    stem = f"{name.replace('-', '_')}-1.0"
    index.mkdir()
    path = index / f"{stem}-py3-none-any.whl"
    with ZipFile(path, "w") as wheel:
        metadata = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n"
        wheel.writestr(f"{stem}.dist-info/METADATA", metadata)
        wheel.writestr(f"{stem}.dist-info/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        wheel.writestr(f"{stem}.dist-info/RECORD", "")
    return path


def test_wheels_that_were_fetched_are_not_fetched_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    index, cache = tmp_path / "index", tmp_path / "cache"
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(index))
    wheel = offered(index, "toy-wheel")
    platform = Platform(abi="aarch64", glibc=(2, 36), python=(3, 11))
    folder = fetched(["toy-wheel"], platform, cache=cache)
    assert folder is not None
    assert (folder / wheel.name).read_bytes() == wheel.read_bytes()
    wheel.unlink()
    assert fetched(["toy-wheel"], platform, cache=cache) == folder
    other = Platform(abi="aarch64", glibc=(2, 36), python=(3, 12))
    assert fetched(["toy-wheel"], other, cache=cache) is None  # it is not there any more


def test_this_machine_needs_nothing_installed(tmp_path: Path) -> None:
    here = LocalSession(link=LocalLink(tmp_path), reached="local")
    made = here.provision(here.probe(), WantedRuntime(format="onnx"), say=print)
    assert (made.runtime, made.reused) == ("onnxruntime", True)


def test_only_pythons_that_a_runtime_has_wheels_for_are_considered() -> None:
    pythons = (python("3.13.1"), python("3.11.2"), python("3.7.3"))
    facts = device(abi="aarch64", pythons=pythons)
    older = [each for each in options(facts, "tflite") if "tflite_r" in each.key]
    assert {each.platform.python for each in older} == {(3, 11)}
    assert {each.platform.python for each in options(facts, "onnx")} == {(3, 13), (3, 11)}
