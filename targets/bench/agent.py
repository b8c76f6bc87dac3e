"""Measures one model in this process: `python agent.py JOB.json`. Runs alone on a device.

Standard library, numpy and one runtime; Python 3.9 or newer; nothing of ours is imported. The job
and the result are JSON files (`Job` and `run` below name every key); times are integer nanoseconds
of the monotonic clock. One timed query is host array in, host array out.
"""

import hashlib
import importlib
import json
import os
import random
import sys
import time
from importlib import metadata
from typing import Any

import numpy as np

SCHEMA = "agent/1"
POOL = 256  # samples made ready before anything is timed


def load_tflite(module, path, threads, output=0):
    """(query, dtype, reset): `query` is host array to host array, and takes `dtype`.

    `reset` forgets what earlier queries left in a recurrent network: TFLite keeps an LSTM's state
    from one call to the next, and every sample here is one of its own.
    """
    interpreter = module.Interpreter(model_path=path, num_threads=threads)
    interpreter.allocate_tensors()
    (source,) = interpreter.get_input_details()
    target = interpreter.get_output_details()[output]
    set_tensor, invoke, get_tensor = (
        interpreter.set_tensor,
        interpreter.invoke,
        interpreter.get_tensor,
    )
    into, out_of = source["index"], target["index"]

    def query(array):
        set_tensor(into, array)
        invoke()
        return get_tensor(out_of)

    return query, source["dtype"], interpreter.reset_all_variables


def load_onnx(module, path, threads, output=0):
    options = module.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    session = module.InferenceSession(path, options, providers=["CPUExecutionProvider"])
    (source,) = session.get_inputs()
    name, run_session, wanted = source.name, session.run, [session.get_outputs()[output].name]

    def query(array):
        return run_session(wanted, {name: array})[0]

    return query, ONNX_DTYPES[source.type], nothing


ONNX_DTYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
    "tensor(int8)": np.int8,
}


def nothing():
    """What a runtime without state between queries has to forget."""


RUNTIMES = {
    "ai_edge_litert": ("ai_edge_litert.interpreter", "ai-edge-litert", load_tflite),
    "tflite_runtime": ("tflite_runtime.interpreter", "tflite-runtime", load_tflite),
    "onnxruntime": ("onnxruntime", "onnxruntime", load_onnx),
}


def run(job):
    """Measure as `job` says; the result as a dict.

    `mode` "latency": warm up, then query samples in seeded random order until both minimums are
    met or the longest time is up. `mode` "accuracy": query every sample exactly once, in order,
    and write the outputs to `outputs`.
    """
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    clock = time.perf_counter_ns
    module_name, distribution, load = RUNTIMES[job["runtime"]]
    start = clock()
    module = importlib.import_module(module_name)
    imported = clock()
    adapter = job.get("adapter")
    output = adapter["output_index"] if adapter else 0
    query, dtype, reset = load(module, job["model"], job["threads"], output)
    loaded = clock()
    samples = np.load(job["samples"], mmap_mode="r", allow_pickle=False)
    result = {
        "schema": SCHEMA,
        "pid": os.getpid(),
        "python": sys.version.split()[0],
        "runtime": {
            "name": job["runtime"],
            "version": metadata.version(distribution),
            "threads": job["threads"],
        },
        "phases": {"import_ns": imported - start, "load_ns": loaded - imported},
        "tensorflow_imported": "tensorflow" in sys.modules,
    }
    measure = latency if job["mode"] == "latency" else accuracy

    def ready(start, stop):
        return prepare(samples[start:stop], adapter, dtype)

    result.update(measure(job, query, reset, ready, len(samples)))
    return result


def prepare(raw: Any, adapter: Any, dtype: Any) -> Any:
    """Raw samples [n, ...] as the file takes them; `adapter` as `targets.adapter.Adapter` has it,
    or None for a file that takes them as they are. Never part of what is timed.
    """
    if adapter is None:
        return np.ascontiguousarray(raw, dtype=dtype)
    values, quantization = raw, adapter["input_quantization"]
    if quantization is not None or not np.issubdtype(dtype, np.integer):
        scale, offset = np.float32(adapter["scale"]), np.float32(adapter["offset"])
        values = raw.astype(np.float32) * scale + offset
    if quantization is not None:
        step, zero = quantization
        limits = np.iinfo(dtype)
        values = np.clip(np.round(values / np.float32(step)) + zero, limits.min, limits.max)
    if adapter["channels_first"]:
        values = np.moveaxis(values, -1, 1)
    return np.ascontiguousarray(values, dtype=dtype).reshape(len(raw), *adapter["shape"])


def latency(job, query, reset, ready, count):
    clock = time.perf_counter_ns
    choose = random.Random(job["seed"])
    pool = choose.sample(range(count), min(POOL, count))
    arrays = [ready(i, i + 1) for i in pool]

    def timed():
        at = choose.randrange(len(arrays))
        array = arrays[at]
        reset()
        before = clock()
        query(array)
        return clock() - before, pool[at]

    first_ns, _ = timed()
    warmup, begun = [], clock()
    while len(warmup) < job["warmup_runs"] or clock() - begun < job["warmup_ns"]:
        warmup.append(timed()[0])
    measured, begun = [], clock()
    while True:
        spent = clock() - begun
        if len(measured) >= job["min_queries"] and spent >= job["min_duration_ns"]:
            stop = "min_met"
            break
        if measured and spent >= job["max_duration_ns"]:
            stop = "max_duration"
            break
        measured.append(timed())
    return {
        "first_inference_ns": first_ns,
        "warmup_ns": warmup,
        "samples_ns": [ns for ns, _ in measured],
        "sample_index": [index for _, index in measured],
        "stop_reason": stop,
    }


def accuracy(job, query, reset, ready, count):
    def one(index):
        reset()
        return query(ready(index, index + 1))[0]

    outputs = np.stack([one(index) for index in range(count)])
    np.save(job["outputs"], outputs)
    return {
        "samples": count,
        "outputs_sha256": hashlib.sha256(outputs.tobytes()).hexdigest(),
    }


def main(path):
    with open(path, encoding="utf-8") as file:
        job = json.load(file)
    text = json.dumps(run(job))
    part = job["out"] + ".part"
    with open(part, "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(part, job["out"])


if __name__ == "__main__":
    main(sys.argv[1])
