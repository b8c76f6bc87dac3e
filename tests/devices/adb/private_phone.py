"""The stand-in adbd with an ARM Android tree for its shell: `python -m ... QEMU TREE WORK`.

In a private system as `tests.devices.namespace` makes one. adbd itself is this machine's Python,
outside the tree; its network is the machine's. Prints its port; ended with its parent.
"""

import os
import signal
import sys
from pathlib import Path

from tests.devices import namespace
from tests.devices.adb.adbd import Phone

SHELL = "/system/bin/sh"


def serve(root: Path) -> None:
    environment = {
        "PATH": "/system/bin",
        "EDGE_DISTILL_EMULATED": "1",
        "QEMU_CPU": "cortex-a72",
        "LC_ALL": "C",  # Debian's mksh complains of any other at its start
    }
    shell = ("/usr/sbin/chroot", str(root), SHELL, "-c")
    with Phone(shell=shell, path=lambda name: Path(f"{root}{name}"), env=environment) as phone:
        print(phone.port, flush=True)
        signal.pause()


def main(qemu: str, tree: str, work: str) -> int:
    namespace.LIBC.prctl(namespace.DIE_WITH_PARENT, signal.SIGKILL)
    ready, is_ready = os.pipe()
    mapped, is_mapped = os.pipe()
    outer = os.fork()
    if outer == 0:
        namespace.become_root_of_new(is_ready, mapped)
        inner = os.fork()
        if inner == 0:
            namespace.LIBC.prctl(namespace.DIE_WITH_PARENT, signal.SIGKILL)
            serve(namespace.system(qemu, Path(tree), Path(work)))
        return os.waitstatus_to_exitcode(os.waitpid(inner, 0)[1])
    os.read(ready, 1)
    for name in ("uid_map", "gid_map"):
        Path(f"/proc/{outer}/{name}").write_text("0 0 65536\n")
    os.write(is_mapped, b"x")
    return os.waitstatus_to_exitcode(os.waitpid(outer, 0)[1])


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
