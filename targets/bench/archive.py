"""`agent.pyz`: the agent and the sessions of the runtimes, as one file that Python executes."""

import atexit
import shutil
from collections.abc import Iterable
from functools import cache
from pathlib import Path, PurePosixPath
from tempfile import mkdtemp
from zipfile import ZipFile, ZipInfo

from targets.runtimes import RUNTIMES, Runtime

AGENT = Path(__file__).with_name("agent")


def packed(runtime: Runtime) -> Path:
    """The archive with the sessions of `runtime` and of every built-in runtime.

    The same sources give the same bytes, so that a device keeps the file between measurements.
    """
    return _packed(tuple({one.name: one for one in (*RUNTIMES.values(), runtime)}.values()))


@cache
def _packed(runtimes: tuple[Runtime, ...]) -> Path:
    folder = Path(mkdtemp(prefix="edge-distill-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    path = folder / "agent.pyz"
    with ZipFile(path, "w") as archive:  # zipapp keeps the files' times and modes
        for name, content in sorted(_contents(runtimes).items()):
            archive.writestr(ZipInfo(name), content)
    return path


def _contents(runtimes: Iterable[Runtime]) -> dict[str, bytes]:
    """Path in the archive -> content. The packages between are empty there."""
    agent = {f"targets/bench/agent/{path.name}": path for path in AGENT.glob("*.py")}
    sessions = {f"targets/runtimes/{one.name}/session.py": _source(one) for one in runtimes}
    packages = {
        f"{folder}/__init__.py": b""
        for name in (*agent, *sessions)
        for folder in list(PurePosixPath(name).parents)[:-1]
    }
    main = agent.pop("targets/bench/agent/__main__.py").read_bytes()
    modules = {name: path.read_bytes() for name, path in {**agent, **sessions}.items()}
    return {**packages, **modules, "__main__.py": main}


def _source(runtime: Runtime) -> Path:
    assert runtime.session.__file__ is not None
    return Path(runtime.session.__file__)
