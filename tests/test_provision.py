"""What a device is, and which runtime it can have (tests/devices has it done for real)."""

from pathlib import Path
from typing import Any

import pytest

from targets.devices import wheels
from targets.devices.install_options import candidates
from targets.devices.link import Completed
from targets.devices.local.link import LocalLink
from targets.devices.probe import described, parsed, probe
from targets.devices.provisioning import provision
from targets.devices.wheels import Platform, fetched
from targets.errors import DeviceError

PI = """\
arch\taarch64
long_bit\t32
libc\tglibc 2.36
python\t/usr/bin/python3|3.11.2|32|1.24.2
loadavg\t0.10 0.05 0.01 1/100 99
zone\t48200
zone\t51000
"""


def device(text: str = PI, **changes: Any) -> dict[str, Any]:
    facts = parsed(f"Welcome!\r\nBEGIN-PROBE\n{text}END-PROBE\nbye\n")
    assert facts is not None
    return {**described("pi", facts), **changes}


def python(version: str, numpy: str | None = None) -> dict[str, Any]:
    return {"path": f"/bin/{version}", "version": version, "pointer_bits": 64, "numpy": numpy}


def wished(facts: dict[str, Any], kind: str) -> list[tuple[str, ...]]:
    return [each.requirements for each in candidates(facts, kind, name="pi")]


def test_a_64_bit_kernel_with_32_bit_programs_is_a_32_bit_device() -> None:
    facts = device()
    assert (facts["arch"], facts["abi"], facts["userland_bits"]) == ("aarch64", "armv7l", 32)
    assert facts["temp_c"] == 51.0
    assert facts["model"] is facts["throttled_raw"] is facts["mem_total_bytes"] is None


def test_pointers_decide_where_the_system_does_not_say() -> None:
    assert device(PI.replace("long_bit\t32\n", ""))["abi"] == "armv7l"


def test_an_answer_that_was_cut_is_none() -> None:
    assert parsed(f"BEGIN-PROBE\n{PI}") is None
    assert parsed("") is None


def test_this_machine_is_seen(tmp_path: Path) -> None:
    facts = probe(LocalLink(tmp_path))
    assert facts["emulated"] is False
    assert facts["cpus"]
    assert facts["mem_total_bytes"] > 0
    assert facts["disk_free_bytes"] > 0


def test_a_device_that_does_not_answer_is_told(tmp_path: Path) -> None:
    class Mute(LocalLink):
        def run(self, argv: Any, **more: Any) -> Completed:
            return Completed(returncode=127, stderr="sh: not found\n")

    with pytest.raises(DeviceError, match=r"could not be looked at: sh: not found\."):
        probe(Mute(tmp_path))


def test_only_tags_that_the_device_can_load_are_asked_for() -> None:
    tags = Platform(abi="aarch64", glibc=(2, 36), python=(3, 11)).tags()
    assert {f"manylinux_2_{n}_aarch64" for n in (17, 27, 28, 34)} <= set(tags)
    old = Platform(abi="aarch64", glibc=(2, 31), python=(3, 9)).tags()
    assert "manylinux_2_34_aarch64" not in old
    assert "manylinux_2_28_aarch64" in old


def test_this_machines_own_version_is_wished_first() -> None:
    facts = device(abi="aarch64")
    first, second, *_ = wished(facts, "onnx")
    assert first[0].startswith("onnxruntime==")
    assert second[0].startswith("onnxruntime>=")


def test_the_newer_runtime_is_wished_before_the_older_one() -> None:
    runtimes = [each.runtime.name for each in candidates(device(), "tflite", name="pi")]
    assert runtimes == sorted(runtimes)
    assert {*runtimes} == {"ai_edge_litert", "tflite_runtime"}


def test_the_older_runtime_comes_with_the_numpy_that_it_was_built_for() -> None:
    facts = device(abi="aarch64")
    assert all("numpy<2" in each for each in wished(facts, "tflite") if "tflite-r" in each[0])


def test_where_no_numpy_wheel_exists_the_devices_own_is_used() -> None:
    (*_, last) = candidates(device(), "tflite", name="pi")
    assert last.own_numpy
    assert last.requirements == ("tflite-runtime>=2.14",)
    assert not wished(device(pythons=[python("3.11.2")]), "tflite")
    newer = wished(device(pythons=[python("3.13.1", numpy="2.2.4")]), "tflite")
    assert not [each for each in newer if "tflite-runtime" in each[0]]


def test_another_python_or_system_gets_an_environment_of_its_own() -> None:
    keys = {
        next(candidates(facts, "onnx", name="pi")).key
        for facts in (
            device(),
            device(libc="glibc 2.41"),
            device(pythons=[python("3.13.1", numpy="2.2.4")]),
        )
    }
    assert len(keys) == 3


def test_every_python_of_a_device_is_considered() -> None:
    facts = device(abi="aarch64", pythons=[python("3.14.0"), python("3.11.2")])
    bases = [each.base for each in candidates(facts, "onnx", name="pi")]
    assert bases[:2] == ["/bin/3.14.0", "/bin/3.11.2"]


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"pythons": []}, r"no python3 there\. Install it"),
        ({"libc": None}, r"its C library is unknown.*--native"),
        ({"libc": "musl 1.2"}, r"its C library is musl 1\.2.*--native"),
    ],
)
def test_a_device_that_can_have_no_wheel_is_told(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(DeviceError, match=told):
        list(candidates(device(**changes), "tflite", name="pi"))


class Empty:
    """A device with nothing of ours on it."""

    name = "pi"

    def run(self, argv: Any, *, env: Any = None, timeout_s: float) -> Completed:
        return Completed(returncode=0)

    def place(self, name: str) -> str:
        return f"/ours/{name}"

    def put(self, path: Path) -> str:
        raise AssertionError("nothing is brought")

    def fetch(self, there: str, to: Path) -> None:
        raise AssertionError("nothing is fetched")

    def close(self) -> None:
        """It holds nothing."""


def test_a_device_that_no_wheel_fits_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_NO_INDEX", "1")  # a registry that has nothing
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    with pytest.raises(DeviceError, match=r"no wheel of onnxruntime fits it \(riscv64, glibc 2.36"):
        provision(Empty(), device(abi="riscv64"), "onnx", cache=tmp_path, say=print)


def test_a_32_bit_device_without_numpy_is_told_to_install_it(tmp_path: Path) -> None:
    bare = device(pythons=[python("3.11.2")])
    with pytest.raises(DeviceError, match="sudo apt install python3-numpy"):
        provision(Empty(), bare, "onnx", cache=tmp_path, say=print)


def test_a_registry_that_is_out_of_reach_is_not_one_without_the_wheel(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = "http://127.0.0.1:9/"
    for name, value in (("INDEX_URL", closed), ("EXTRA_INDEX_URL", ""), ("RETRIES", "1")):
        monkeypatch.setenv(f"PIP_{name}", value)
    platform = Platform(abi="aarch64", glibc=(2, 36), python=(3, 11))
    with pytest.raises(DeviceError, match=r"could not fetch them: .*this machine's network"):
        fetched(["onnxruntime"], platform, cache=tmp_path)
    assert not list(tmp_path.iterdir())


def test_wheels_that_were_fetched_are_not_fetched_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []

    def download(arguments: Any, platform: Platform, to: Path) -> bool:
        asked.append(arguments)
        to.mkdir()
        return True

    monkeypatch.setattr(wheels, "_download", download)
    platform = Platform(abi="aarch64", glibc=(2, 36), python=(3, 11))
    first = fetched(["a"], platform, cache=tmp_path)
    assert fetched(["a"], platform, cache=tmp_path) == first
    assert fetched(["b"], platform, cache=tmp_path) != first
    assert asked == [["a"], ["b"]]


def test_this_machine_needs_nothing_installed(tmp_path: Path) -> None:
    made = provision(LocalLink(tmp_path), {}, "onnx", cache=tmp_path, say=print)
    assert (made.runtime, made.reused) == ("onnxruntime", True)


def test_only_pythons_that_a_runtime_has_wheels_for_are_considered() -> None:
    facts = device(abi="aarch64", pythons=[python("3.13.1"), python("3.11.2"), python("3.7.3")])
    older = [each for each in candidates(facts, "tflite", name="pi") if "tflite_r" in each.key]
    assert {each.platform.python for each in older} == {(3, 11)}
    newer = list(candidates(facts, "onnx", name="pi"))
    assert {each.platform.python for each in newer} == {(3, 13), (3, 11)}
