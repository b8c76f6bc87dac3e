"""The facts of a device with a POSIX shell: one script runs there, and its output is read here."""

from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path

from targets.bench.agent.kernel import cpu_features
from targets.devices.contract import Link
from targets.devices.facts import Cpu, DeviceFacts, Interpreter
from targets.errors import DeviceError

SCRIPT = Path(__file__).with_name("probe.sh")
LIMIT_S = 60
ABI_32_BIT = {"aarch64": "armv7l", "armv8l": "armv7l", "x86_64": "i686"}
"""Machine of a 64-bit kernel -> ABI of 32-bit programs: some Raspberry Pi systems have both."""


def probe(link: Link) -> DeviceFacts:
    """Read the facts; raise `DeviceError` if the device does not answer as a POSIX system."""
    done = link.run(["sh", "-c", SCRIPT.read_text()], env={}, timeout_s=LIMIT_S)
    printed = parsed(done.stdout)
    if printed is None:
        last = (done.stderr.strip().splitlines() or ["no answer"])[-1]
        raise DeviceError(
            f"device {link.name}: could not be probed: {last}. It needs a POSIX shell and the "
            "usual tools (Debian: apt-get install coreutils)."
        )
    return facts(link.name, printed)


def parsed(printed: str) -> dict[str, list[str]] | None:
    """The values of each key in their order; None if the output is incomplete."""
    _, begun, rest = printed.replace("\r\n", "\n").partition("BEGIN-PROBE\n")
    inner, ended, _ = rest.rpartition("END-PROBE\n")
    if not (begun and ended):
        return None
    values = defaultdict(list)
    for line in inner.splitlines():
        key, _, value = line.partition("\t")
        values[key].append(value.strip())
    return dict(values)


def facts(name: str, printed: Mapping[str, list[str]]) -> DeviceFacts:
    """Return the facts that the script printed; `name` is used if the host name is unknown."""

    def one(key: str) -> str | None:
        return printed.get(key, [None])[0]

    pythons = tuple(_python(line) for line in printed.get("python", []) if line.count("|") == 3)
    bits = _integer(one("long_bit")) or (pythons[0].pointer_bits if pythons else None)
    arch = one("arch") or "unknown"
    load = one("loadavg")
    return DeviceFacts(
        id=one("node") or name,
        model=one("model") or one("cpu_name"),
        arch=arch,
        userland_bits=bits,
        abi=ABI_32_BIT.get(arch, arch) if bits == 32 else arch,
        os=one("os"),
        kernel=one("kernel"),
        libc=one("libc"),
        pythons=pythons,
        cpus=tuple(
            Cpu(
                id=int(cpu),
                max_hz=_times(1000, one(f"max_khz.{cpu}")),
                governor=one(f"governor.{cpu}"),
            )
            for cpu in sorted(printed.get("cpu", []), key=int)
        ),
        cpu_features=tuple(cpu_features(f"flags: {one('cpu_flags') or ''}")) or None,
        mem_total_bytes=_times(1024, one("mem_kb")),
        disk_free_bytes=_times(1024, one("disk_free_kb")),
        loadavg1=float(load.split()[0]) if load else None,
        throttled_raw=one("throttled"),
        missing_tools=tuple(printed.get("missing", [])),
        emulated=one("emulated") == "1",
    )


def _python(line: str) -> Interpreter:
    path, version, bits, numpy = line.split("|")
    return Interpreter(path=path, version=version, pointer_bits=int(bits), numpy=numpy or None)


def _integer(text: str | None) -> int | None:
    return int(text) if text and text.lstrip("-").isdigit() else None


def _times(factor: int, text: str | None) -> int | None:
    value = _integer(text)
    return None if value is None else value * factor
