"""The stand-in adbd with an ARM Android tree for its shell: `python -m ... QEMU TREE WORK`.

In a private system as `tests.devices.namespace` makes one. adbd itself is this machine's Python,
outside the tree; its network is the machine's. Prints its port; ended with its parent.
"""

import signal
import sys
from pathlib import Path

from tests.devices import namespace
from tests.devices.adb.adbd import Phone

SHELL = "/system/bin/sh"


def serve(root: Path) -> None:
    environment = {
        "PATH": "/system/bin",
        "TMPDIR": "/data/local/tmp",  # for a script's here-documents, as Android's own mksh has it
        "EDGE_DISTILL_EMULATED": "1",
        "QEMU_CPU": "cortex-a72",
        "LC_ALL": "C",  # Debian's mksh complains of any other at its start
    }
    shell = ("/usr/sbin/chroot", str(root), SHELL, "-c")
    with Phone(shell=shell, path=lambda name: Path(f"{root}{name}"), env=environment) as phone:
        print(phone.port, flush=True)
        signal.pause()


if __name__ == "__main__":
    qemu, tree, work = sys.argv[1:]
    sys.exit(namespace.inside(serve, qemu=qemu, rootfs=Path(tree), work=Path(work)))
