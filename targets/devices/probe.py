"""What a device is: one script there, read here."""

from collections import defaultdict
from pathlib import Path
from typing import Any

from targets.bench.agent.kernel import cpu_features
from targets.devices.link import Link
from targets.errors import DeviceError

SCRIPT = Path(__file__).with_name("probe.sh")
LIMIT_S = 60
HALF = {"aarch64": "armv7l", "armv8l": "armv7l", "x86_64": "i686"}
"""Kernel -> what 32-bit programs are on it; some Raspberry Pis have a 64-bit kernel alone."""


def probe(link: Link) -> dict[str, Any]:
    """The device as `bench-result/1` describes it and provisioning needs it; absent is None.

    `pythons`: every interpreter, the default one first: path, version, pointer_bits, numpy.
    """
    argv = ["sh", "-c", SCRIPT.read_text()]
    done = link.run(argv, env={}, timeout_s=LIMIT_S)
    facts = parsed(done.stdout)
    if facts is None:
        last = (done.stderr.strip().splitlines() or ["no answer"])[-1]
        raise DeviceError(
            f"device {link.name}: could not be looked at: {last}. It needs a POSIX shell and the "
            "usual tools (Debian: apt-get install coreutils)."
        )
    return described(link.name, facts)


def parsed(printed: str) -> dict[str, list[str]] | None:
    """Every value of every key, in order; None where the answer is not whole."""
    _, begun, rest = printed.replace("\r\n", "\n").partition("BEGIN-PROBE\n")
    inner, ended, _ = rest.rpartition("END-PROBE\n")
    if not (begun and ended):
        return None
    facts = defaultdict(list)
    for line in inner.splitlines():
        key, _, value = line.partition("\t")
        facts[key].append(value.strip())
    return dict(facts)


def described(name: str, facts: dict[str, list[str]]) -> dict[str, Any]:
    def one(key: str) -> str | None:
        return facts.get(key, [None])[0]

    pythons = [_python(line) for line in facts.get("python", []) if line.count("|") == 3]
    bits = _integer(one("long_bit")) or (pythons[0]["pointer_bits"] if pythons else None)
    arch = one("arch") or "unknown"
    zones = [int(value) for value in facts.get("zone", []) if _integer(value) is not None]
    free, memory = _integer(one("disk_free_kb")), _integer(one("mem_kb"))
    load = one("loadavg")
    return {
        "id": one("node") or name,
        "model": one("model") or one("cpu_name"),
        "arch": arch,
        "userland_bits": bits,
        "abi": HALF.get(arch, arch) if bits == 32 else arch,
        "os": one("os"),
        "kernel": one("kernel"),
        "libc": one("libc"),
        "python": pythons[0]["version"] if pythons else None,
        "pythons": pythons,
        "cpus": [_cpu(int(cpu), one) for cpu in sorted(facts.get("cpu", []), key=int)],
        "cpu_features": cpu_features(f"flags: {one('cpu_flags') or ''}") or None,
        "mem_total_bytes": None if memory is None else memory * 1024,
        "disk_free_bytes": None if free is None else free * 1024,
        "loadavg1": float(load.split()[0]) if load else None,
        "temp_c": max(zones) / 1000 if zones else None,
        "throttled_raw": one("throttled"),
        "missing_tools": facts.get("missing", []),
        "emulated": one("emulated") == "1",
    }


def _python(line: str) -> dict[str, Any]:
    path, version, bits, numpy = line.split("|")
    return {
        "path": path, "version": version, "pointer_bits": int(bits), "numpy": numpy or None,
    }  # fmt: skip


def _cpu(cpu: int, one: Any) -> dict[str, Any]:
    khz = _integer(one(f"max_khz.{cpu}"))
    return {
        "id": cpu,
        "max_hz": None if khz is None else khz * 1000,
        "governor": one(f"governor.{cpu}"),
    }


def _integer(text: str | None) -> int | None:
    return int(text) if text and text.lstrip("-").isdigit() else None
