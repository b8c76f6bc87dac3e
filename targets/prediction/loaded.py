"""A model file in its runtime: the session, the input and the query that `pipeline bench` uses."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from targets.bench.agent.accuracy import numbers
from targets.bench.agent.job import InputSpec, failure, phase
from targets.bench.agent.preparation import from_sample
from targets.bench.agent.session import Settings, Tensor, import_runtime
from targets.bench.case import BenchCase
from targets.bench.failures import agent_error
from targets.bench.model_files import files_of
from targets.bench.request import require_model
from targets.bench.scores import kind_of
from targets.errors import InputError, missing_package
from targets.formats import format_of
from targets.quiet import quiet_stderr

if TYPE_CHECKING:
    from targets.bench.agent.session import Session

Array = npt.NDArray[Any]


class LoadedModel:
    """A file with one input. Raises `InputError` where it is no model or damaged."""

    def __init__(self, path: Path, *, threads: int = 1) -> None:
        require_model(path)
        self.path = path
        self._case = BenchCase(name=path.name, format=format_of(path), path=path, threads=threads)
        self._session = self._opened()
        self._spec: InputSpec = {}
        self._output = 0

    @property
    def runtime(self) -> str:
        return self._case.executed_by.name

    @property
    def input(self) -> Tensor:
        inputs = self._session.inputs
        if len(inputs) != 1:
            raise InputError(
                f"{self.path}: has {len(inputs)} inputs, and a sample is one. Give a model with "
                "one input; `pipeline bench --input` measures others."
            )
        return inputs[0]

    @property
    def outputs(self) -> list[Tensor]:
        return self._session.outputs

    def allocate(self, spec: InputSpec, *, output: int) -> None:
        """Prepare for samples that `spec` describes, and for the output of this index."""
        self._spec, self._output = spec, output
        with self._failures(), quiet_stderr(), phase("load"):
            self._session.allocate({self.input["name"]: spec["shape"]})

    def run(self, raw: Array) -> tuple[Array, int]:
        """Outputs of raw samples [n, ...], [n, ...], and the time of the queries in ns."""
        batch = self._spec.get("batch", 1)
        results, total = [], 0
        for place in range(0, len(raw), batch):
            given = raw[place : place + batch]
            full = given[np.minimum(np.arange(batch), len(given) - 1)]
            output, ns = self._queried(full)
            results.append(self._divided(output, batch)[: len(given)])
            total += ns
        return np.concatenate(results), total

    def gives_scores(self, outputs: Array) -> bool:
        """Whether outputs [n, ...] hold a score per class, or one for two classes."""
        kind = kind_of(outputs.shape[1:], self.outputs[self._output])
        return kind in ("scores", "single")

    def _queried(self, full: Array) -> tuple[Array, int]:
        with self._failures(), phase("run"):
            with phase("input"):
                feed = self._session.feed({self.input["name"]: from_sample(full, self._spec)})
            self._session.renew()
            output, ns, _ = self._session.query(self._output)(feed)
            return numbers(output, self.outputs[self._output]), ns

    def _divided(self, output: Array, batch: int) -> Array:
        """[batch, ...]; a model of one sample may leave the batch out."""
        if output.shape[:1] == (batch,):
            return output
        if batch == 1:
            return output[np.newaxis]
        raise InputError(
            f"{self.path}: takes {batch} samples at once, and its output {list(output.shape)} "
            "cannot be divided among them. Export it with a batch of 1."
        )

    def _opened(self) -> "Session":
        runtime, settings = self._case.executed_by, Settings(self._case.threads, {}, None)
        files_of(self.path)
        with self._failures():
            module, _ = import_runtime(runtime.session)
            with quiet_stderr(), phase("load"):
                return runtime.session.open_session(module, str(self.path), settings)

    @contextmanager
    def _failures(self) -> Iterator[None]:
        runtime = self._case.executed_by
        try:
            yield
        except ModuleNotFoundError as error:
            raise missing_package(runtime.distribution, needed_for=self.path.name) from error
        except Exception as error:  # runtimes raise exceptions of many types
            place = f"{self.path.name} in {runtime.name}"
            raise agent_error(failure(error), self._case, place) from error
