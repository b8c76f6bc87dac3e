"""A .tflite file in the interpreter of LiteRT. Runs on the device."""

from __future__ import annotations

import collections
from typing import TYPE_CHECKING, Any

import numpy as np

from targets.bench.agent.inputs import naming
from targets.bench.agent.job import clock, phase

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from types import ModuleType

    from targets.bench.agent.session import Array, Query, Session, Settings, Tensor

MODULE = "ai_edge_litert.interpreter"
DISTRIBUTION = "ai-edge-litert"
ENV: dict[str, str] = {}
# Written with the flatbuffers schema that comes with ai-edge-litert, field by field: one ADD of
# version 1.
SELF_TEST_MODEL = (
    "GAAAAFRGTDMAAA4AFAAQAAwACAAAAAQADgAAABAAAAAYAAAA6AAAAAMAAAABAAAABAAAACD///8BAAAAEAAA"
    "AAwAFAAQAAwACAAEAAwAAAAQAAAAUAAAAFQAAABYAAAAAQAAABQAAAAAAA4AFAAAABAADAALAAQADgAAABAAAAAA"
    "AAALDAAAABAAAAB4////AQAAAAEAAAACAAAAAAAAAAAAAAABAAAAAQAAAAEAAAAAAAAAAgAAADQAAAAEAAAA4P//"
    "/wgAAAAMAAAAAQAAAHkAAAACAAAAAQAAAAQAAAAMAAwACAAAAAAABAAMAAAACAAAAAwAAAABAAAAeAAAAAIAAAAB"
    "AAAABAAAAAEAAAAIAAAABAAEAAQAAAA="
)


def open_session(module: ModuleType, path: str, settings: Settings) -> Session:
    """Open a session; the interpreter has neither options nor a profile."""
    return InterpreterSession(module, path, settings.threads)


class InterpreterSession:
    resizable = True
    delegate: str | None = None

    def __init__(self, module: ModuleType, path: str, threads: int) -> None:
        self._make: Callable[[], Any] = lambda: module.Interpreter(
            model_path=path, num_threads=threads
        )
        self._interpreter = self._make()
        self._sources = self._interpreter.get_input_details()
        self._targets = self._interpreter.get_output_details()
        self.inputs = distinct([described(one) for one in self._sources], "input")
        self.outputs = distinct([described(one) for one in self._targets], "output")
        self.operators = operators_of(self._interpreter)

    def allocate(self, shapes: Mapping[str, Sequence[int]]) -> None:
        self._shapes = shapes
        for source, tensor in zip(self._sources, self.inputs):
            shape = shapes[tensor["name"]]
            if source["shape"].tolist() != shape:
                with phase("input"), naming(tensor):
                    self._interpreter.resize_tensor_input(source["index"], shape)
        self._interpreter.allocate_tensors()
        applied = operators_of(self._interpreter)
        if applied is not None:  # XNNPACK is the only one that a Python build applies by default
            self.delegate = "xnnpack" if "DELEGATE" in applied else "none"

    def feed(self, arrays: Mapping[str, Array]) -> list[tuple[int, Array]]:
        names = [tensor["name"] for tensor in self.inputs]
        return [(source["index"], arrays[name]) for source, name in zip(self._sources, names)]

    def reset(self) -> None:
        """Reset the state of an LSTM."""
        self._interpreter.reset_all_variables()

    def renew(self) -> None:
        """Reset resource variables too, which no call of the interpreter resets."""
        if "ASSIGN_VARIABLE" in (self.operators or {}):
            self._interpreter = self._make()
            self.allocate(self._shapes)
        self.reset()

    def query(self, output_index: int) -> Query:
        """Return a query, whose third result is the time of `invoke` alone."""
        set_tensor, invoke = self._interpreter.set_tensor, self._interpreter.invoke
        get_tensor, out_of = self._interpreter.get_tensor, self._targets[output_index]["index"]

        def query(feed: list[tuple[int, Array]]) -> tuple[Array, int, int | None]:
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

    def _empty(self, output_index: int) -> Array | None:
        details = self._interpreter.get_output_details()[output_index]
        return np.empty(details["shape"], details["dtype"]) if 0 in details["shape"] else None

    def profile(self, queries: Callable[[], None]) -> None: ...


def described(details: Mapping[str, Any]) -> Tensor:
    signature = details.get("shape_signature", details["shape"])
    scale, zero_point = details["quantization"]  # (0, 0) where absent or per channel
    dtype = np.dtype(details["dtype"])
    return {
        "name": details["name"],
        "shape": [None if size < 0 else int(size) for size in signature],
        "dtype": "string" if dtype.kind in "SO" else dtype.name,
        "quantization": (float(scale), int(zero_point)) if scale else None,
    }


def operators_of(interpreter: Any) -> dict[str, int] | None:
    """How often each operator occurs; None where this release does not report it."""
    try:
        nodes = interpreter._get_ops_details()
    except (AttributeError, ValueError):
        return None
    return dict(collections.Counter(node["op_name"] for node in nodes))


def distinct(tensors: list[Tensor], role: str) -> list[Tensor]:
    """Make the names unique: a .tflite file may hold empty names, and the same name twice."""
    taken: set[str] = set()
    for place, tensor in enumerate(tensors):
        if not tensor["name"] or tensor["name"] in taken:
            tensor["name"] = f"{tensor['name'] or role}#{place}"
        taken.add(tensor["name"])
    return tensors
