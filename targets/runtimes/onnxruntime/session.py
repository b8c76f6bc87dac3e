"""An .onnx file in a session of ONNX Runtime. Runs on the device."""

from __future__ import annotations

import collections
import json
from typing import TYPE_CHECKING, Any

import numpy as np

from targets.bench.agent.job import clock

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import ModuleType

    from targets.bench.agent.session import Array, OperatorTime, Query, Session, Settings, Tensor

MODULE = "onnxruntime"
DISTRIBUTION = "onnxruntime"
ENV = {"ORT_DISABLE_TELEMETRY": "1"}  # 1.32 tries to write a telemetry id at session start
# Written with onnx.helper: IR version 3, opset 7.
SELF_TEST_MODEL = (
    "CAM6PQoOCgF4CgF4EgF5IgNBZGQSAXRaEwoBeBIOCgwIARIICgIIAQoCCARiEwoBeRIOCgwIARIICgIIAQoCCA"
    "RCBAoAEAc="
)
NUMBERS = {  # by ONNX's name; an input of any other type cannot be given
    "float": "float32", "float16": "float16", "double": "float64", "bool": "bool",
    "int8": "int8", "int16": "int16", "int32": "int32", "int64": "int64",
    "uint8": "uint8", "uint16": "uint16", "uint32": "uint32", "uint64": "uint64",
}  # fmt: skip
DTYPES = {f"tensor({key})": np.dtype(value).type for key, value in NUMBERS.items()}
CONTROL_FLOW = {"If", "Loop", "Scan"}  # their time is that of the nodes inside, which are listed


def open_session(module: ModuleType, path: str, settings: Settings) -> Session:
    options = module.SessionOptions()
    for key, value in settings.options.items():
        options.add_session_config_entry(key, value)
    options.intra_op_num_threads = settings.threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 3
    if settings.profile is not None:
        options.enable_profiling, options.profile_file_prefix = True, settings.profile
    return OnnxSession(module.InferenceSession(path, options, providers=["CPUExecutionProvider"]))


class OnnxSession:
    resizable = False
    delegate: str | None = "none"
    operators: dict[str, int] | None = None  # a session does not list its nodes

    def __init__(self, session: Any) -> None:
        self.session = session
        self.inputs = [described(one) for one in session.get_inputs()]
        self.outputs = [described(one) for one in session.get_outputs()]

    def allocate(self, shapes: Mapping[str, Sequence[int]]) -> None:
        """A session allocates when it runs."""

    def feed(self, arrays: Mapping[str, Array]) -> Mapping[str, Array]:
        return arrays

    def reset(self) -> None:
        """A session keeps nothing from one run to the next."""

    renew = reset

    def query(self, output_index: int) -> Query:
        run_session, wanted = self.session.run, [self.outputs[output_index]["name"]]

        def query(feed: Mapping[str, Array]) -> tuple[Array, int, int | None]:
            begun = clock()
            output = run_session(wanted, feed)[0]
            return output, clock() - begun, None

        return query

    def profile(self, queries: Callable[[], None]) -> list[OperatorTime]:
        queries()
        with open(self.session.end_profiling(), encoding="utf-8") as file:
            return operator_times(json.load(file))


def described(tensor: Any) -> Tensor:
    dtype = DTYPES.get(tensor.type)
    return {
        "name": tensor.name,
        "shape": [size if isinstance(size, int) and size >= 0 else None for size in tensor.shape],
        "dtype": tensor.type if dtype is None else np.dtype(dtype).name,
        "quantization": None,
    }


def operator_times(events: Sequence[Mapping[str, Any]]) -> list[OperatorTime]:
    runs = sorted(event["ts"] for event in events if event["name"] == "model_run")
    count: collections.Counter[str] = collections.Counter()
    spent: collections.Counter[str] = collections.Counter()
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
