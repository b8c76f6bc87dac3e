"""Run a program for ARM in a private system: `python namespace.py QEMU ROOTFS WORK PROGRAM ...`.

New user, mount and process namespaces hold a private binfmt_misc (kernel 6.7 or newer), which hands
aarch64 programs to qemu, and `ROOTFS` with `WORK` laid over it for what is written: the machine is
left as it was. Needs root. Whoever ends this process ends everything in it.
"""

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path

LIBC = ctypes.CDLL(None, use_errno=True)
NEW_MOUNTS, NEW_USER, NEW_PIDS = 0x00020000, 0x10000000, 0x20000000
BIND, RECURSIVE, PRIVATE = 0x1000, 0x4000, 0x40000
DIE_WITH_PARENT = 1
HEADER = b"\\x7fELF\\x02\\x01\\x01" + b"\\x00" * 9 + b"\\x02\\x00\\xb7\\x00"
MASK = b"\\xff" * 7 + b"\\x00" + b"\\xff" * 8 + b"\\xfe\\xff\\xff\\xff"
DEVICES = ("null", "zero", "full", "random", "urandom")
SMALL = "home/pi/small"
"""A disk of 64 kB."""


def checked(result: int, what: str) -> None:
    if result != 0:
        raise OSError(ctypes.get_errno(), what)


def mount(source: str, target: Path, kind: str, flags: int = 0, options: str = "") -> None:
    given = (source.encode(), str(target).encode(), kind.encode(), flags, options.encode())
    checked(LIBC.mount(*given), f"mount {kind} {source} on {target}")


def system(qemu: str, rootfs: Path, work: Path) -> Path:
    """Everything mounted; the root of the ARM system."""
    mount("none", Path("/"), "", RECURSIVE | PRIVATE)
    for name in ("upper", "scratch", "root"):
        (work / name).mkdir(exist_ok=True)
    layers = f"lowerdir={rootfs},upperdir={work}/upper,workdir={work}/scratch,userxattr"
    root = work / "root"
    mount("overlay", root, "overlay", 0, layers)
    formats = Path("/proc/sys/fs/binfmt_misc")
    mount("none", formats, "binfmt_misc")
    (formats / "register").write_bytes(
        b":ours:M::" + HEADER + b":" + MASK + b":" + qemu.encode() + b":F"
    )
    mount("proc", root / "proc", "proc")
    mount(f"{root}/etc/cpuinfo", root / "proc/cpuinfo", "", BIND)
    for name in DEVICES:
        (root / "dev" / name).touch()
        mount(f"/dev/{name}", root / "dev" / name, "", BIND)
    mount("none", root / SMALL, "tmpfs", 0, "size=64k,mode=777")
    return root


def inside(first: Callable[[Path], object], *, qemu: str, rootfs: Path, work: Path) -> int:
    """Call `first`, with the root of the ARM system, in a private system; its exit code.

    It is outside that root until it goes there, and everything ends with it.
    """
    LIBC.prctl(DIE_WITH_PARENT, signal.SIGKILL)
    ready, is_ready = os.pipe()
    mapped, is_mapped = os.pipe()
    outer = os.fork()
    if outer == 0:
        _become_root_of_new(is_ready, mapped)
        inner = os.fork()
        if inner == 0:
            LIBC.prctl(DIE_WITH_PARENT, signal.SIGKILL)
            first(system(qemu, rootfs, work))
            return 0
        return os.waitstatus_to_exitcode(os.waitpid(inner, 0)[1])
    os.read(ready, 1)
    for name in ("uid_map", "gid_map"):
        Path(f"/proc/{outer}/{name}").write_text("0 0 65536\n")
    os.write(is_mapped, b"x")
    return os.waitstatus_to_exitcode(os.waitpid(outer, 0)[1])


def _become_root_of_new(ready: int, mapped: int) -> None:
    checked(LIBC.unshare(NEW_USER | NEW_MOUNTS | NEW_PIDS), "unshare")
    os.write(ready, b"x")
    os.read(mapped, 1)
    os.setresgid(0, 0, 0)
    os.setresuid(0, 0, 0)
    LIBC.prctl(DIE_WITH_PARENT, signal.SIGKILL)


def main(qemu: str, rootfs: str, work: str, *program: str) -> int:
    def execute(root: Path) -> None:
        os.chroot(root)
        os.chdir("/")
        os.execv(program[0], program)

    return inside(execute, qemu=qemu, rootfs=Path(rootfs), work=Path(work))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
