"""Which runtimes work here: each runs a tiny model, y = x + x, and its answer is compared."""

from __future__ import annotations

import base64
import json
import os
import platform
import struct
import tempfile

from targets.bench.agent.job import AgentJob, finish
from targets.bench.agent.session import names, session_module


def selftest(wanted: list[str]) -> tuple[dict[str, object], int]:
    """(document, exit code): 0 if every runtime in `wanted` works, or any where it is empty."""
    with tempfile.TemporaryDirectory() as folder:
        tried = {name: attempt(name, folder) for name in wanted or names()}
    works = [one["ok"] for one in tried.values()]
    document = {
        "schema": "agent-selftest/1",
        "python": platform.python_version(),
        "machine": platform.machine(),
        "pointer_bits": struct.calcsize("P") * 8,
        "libc": " ".join(platform.libc_ver()).strip() or None,
        "numpy": numpy_version(),
        "runtimes": tried,
    }
    return document, 0 if (all(works) if wanted else any(works)) else 1


def numpy_version() -> str | None:
    try:
        import numpy as np
    except ImportError:
        return None
    return np.__version__


def attempt(name: str, folder: str) -> dict[str, object]:
    """One runtime, in a child: it may end the whole process, or break the next one."""
    out = os.path.join(folder, f"{name}.json")
    failed = {"version": None, "ok": False}
    child = os.fork()  # not a new interpreter: what a loader has started cannot start itself again
    if child == 0:
        os.dup2(2, 1)  # stdout is for the document
        os._exit(finish(lambda: double(name, folder), out))
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return {**failed, "error": f"ended by signal {os.WTERMSIG(status)}"}
    with open(out, encoding="utf-8") as file:
        result = json.load(file)
    if "error" in result:
        return {**failed, "error": "{type}: {message}".format(**result["error"])}
    return {"version": result["runtime"]["version"], "ok": True, "error": None}


def double(name: str, folder: str) -> dict[str, object]:
    """The result of an accuracy job with the tiny model; a `ValueError` for a wrong answer."""
    session = session_module(name)  # the first cause of a failure, as is a missing numpy
    import numpy as np

    from targets.bench.agent.measure import run

    model, samples, outputs = (os.path.join(folder, name + end) for end in ("", ".x.npy", ".y.npy"))
    with open(model, "wb") as file:
        file.write(base64.b64decode(session.SELF_TEST_MODEL))
    given = np.array([[1, -2, 3, 0.5], [0, 4, -5, 1e6]], np.float32)
    np.save(samples, given)
    job: AgentJob = {
        "mode": "accuracy", "runtime": name, "model": model, "threads": 1, "affinity": None,
        "seed": "0:0", "samples": samples, "output_index": 0, "outputs": outputs,
        "inputs": {
            "x": {"shape": [1, 4], "dtype": "float32", "kind": "samples", "adapter": None}
        },
    }  # fmt: skip
    result, answer = run(job), np.load(outputs)
    if not np.array_equal(answer, given + given):
        raise ValueError(f"{given.tolist()} doubled is not {answer.tolist()}")
    return result
