"""What a probe reads about a device. A value that cannot be read is None, never 0."""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Cpu:
    id: int
    max_hz: int | None = None
    """Highest frequency of the hardware."""
    governor: str | None = None


@dataclass(frozen=True, kw_only=True)
class Interpreter:
    """A CPython on a device."""

    path: str
    version: str
    pointer_bits: int | None = None
    numpy: str | None = None
    """Version of the numpy that it imports."""


@dataclass(frozen=True, kw_only=True)
class DeviceFacts:
    id: str | None = None
    model: str | None = None
    """Model of the board, else of the CPU."""
    soc: str | None = None
    arch: str = "unknown"
    """Machine of the kernel (`uname -m`)."""
    abi: str
    """ABI of programs, which can differ from `arch`: `x86_64`, `aarch64`, `armv7l`, `arm64-v8a`."""
    userland_bits: int | None = None
    os: str | None = None
    kernel: str | None = None
    libc: str | None = None
    """C library and version: `glibc 2.36`."""
    pythons: tuple[Interpreter, ...] = ()
    """Interpreters, the default one first."""
    cpus: tuple[Cpu, ...] = ()
    """CPUs that a measuring process may use."""
    cpu_features: tuple[str, ...] | None = None
    """Features of the processor that decide how int8 is multiplied."""
    mem_total_bytes: int | None = None
    disk_free_bytes: int | None = None
    """Free bytes of the disk that our folder is on."""
    context: str | None = None
    """How processes are started, where that decides how they are scheduled."""
    loadavg1: float | None = None
    """1-minute load average."""
    throttled_raw: str | None = None
    """Raspberry Pi's `vcgencmd get_throttled`, in hexadecimal."""
    missing_tools: tuple[str, ...] = ()
    """Programs that a measurement needs and that are not installed."""
    emulated: bool = False
    """Whether the CPU is emulated: times measured there mean nothing."""

    @property
    def python(self) -> str | None:
        """Version of the default interpreter."""
        return self.pythons[0].version if self.pythons else None
