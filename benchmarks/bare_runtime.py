"""Time of one query in a bare loop over the runtime: `python bare_runtime.py JOB.json`.

The counterpart of the agent in `harness_overhead`: the same job, file and Python, host array in,
host array out. Many calls between two readings of the clock exclude the cost of the clock and of
the agent. Like the agent, it imports the standard library, numpy and one runtime.
"""

import importlib
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

CALLS = 50
"""Number of calls between two readings of the clock."""


def tflite_calls(module: Any, job: dict[str, Any], array: Any) -> Callable[[], None]:
    interpreter = module.Interpreter(model_path=job["model"], num_threads=job["threads"])
    interpreter.allocate_tensors()
    into = interpreter.get_input_details()[0]["index"]
    out_of = interpreter.get_output_details()[0]["index"]
    set_tensor, invoke = interpreter.set_tensor, interpreter.invoke
    get_tensor = interpreter.get_tensor

    def calls() -> None:
        for _ in range(CALLS):
            set_tensor(into, array)
            invoke()
            get_tensor(out_of)

    return calls


def onnx_calls(module: Any, job: dict[str, Any], array: Any) -> Callable[[], None]:
    options = module.SessionOptions()
    options.intra_op_num_threads = job["threads"]
    options.inter_op_num_threads = 1
    providers = ["CPUExecutionProvider"]
    session = module.InferenceSession(job["model"], options, providers=providers)
    run, fed = session.run, {session.get_inputs()[0].name: array}
    wanted = [session.get_outputs()[0].name]

    def calls() -> None:
        for _ in range(CALLS):
            run(wanted, fed)

    return calls


def measure(job: dict[str, Any]) -> list[int]:
    """Times of `CALLS` calls each, in ns, until the job's duration and queries are reached."""
    module = importlib.import_module(job["module"])
    array = np.load(job["samples"])[:1]
    load = onnx_calls if job["runtime"] == "onnxruntime" else tflite_calls
    calls = load(module, job, array)
    clock = time.perf_counter_ns
    begun = clock()
    while clock() - begun < job["warmup_ns"]:
        calls()
    times_ns: list[int] = []
    begun = clock()
    while len(times_ns) * CALLS < job["min_queries"] or clock() - begun < job["min_duration_ns"]:
        before = clock()
        calls()
        times_ns.append(clock() - before)
    return times_ns


if __name__ == "__main__":
    given = json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))
    result = {"calls": CALLS, "calls_ns": measure(given)}
    Path(given["out"]).write_text(json.dumps(result), encoding="utf-8")
