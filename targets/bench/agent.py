"""Measures one model in this process: `python agent.py JOB.json`. Runs alone on a device.

Standard library, numpy and one runtime; Python 3.9 or newer; nothing of ours is imported. The job
and the result are JSON files; times are integer nanoseconds of the monotonic clock, memory is in
bytes, what cannot be known is null. One timed query is host array in, host array out: every input
and the one output that was asked for.

A job has `mode` (of MODES), `runtime` (of RUNTIMES), `model`, `threads`, `affinity` (CPU ids or
null), `out`, perhaps `ort_options` (entries of an onnxruntime session's configuration); and, but
for "describe", `seed` ("RUN:PROCESS"), `samples` (.npy of [n, ...] or null), `output_index` and
`inputs`: by name `shape`, `dtype` and `kind`, which is "samples" with `adapter`, "file" with
`path`, or "random" with `low` and `high`. What a mode needs besides stands with its function. A
failure is a result too, {"error": {"phase", "type", "message"}}, its traceback on stderr, exit 1.

`python agent.py --selftest [RUNTIME ...]` needs no file: it tells which runtimes work here.
"""

import base64
import collections
import contextlib
import faulthandler
import gc
import glob
import hashlib
import importlib
import json
import os
import platform
import random
import resource
import shutil
import statistics
import struct
import subprocess
import sys
import tempfile
import time
import traceback
from importlib import metadata
from typing import Any

try:
    import numpy as np
except ImportError as missing:  # told in the result, like a runtime that is not there
    np, NO_NUMPY = None, missing  # type: ignore[assignment]

SCHEMA = "agent/2"
POOL = 256  # samples made ready before anything is timed
POOL_BYTES = 64 << 20  # all of them together: small devices have 512 MB
MEMORY_QUERIES = 5
PROFILE_QUERIES = 20
PROC, SYS = "/proc", "/sys"
ENV = ("ORT_DISABLE_TELEMETRY", "OMP_NUM_THREADS", "OMP_WAIT_POLICY", "LD_PRELOAD")
clock = time.perf_counter_ns


class Job(dict):  # type: ignore[type-arg]
    """A JSON object that says which key is missing."""

    def __missing__(self, key):
        raise ValueError(f"the job has no key {key!r} where one is needed")


@contextlib.contextmanager
def phase(name):
    """Stamps what fails inside with the phase that the result names; the innermost one stays."""
    try:
        yield
    except Exception as error:
        error.phase = getattr(error, "phase", name)
        raise


@contextlib.contextmanager
def naming(tensor):
    """Puts the input's name, type and shape before whatever is wrong with it."""
    try:
        yield
    except (ValueError, TypeError, OSError, ArithmeticError, RuntimeError) as error:
        sizes = ", ".join("?" if size is None else str(size) for size in tensor["shape"])
        what = f"input {tensor['name']!r} of {tensor['dtype']} [{sizes}]"
        raise ValueError(f"{what}: {error}") from error


# --- Runtimes -----------------------------------------------------------------------------------


class Tflite:
    """A .tflite file. Opened first, allocated once the shapes of its inputs are known."""

    resizable = True
    delegate = None

    def __init__(self, module, path, threads, profile=None, ort_options=None):
        self._make = lambda: module.Interpreter(model_path=path, num_threads=threads)
        self._interpreter = self._make()
        self._sources = self._interpreter.get_input_details()
        self._targets = self._interpreter.get_output_details()
        self.inputs = distinct([tflite_tensor(one) for one in self._sources], "input")
        self.outputs = distinct([tflite_tensor(one) for one in self._targets], "output")
        self.operators = tflite_operators(self._interpreter)

    def allocate(self, shapes):
        self._shapes = shapes
        for source, tensor in zip(self._sources, self.inputs):
            shape = shapes[tensor["name"]]
            if source["shape"].tolist() != shape:
                with phase("input"), naming(tensor):
                    self._interpreter.resize_tensor_input(source["index"], shape)
        self._interpreter.allocate_tensors()
        applied = tflite_operators(self._interpreter)
        if applied is not None:  # XNNPACK is all that a Python build applies unasked
            self.delegate = "xnnpack" if "DELEGATE" in applied else "none"

    def feed(self, arrays):
        names = [tensor["name"] for tensor in self.inputs]
        return [(source["index"], arrays[name]) for source, name in zip(self._sources, names)]

    def reset(self):
        """Forget the state that an LSTM keeps from one call to the next: a sample is its own."""
        self._interpreter.reset_all_variables()

    def renew(self):
        """Forget resource variables too, which no call of TFLite resets."""
        if "ASSIGN_VARIABLE" in (self.operators or {}):
            self._interpreter = self._make()
            self.allocate(self._shapes)
        self.reset()

    def query(self, output_index):
        """A function from `feed` to (output, ns, ns of `invoke` alone)."""
        set_tensor, invoke = self._interpreter.set_tensor, self._interpreter.invoke
        get_tensor, out_of = self._interpreter.get_tensor, self._targets[output_index]["index"]

        def query(feed):
            begun = clock()
            for index, array in feed:
                set_tensor(index, array)
            fed = clock()
            invoke()
            invoked = clock()
            try:
                output = get_tensor(out_of)
            except ValueError:  # "Invalid tensor size.", of a box list without boxes
                output = self._empty(output_index)
                if output is None:
                    raise
            return output, clock() - begun, invoked - fed

        return query

    def _empty(self, output_index):
        details = self._interpreter.get_output_details()[output_index]
        return np.empty(details["shape"], details["dtype"]) if 0 in details["shape"] else None


def tflite_tensor(details):
    signature = details.get("shape_signature", details["shape"])
    scale, zero_point = details["quantization"]  # (0, 0) where absent or per channel
    dtype = np.dtype(details["dtype"])
    return {
        "name": details["name"],
        "shape": [None if size < 0 else int(size) for size in signature],
        "dtype": "string" if dtype.kind in "SO" else dtype.name,
        "quantization": [float(scale), int(zero_point)] if scale else None,
    }


def tflite_operators(interpreter):
    """How often each operator occurs; None where this release does not tell."""
    try:
        nodes = interpreter._get_ops_details()
    except (AttributeError, ValueError):
        return None
    return dict(collections.Counter(node["op_name"] for node in nodes))


def distinct(tensors, role):
    """With a name of its own for each: TFLite allows empty names, and the same one twice."""
    seen = set()
    for place, tensor in enumerate(tensors):
        if not tensor["name"] or tensor["name"] in seen:
            tensor["name"] = f"{tensor['name'] or role}#{place}"
        seen.add(tensor["name"])
    return tensors


class Onnx:
    """An .onnx file. `profile`: what the name of onnxruntime's own profile begins with;
    `ort_options`: entries of the session's configuration.
    """

    resizable = False
    delegate = "none"
    operators = None  # a session does not list its nodes

    def __init__(self, module, path, threads, profile=None, ort_options=None):
        options = module.SessionOptions()
        for key, value in (ort_options or {}).items():
            options.add_session_config_entry(key, value)
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 3
        if profile is not None:
            options.enable_profiling, options.profile_file_prefix = True, profile
        self.session = module.InferenceSession(path, options, providers=["CPUExecutionProvider"])
        self.inputs = [onnx_tensor(one) for one in self.session.get_inputs()]
        self.outputs = [onnx_tensor(one) for one in self.session.get_outputs()]

    def allocate(self, shapes):
        """A session allocates when it runs."""

    def feed(self, arrays):
        return arrays

    def reset(self):
        """A session keeps nothing from one run to the next."""

    renew = reset

    def query(self, output_index):
        """A function from `feed` to (output, ns, None)."""
        run_session, wanted = self.session.run, [self.outputs[output_index]["name"]]

        def query(feed):
            begun = clock()
            output = run_session(wanted, feed)[0]
            return output, clock() - begun, None

        return query


def onnx_tensor(tensor):
    dtype = ONNX_DTYPES.get(tensor.type)
    return {
        "name": tensor.name,
        "shape": [size if isinstance(size, int) and size >= 0 else None for size in tensor.shape],
        "dtype": tensor.type if dtype is None else np.dtype(dtype).name,
        "quantization": None,
    }


RUNTIMES = {
    "ai_edge_litert": ("ai_edge_litert.interpreter", "ai-edge-litert", Tflite),
    "tflite_runtime": ("tflite_runtime.interpreter", "tflite-runtime", Tflite),
    "onnxruntime": ("onnxruntime", "onnxruntime", Onnx),
}
NUMBERS = {  # by ONNX's name; an input of any other type cannot be given
    "float": "float32", "float16": "float16", "double": "float64", "bool": "bool",
    "int8": "int8", "int16": "int16", "int32": "int32", "int64": "int64",
    "uint8": "uint8", "uint16": "uint16", "uint32": "uint32", "uint64": "uint64",
}  # fmt: skip
ONNX_DTYPES = {} if np is None else {f"tensor({k})": np.dtype(v).type for k, v in NUMBERS.items()}


def open_runtime(name):
    """(module, installed version, class)."""
    if name not in RUNTIMES:
        raise ValueError(f"no runtime {name!r}; there are: {', '.join(RUNTIMES)}")
    module_name, distribution, kind = RUNTIMES[name]
    with phase("import"):
        if np is None:
            raise NO_NUMPY
        module = importlib.import_module(module_name)
        try:
            version = metadata.version(distribution)
        except metadata.PackageNotFoundError:  # a build that pip did not install
            version = getattr(module, "__version__", None)
    return module, version, kind


# --- Inputs -------------------------------------------------------------------------------------


def given(job, model):
    """What each input is given; null is for the samples to the only one, by the job's adapter."""
    if job["inputs"] is not None:
        return job["inputs"]
    if len(model.inputs) != 1:
        raise ValueError(f"the model has {len(model.inputs)} inputs, and the job names none")
    (tensor,), adapter = model.inputs, job["adapter"]
    shape = adapter["shape"] if adapter else load_samples(job["samples"]).shape[1:]
    spec = {"shape": [1, *shape], "dtype": tensor["dtype"], "kind": "samples", "adapter": adapter}
    return {tensor["name"]: spec}


class Inputs:
    """The arrays of every query: those of `samples` one by one, or as many as the `batch` of their
    input says; all others made once.
    """

    def __init__(self, job, model):
        self.specs, self.sampled, self.fixed, self.samples = given(job, model), [], {}, None
        self.batch = 1
        names = [tensor["name"] for tensor in model.inputs]
        for name in self.specs:
            if name not in names:
                raise ValueError(f"the model has no input {name!r}; it has {names}")
        for tensor in model.inputs:
            with naming(tensor):
                spec = checked(self.specs.get(tensor["name"]), tensor, resizable=model.resizable)
                if spec["kind"] == "samples":
                    self.sampled.append(tensor)
                    self.samples = load_samples(job["samples"])
                    self.batch = spec.get("batch", 1)
                else:
                    self.fixed[tensor["name"]] = constant(spec, tensor["name"], job["seed"])

    def shapes(self):
        return {name: spec["shape"] for name, spec in self.specs.items()}

    def places(self):
        """Of each query's first sample; one None where nothing is sampled."""
        return [None] if self.samples is None else range(0, len(self.samples), self.batch)

    def arrays(self, place):
        arrays = dict(self.fixed)
        for tensor in self.sampled:
            with naming(tensor):
                raw = self.samples[place : place + self.batch]
                if len(raw) < self.batch:
                    raw = raw[np.minimum(np.arange(self.batch), len(raw) - 1)]
                arrays[tensor["name"]] = from_sample(raw, self.specs[tensor["name"]])
        return arrays

    def divided(self, output, place):
        """What each sample of the query at `place` gave: [1, ...], none of those that fill up."""
        if self.batch == 1:
            return [output]
        if output.shape[:1] != (self.batch,):
            shape = list(output.shape)
            raise ValueError(f"an output {shape} is not divisible among {self.batch} samples")
        return [output[i : i + 1] for i in range(min(self.batch, len(self.samples) - place))]


def checked(spec, tensor, *, resizable):
    """`spec`; `ValueError` for one that no array of this input can be made of."""
    if spec is None:
        raise ValueError("nothing is given for it")
    if tensor["dtype"] not in NUMBERS.values():
        raise ValueError("no array of this type can be given")
    if spec["dtype"] != tensor["dtype"]:
        raise ValueError(f"given {spec['dtype']}")
    shape, wanted = spec["shape"], tensor["shape"]
    if not all(type(size) is int and size >= 0 for size in shape):
        raise ValueError(f"given {shape}, which is no shape")
    fits = len(shape) == len(wanted) and all(a in (b, None) for a, b in zip(wanted, shape))
    if not (fits or resizable or wanted == []):  # [] is onnxruntime's word for any rank too
        raise ValueError(f"given shape {shape}")
    return spec


def load_samples(path):
    if path is None:
        raise ValueError("is to take samples, and there are none")
    samples = np.load(path, mmap_mode="r", allow_pickle=False)
    if not isinstance(samples, np.ndarray) or not samples.size:
        raise ValueError(f"{path} holds no samples")
    return samples


def constant(spec, name, seed):
    if spec["kind"] == "file":
        return from_file(spec)
    if spec["kind"] == "random":
        return from_seed(spec, f"{seed.partition(':')[0]}/{name}")
    raise ValueError(f"no kind {spec['kind']!r}; there are: samples, file, random")


def from_file(spec):
    values = np.load(spec["path"], allow_pickle=False)
    if not isinstance(values, np.ndarray) or values.dtype.name != spec["dtype"]:
        held = f"{values.dtype.name} {list(values.shape)}" if hasattr(values, "dtype") else "arrays"
        raise ValueError(f"{spec['path']} holds {held}")
    return fitted(values, spec)


def from_seed(spec, seed):
    """The same in every process and, being RandomState's, with every release of numpy."""
    dtype, shape = np.dtype(spec["dtype"]), spec["shape"]
    draw = np.random.RandomState(np.frombuffer(hashlib.sha256(seed.encode()).digest(), "<u4"))
    if dtype.kind == "b":
        return np.asarray(draw.randint(0, 2, shape), dtype=dtype)
    low, high = spec["low"], spec["high"]
    limits = np.iinfo(dtype) if dtype.kind in "iu" else np.finfo(dtype)
    if not limits.min <= low <= high <= limits.max:
        raise ValueError(f"cannot hold random values from {low} to {high}")
    if dtype.kind in "iu":
        return np.asarray(draw.randint(int(low), int(high) + 1, shape, dtype=dtype))
    values = (low + (high - low) * draw.random_sample(shape)).astype(dtype)
    # Rounding can give `high` itself.
    return np.asarray(np.minimum(values, np.nextafter(dtype.type(high), dtype.type(low))))


def from_sample(raw, spec):
    dtype = np.dtype(spec["dtype"])
    if spec["adapter"] is None and dtype.kind in "iub" and raw.dtype != dtype:
        with np.errstate(invalid="ignore"):
            kept = np.array_equal(raw.astype(dtype), raw)
        if not kept:
            raise ValueError(f"samples of {raw.dtype.name} do not keep their values in it")
    return fitted(prepare(raw, spec["adapter"], dtype), spec)


def fitted(values, spec):
    """As the runtime takes it; only dimensions of 1 may be missing or too many."""
    if [n for n in values.shape if n != 1] != [n for n in spec["shape"] if n != 1]:
        raise ValueError(f"needs {spec['shape']}, given {values.dtype.name} {list(values.shape)}")
    return np.ascontiguousarray(values, dtype=spec["dtype"]).reshape(spec["shape"])


def prepare(raw: Any, adapter: Any, dtype: Any) -> Any:
    """Raw samples [n, ...] as the file takes them; `adapter` as `model_io.ModelIO` has it, or
    None for a file that takes them as they are. Never part of what is timed.
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


# --- Modes --------------------------------------------------------------------------------------


def run(job):
    """Do what `job` says; the result as a dict."""
    os.environ["ORT_DISABLE_TELEMETRY"] = "1"
    if job["mode"] not in MODES:
        raise ValueError(f"no mode {job['mode']!r}; there are: {', '.join(MODES)}")
    pin(job["affinity"])  # first: the threads of the runtime inherit it
    start = clock()
    module, version, kind = open_runtime(job["runtime"])
    phases = {"import_ns": clock() - start, "load_ns": 0}
    floor = peak_memory(reset=True) if job["mode"] == "memory" else None
    with tempfile.TemporaryDirectory() as folder:
        prefix = os.path.join(folder, "profile") if job["mode"] == "profile" else None
        start = clock()
        with phase("load"):
            model = kind(module, job["model"], job["threads"], prefix, job.get("ort_options"))
        phases["load_ns"] = clock() - start
        if job["mode"] == "describe":
            measured = describe(model)
        else:
            inputs = ready(job, model, phases)
            with phase("run"):
                measured = MODES[job["mode"]](job, model, inputs, floor)
    phases["first_inference_ns"] = measured.pop("first_inference_ns", None)
    about = {
        "name": job["runtime"],
        "version": version,
        "threads": job["threads"],
        "delegate": model.delegate,
        "affinity_requested": job["affinity"],
        "affinity_effective": affinity(),
        "ort_options": job.get("ort_options") or {},
        "env": {name: os.environ[name] for name in ENV if name in os.environ},
    }
    return {
        "schema": SCHEMA,
        "pid": os.getpid(),
        "python": platform.python_version(),
        "numpy": np.__version__,
        "cpu_features": cpu_features(),
        "runtime": about,
        "phases": phases,
        "tensorflow_imported": "tensorflow" in sys.modules,
        **measured,
    }


def ready(job, model, phases):
    """`Inputs` of the model, which is allocated for them; the time of that is loading too."""
    count = len(model.outputs)
    if not 0 <= job["output_index"] < count:
        raise ValueError(f"there is no output {job['output_index']}: the model has {count}")
    with phase("input"):
        inputs = Inputs(job, model)
    start = clock()
    with phase("load"):
        model.allocate(inputs.shapes())
    phases["load_ns"] += clock() - start
    return inputs


def describe(model):
    """What the file says of itself; nothing is allocated. A size that it leaves open is None."""
    return {"inputs": model.inputs, "outputs": model.outputs, "operators": model.operators}


def latency(job, model, inputs, _):
    """Warm up for `warmup_runs` and `warmup_ns`, then query samples in seeded random order until
    `min_queries` and `min_duration_ns` are met or `max_duration_ns` is over, which ends a warm-up
    too.
    """
    choose, query, reset = random.Random(job["seed"]), model.query(job["output_index"]), model.reset
    places, feeds = pool(choose, model, inputs)

    def timed():
        at = choose.randrange(len(feeds))
        reset()
        _, ns, invoke_ns = query(feeds[at])
        return at, ns, invoke_ns

    before = environment()
    _, first_ns, _ = timed()
    warmup, begun = [], clock()
    while len(warmup) < job["warmup_runs"] or clock() - begun < job["warmup_ns"]:
        if warmup and clock() - begun >= job["max_duration_ns"]:
            break
        warmup.append(timed()[1])
    gc.collect()
    gc.disable()  # a collection walks all of numpy and the runtime: milliseconds
    measured, started, begun = [], usage(), clock()
    while True:
        spent = clock() - begun
        if len(measured) >= job["min_queries"] and spent >= job["min_duration_ns"]:
            stop = "min_met"
            break
        if measured and spent >= job["max_duration_ns"]:
            stop = "max_duration"
            break
        measured.append(timed())
    ended = usage()
    gc.enable()
    return {
        "first_inference_ns": first_ns,
        "warmup_ns": warmup,
        "samples_ns": [ns for _, ns, _ in measured],
        "invoke_only_ns": None if measured[0][2] is None else [ns for _, _, ns in measured],
        "sample_index": [places[at] for at, _, _ in measured if places[at] is not None],
        "stop_reason": stop,
        **used(started, ended),
        "env_before": before,
        "env_after": environment(),
    }


def pool(choose, model, inputs):
    """(places of samples, what each of them feeds): as many as memory allows."""
    with phase("input"):
        places, first = list(inputs.places()), inputs.arrays(0)
        size = sum(first[tensor["name"]].nbytes for tensor in inputs.sampled)
        most = min(POOL, len(places), max(1, POOL_BYTES // max(1, size)))
        places = choose.sample(places, most)
        return places, [model.feed(inputs.arrays(place)) for place in places]


def accuracy(job, model, inputs, _):
    """Query every sample exactly once, in order. Their outputs go to `outputs`, [n, ...], where
    they are all of one shape.
    """
    places, digest, shapes, total = inputs.places(), hashlib.sha256(), [], 0
    count = 1 if inputs.samples is None else len(inputs.samples)
    part = job["outputs"] + ".part"
    with open(part, "wb") as file:
        for place in places:
            with phase("input"):
                feed = model.feed(inputs.arrays(place))
            model.renew()
            output, ns, _ = model.query(job["output_index"])(feed)
            output = numbers(output, model.outputs[job["output_index"]])
            total += ns
            with phase("input"):
                each = inputs.divided(output, place)
            for one in each:
                if not shapes:
                    write_header(file, one, count)
                if one.shape not in shapes:
                    shapes.append(one.shape)
                content = one.tobytes()
                file.write(content)
                digest.update(content)
    alike = len(shapes) == 1
    if alike:
        os.replace(part, job["outputs"])
    else:
        os.remove(part)
    return {
        "samples": count,
        "outputs": job["outputs"] if alike else None,
        "outputs_sha256": digest.hexdigest(),
        "output_shape": list(shapes[0]) if alike else None,
        "total_ns": total,
    }


def numbers(output, tensor):
    """An array of them; TFLite gives a bare number where the shape is []."""
    if not isinstance(output, (np.ndarray, np.generic)) or output.dtype.kind not in "biuf":
        raise ValueError(f"output {tensor['name']!r} of {tensor['dtype']} is no array of numbers")
    return np.asarray(output)


def write_header(file, output, count):
    """Of a .npy with `count` such outputs, less their leading 1. Not mapped: an output may hold
    nothing, and all of them more than fits.
    """
    rest = output.shape[1:] if output.shape[:1] == (1,) else output.shape
    descr = np.lib.format.dtype_to_descr(output.dtype)
    head = {"descr": descr, "fortran_order": False, "shape": (count, *rest)}
    np.lib.format.write_array_header_1_0(file, head)


def memory(job, model, inputs, floor):
    """What the model adds to a process that has imported its runtime, after MEMORY_QUERIES.

    Never getrusage's ru_maxrss: that is inherited from the process that started this one.
    """
    loaded, query = peak_memory(), model.query(job["output_index"])
    with phase("input"):
        feed = model.feed(inputs.arrays(0))
    for _ in range(MEMORY_QUERIES):
        model.reset()
        query(feed)
    seen = peak_memory()
    if floor is None or loaded is None or seen is None:
        return {"memory": None}
    return {
        "memory": {
            "method": "VmHWM",
            "reset": floor["reset"],
            "baseline_bytes": floor["VmHWM"],
            "after_load_bytes": loaded["VmHWM"],
            "peak_bytes": seen["VmHWM"],
            "rss_anon_bytes": seen.get("RssAnon"),
            "rss_file_bytes": seen.get("RssFile"),
        }
    }


def profile(job, model, inputs, _):
    """Mean per query of every type of operator, as onnxruntime's own profile has them."""
    if not isinstance(model, Onnx):
        return {"source": None, "ops": None}
    with phase("input"):
        feed, query = model.feed(inputs.arrays(0)), model.query(job["output_index"])
    for _ in range(1 + PROFILE_QUERIES):
        query(feed)
    with open(model.session.end_profiling(), encoding="utf-8") as file:
        return {"source": "onnxruntime", "ops": profiled(json.load(file))}


CONTROL_FLOW = {"If", "Loop", "Scan"}  # their time is that of the nodes inside, which are listed


def profiled(events):
    runs = sorted(event["ts"] for event in events if event["name"] == "model_run")
    count, spent = collections.Counter(), collections.Counter()
    for event in events:
        # What comes before the second run belongs to loading and to the first one.
        if event["name"].endswith("_kernel_time") and event["ts"] >= runs[1]:
            kind = event["args"]["op_name"]
            if kind not in CONTROL_FLOW:
                count[kind] += 1
                spent[kind] += event["dur"] * 1000
    queries, total = len(runs) - 1, sum(spent.values()) or 1
    return [
        {
            "type": kind,
            "count": count[kind] / queries,
            "total_ns": round(ns / queries),
            "share": ns / total,
        }
        for kind, ns in spent.most_common()
    ]


MODES = {
    "describe": describe,
    "latency": latency,
    "accuracy": accuracy,
    "memory": memory,
    "profile": profile,
}


# --- The device around it -----------------------------------------------------------------------


def read(path):
    """A file of the kernel's, stripped; "" where it is not there or not for us."""
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read().strip()
    except OSError:
        return ""


def read_all(pattern):
    """What can be read of such files, in the order of their numbers."""
    paths = sorted(glob.glob(pattern), key=lambda path: (len(path), path))
    return [text for text in map(read, paths) if text]


def whole(texts):
    return [int(text) for text in texts if text.lstrip("-").isdigit()]


FEATURES = {  # Linux' name -> the usual one, of those that decide how int8 is multiplied
    "sse4_1": "SSE4.1", "avx2": "AVX2", "avx512f": "AVX-512", "avx_vnni": "VNNI",
    "avx512_vnni": "VNNI", "amx_int8": "AMX", "neon": "NEON", "asimd": "NEON",
    "asimddp": "dotprod", "i8mm": "i8mm", "sve": "SVE",
}  # fmt: skip


def cpu_features(cpuinfo: "str | None" = None) -> "list[str]":
    """The FEATURES that a processor has, by the text of /proc/cpuinfo (of this one, if None)."""
    text = read(f"{PROC}/cpuinfo") if cpuinfo is None else cpuinfo
    lines = [line.partition(":") for line in text.splitlines()]
    found = [value.split() for key, _, value in lines if key.strip() in ("flags", "Features")]
    words = set(found[0]) if found else set()
    return list(dict.fromkeys(name for flag, name in FEATURES.items() if flag in words))


def pin(cpus):
    if cpus is None or not hasattr(os, "sched_setaffinity"):
        return
    try:
        os.sched_setaffinity(0, cpus)
    except OSError as error:
        raise ValueError(f"cannot be kept on the CPUs {cpus}: {error}") from error


def affinity():
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None


def peak_memory(reset=False):
    """VmHWM, RssAnon and RssFile; None without /proc. `reset` starts the peak anew if allowed."""
    cleared = False
    if reset:
        with contextlib.suppress(OSError), open(f"{PROC}/self/clear_refs", "wb", 0) as file:
            cleared = file.write(b"5") == 1
    lines = [line.split() for line in read(f"{PROC}/self/status").splitlines()]
    sizes = {line[0][:-1]: int(line[1]) * 1024 for line in lines if line[-1] == "kB"}
    return {**sizes, "reset": cleared} if "VmHWM" in sizes else None


def usage():
    """So far: (clock, own CPU time, own switches, all cores' busy time); the last None if untold"""
    own = resource.getrusage(resource.RUSAGE_SELF)
    cpu_ns = int((own.ru_utime + own.ru_stime) * 1e9)
    return clock(), cpu_ns, own.ru_nvcsw, own.ru_nivcsw, busy_ns()


def busy_ns():
    """Time that the cores of this machine were taken, by other guests of its host too."""
    name, *ticks = (read(f"{PROC}/stat") or "none").splitlines()[0].split()
    if name != "cpu" or len(ticks) < 8:
        return None
    user, nice, system, _, _, irq, softirq, stolen = map(int, ticks[:8])
    busy = user + nice + system + irq + softirq + stolen
    return busy * 1_000_000_000 // os.sysconf("SC_CLK_TCK")


SHORTEST_NS = 200_000_000  # the kernel counts busy time in ticks of 10 ms, each core on its own


def used(before, after):
    """What this process and all others took between two `usage`s."""
    wall, cpu, voluntary, involuntary = (b - a for a, b in zip(before[:4], after))
    others = None
    if wall >= SHORTEST_NS and None not in (before[4], after[4]):
        others = max(0.0, (after[4] - before[4] - cpu) / wall)
    return {
        "wall_ns": wall,
        "cpu_ns": cpu,
        "ctx_switches": {"voluntary": voluntary, "involuntary": involuntary},
        "others_cpu": others,
    }


def environment():
    """What can make a block invalid; None for what this device does not tell."""
    load = read(f"{PROC}/loadavg").split()
    temperatures = whole(read_all(f"{SYS}/class/thermal/thermal_zone*/temp"))
    cores = f"{SYS}/devices/system/cpu/cpu[0-9]*/cpufreq/scaling_"
    return {
        "loadavg1": float(load[0]) if load else None,
        "runnable": int(load[3].partition("/")[0]) if load else None,
        "temp_c": max(temperatures) / 1000 if temperatures else None,
        "freq_hz": [khz * 1000 for khz in whole(read_all(cores + "cur_freq"))] or None,
        "governor": read_all(cores + "governor") or None,
        "throttled_raw": throttled(),
        "sentinel_ns": sentinel_ns(),
    }


def throttled():
    """A Raspberry Pi's throttle bits, "0x50000"."""
    program = shutil.which("vcgencmd")
    if program is None:
        return None
    try:
        done = subprocess.run([program, "get_throttled"], capture_output=True, timeout=5)
    except (OSError, subprocess.TimeoutExpired):
        return None
    name, _, bits = done.stdout.decode("ascii", "replace").strip().partition("=")
    return bits if name == "throttled" else None


SENTINEL, SENTINEL_ROUNDS, SENTINEL_TURNS = bytes(16 << 10), 256, 5


def sentinel_ns():
    """The median time of a fixed piece of work, 4 MiB hashed from the first-level cache: it grows
    when the clock falls or others take part of this core, and not with what the model left in the
    other caches or in memory. A turn is about as long as the kernel's time slices.
    """

    def turn():
        begun, digest = clock(), hashlib.sha256()
        for _ in range(SENTINEL_ROUNDS):
            digest.update(SENTINEL)
        return clock() - begun

    return int(statistics.median(turn() for _ in range(SENTINEL_TURNS)))


# --- Self-test ----------------------------------------------------------------------------------

# y = x + x of float32 [1, 4], written field by field so that releases of long ago take them: the
# first with the flatbuffers schema that comes with ai-edge-litert (ModelT and its parts, one ADD of
# version 1), the second with onnx.helper (IR version 3, opset 7).
TINY = {
    Tflite: "GAAAAFRGTDMAAA4AFAAQAAwACAAAAAQADgAAABAAAAAYAAAA6AAAAAMAAAABAAAABAAAACD///8BAAAAEAAA"
    "AAwAFAAQAAwACAAEAAwAAAAQAAAAUAAAAFQAAABYAAAAAQAAABQAAAAAAA4AFAAAABAADAALAAQADgAAABAAAAAA"
    "AAALDAAAABAAAAB4////AQAAAAEAAAACAAAAAAAAAAAAAAABAAAAAQAAAAEAAAAAAAAAAgAAADQAAAAEAAAA4P//"
    "/wgAAAAMAAAAAQAAAHkAAAACAAAAAQAAAAQAAAAMAAwACAAAAAAABAAMAAAACAAAAAwAAAABAAAAeAAAAAIAAAAB"
    "AAAABAAAAAEAAAAIAAAABAAEAAQAAAA=",
    Onnx: "CAM6PQoOCgF4CgF4EgF5IgNBZGQSAXRaEwoBeBIOCgwIARIICgIIAQoCCARiEwoBeRIOCgwIARIICgIIAQoCCA"
    "RCBAoAEAc=",
}


def tiny_model(runtime):
    """The bytes of a model for `runtime` that does next to nothing: input x, output y = x + x."""
    return base64.b64decode(TINY[RUNTIMES[runtime][2]])


def selftest(names):
    """Run a tiny model in each runtime; (document, exit code)."""
    with tempfile.TemporaryDirectory() as folder:
        tried = {name: attempt(name, folder) for name in names or RUNTIMES}
    works = [one["ok"] for one in tried.values()]
    document = {
        "schema": "agent-selftest/1",
        "python": platform.python_version(),
        "machine": platform.machine(),
        "pointer_bits": struct.calcsize("P") * 8,
        "libc": " ".join(platform.libc_ver()).strip() or None,
        "numpy": None if np is None else np.__version__,
        "runtimes": tried,
    }
    return document, 0 if (all(works) if names else any(works)) else 1


def attempt(name, folder):
    """One runtime, in a child: it may take the whole process with it, or break the next one."""
    out, seen = os.path.join(folder, f"{name}.json"), {"version": None, "ok": False, "error": None}
    child = os.fork()  # not a new interpreter: what a loader has started cannot start itself again
    if child == 0:
        os.dup2(2, 1)  # stdout is for the document
        os._exit(finish(lambda: double(name, folder), out))
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return {**seen, "error": f"ended by signal {os.WTERMSIG(status)}"}
    with open(out, encoding="utf-8") as file:
        result = json.load(file)
    if "error" in result:
        return {**seen, "error": "{type}: {message}".format(**result["error"])}
    return {**seen, "version": result["runtime"]["version"], "ok": True}


def double(name, folder):
    """An accuracy job with the tiny model, and its answer compared."""
    open_runtime(name)
    model, samples, outputs = (os.path.join(folder, name + end) for end in ("", ".x.npy", ".y.npy"))
    with open(model, "wb") as file:
        file.write(tiny_model(name))
    given = np.array([[1, -2, 3, 0.5], [0, 4, -5, 1e6]], np.float32)
    np.save(samples, given)
    x = Job(shape=[1, 4], dtype="float32", kind="samples", adapter=None)
    job = Job(
        mode="accuracy", runtime=name, model=model, threads=1, affinity=None, seed="0:0",
        inputs={"x": x}, samples=samples, output_index=0, outputs=outputs,
    )  # fmt: skip
    result, answer = run(job), np.load(outputs)
    if not np.array_equal(answer, given + given):
        raise ValueError(f"{given.tolist()} doubled is not {answer.tolist()}")
    return result


# --- Command line -------------------------------------------------------------------------------


def finish(work, out):
    """Write what `work` gives, or how it failed, to `out`; the exit code."""
    try:
        result, code = work(), 0
    except Exception as error:
        traceback.print_exc()
        stage, message = getattr(error, "phase", "job"), str(error) or repr(error)
        cause = error.__cause__
        if cause is not None and str(cause) not in message:  # as of what numpy 1 and 2 disagree on
            message += f" ({type(cause).__name__}: {cause})"
        told = {"phase": stage, "type": type(error).__name__, "message": message}
        result, code = {"schema": SCHEMA, "error": told}, 1
    with open(out + ".part", "w", encoding="utf-8") as file:
        file.write(json.dumps(result))
    os.replace(out + ".part", out)
    return code


def main(arguments):
    faulthandler.enable()
    if arguments[:1] == ["--selftest"]:
        document, code = selftest(arguments[1:])
        print(json.dumps(document))
        return code
    with open(arguments[0], encoding="utf-8") as file:
        job = json.load(file, object_hook=Job)
    return finish(lambda: run(job), job["out"])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
