"""The host's side of one measuring process: it sends the job and reads the result or the error."""

import json
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

import numpy.typing as npt

from targets.bench import decoding, model_files
from targets.bench.agent.job import AgentJob, InputSpec
from targets.bench.archive import packed
from targets.bench.failures import agent_error, shortened
from targets.devices.contract import Completed, Link, LinkLost
from targets.devices.local.link import LocalLink
from targets.errors import DeviceError

if TYPE_CHECKING:
    from targets.bench.case import BenchCase
    from targets.runtimes import Runtime

T = TypeVar("T")
Array = npt.NDArray[Any]
AgentResult = dict[str, Any]
"""Result as the agent writes it; the models of `targets.bench.record` validate it."""
TIDY_S = 60.0


def this_python(runtime: "Runtime") -> str:
    return sys.executable


@dataclass(frozen=True, kw_only=True)
class AgentRunner:
    """Runs the agent over a link; `folder` holds the files in between."""

    link: Link
    folder: Path
    timeout_s: float = 600.0
    python: Callable[["Runtime"], str] = this_python
    """The device's interpreter that has the runtime."""
    env: Mapping[str, str] = field(default_factory=dict)
    retry_s: float = 0.0
    """Seconds for which a lost connection is tried again."""
    retry_every_s: float = 5.0
    say: Callable[[str], None] = lambda text: None
    cool: Callable[[], None] = lambda: None
    """Called before a block; may wait for the device to cool down."""
    conditions: Callable[[], Mapping[str, object]] = dict
    """State of the device that the agent cannot read, before and after a block."""
    stop: threading.Event = field(default_factory=threading.Event, repr=False)
    """Once it is set, no further job begins."""
    _numbers: "count[int]" = field(default_factory=count, repr=False)
    _token: str = field(default_factory=lambda: f"job-{uuid4().hex[:12]}", repr=False)
    """Unique prefix of file names: a file of an earlier measurement is never taken for a result."""
    _places: dict[Path, str] = field(default_factory=dict, repr=False)
    """Model file -> its path on the device."""

    def waited(self, case: "BenchCase", act: Callable[[], T]) -> T:
        """Return `act()`, a block or a pass of `case`, which is measured as a whole or not at all.

        Where the connection is lost (a device that restarts, a pulled cable), it begins anew
        until `retry_s` have passed without a connection.
        """
        deadline: float | None = None
        while True:
            if self.stop.is_set():
                raise DeviceError(f"device {self.link.name}: stopped before {case.name}.")
            try:
                return act()
            except LinkLost as error:
                self._places.clear()
                now = time.monotonic()
                deadline = deadline or now + self.retry_s
                if now >= deadline:
                    raise
                self.say(f"{error} Trying again for {deadline - now:.0f} s.")
                self.stop.wait(self.retry_every_s)

    def run(self, case: "BenchCase", job: AgentJob) -> AgentResult:
        """The agent's result for `job`; `outputs` is a path on the device, for `array`."""
        stem = f"{self._token}-{next(self._numbers)}"
        out, outputs = (
            self.link.remote_path(f"{stem}.out.json"),
            self.link.remote_path(f"{stem}.npy"),
        )
        sent = self.folder / f"{stem}.json"
        sent.write_text(json.dumps({**self._model(case), **job, "out": out, "outputs": outputs}))
        runtime = case.executed_by
        argv = runtime.command(
            python=self.python(runtime),
            agent=self.link.push(packed(runtime)),
            job=self.link.push(sent),
        )
        done = self.link.run(argv, env={**runtime.env, **self.env}, timeout_s=self.timeout_s)
        result = self._result(done, out, case)
        decoding.require(result, job["mode"], place=self._place(case))
        if job["mode"] == "accuracy" and result.get("outputs", "") not in (None, outputs):
            raise DeviceError(f"{self._place(case)}: sent outputs that the job did not ask for.")
        sent.unlink()
        return result

    def array(self, there: str) -> Array:
        """Read the .npy file that a job wrote."""
        here = self.folder / PurePosixPath(there).name
        self.link.pull(there, here)
        try:
            return decoding.array(here)
        except ValueError as error:
            raise DeviceError(
                f"device {self.link.name}: sent outputs that cannot be read: {error}."
            ) from error

    def tidy(self) -> None:
        """Remove the files of the jobs; a device that is gone by now keeps them."""
        script = 'rm -f -- "$1"-*'
        try:
            argv = ["sh", "-c", script, "sh", self.link.remote_path(self._token)]
            self.link.run(argv, env={}, timeout_s=TIDY_S)
        except LinkLost as error:  # the results are here and stand
            self.say(f"{error} What its jobs wrote is still there.")

    def _inputs(self, case: "BenchCase") -> Mapping[str, InputSpec] | None:
        """Return what each input is given, with the paths of files on the device."""
        if case.inputs is None:
            return None
        return {
            name: {**one, "path": self.link.push(Path(one["path"]))} if "path" in one else one
            for name, one in case.inputs.items()
        }

    def _model(self, case: "BenchCase") -> AgentJob:
        adapter = case.adapter
        return {
            "runtime": case.executed_by.name,
            "model": self._placed(case),
            "threads": case.threads,
            "affinity": case.affinity,
            "options": case.options,
            "inputs": self._inputs(case),
            "adapter": None if adapter is None else adapter.model_dump(),
            "output_index": case.output_index if adapter is None else adapter.output_index,
        }

    def _placed(self, case: "BenchCase") -> str:
        """The model's path on the device, with all of its files; copied once a connection."""
        if self.link.shares_files:
            return self.link.push(case.path)
        if case.path not in self._places:
            files = model_files.files_of(case.path)
            self._places[case.path] = model_files.push(self.link, files)
        return self._places[case.path]

    def _result(self, done: Completed, out: str, case: "BenchCase") -> AgentResult:
        place = self._place(case)
        if done.timed_out:
            raise DeviceError(
                f"{place}: not done after {self.timeout_s:g} s and ended. Raise bench.timeout_s "
                "(--timeout), or measure for a shorter time."
            )
        result = self._fetched(out, done, place)
        if "error" in result:
            raise agent_error(result["error"], case, place)
        return result

    def _place(self, case: "BenchCase") -> str:
        return f"device {self.link.name}: {case.path.name} in {case.executed_by.name}"

    def _fetched(self, out: str, done: Completed, place: str) -> AgentResult:
        here = self.folder / f"{Path(out).name}.fetched"
        try:
            self.link.pull(out, here)
            result: AgentResult = decoding.document(here.read_bytes())
        except LinkLost:
            raise
        except (DeviceError, ValueError) as error:
            raise DeviceError(f"{place}: {_ended(done)}") from error
        return result


def local_runner(folder: Path, *, timeout_s: float = 600.0) -> AgentRunner:
    """Return a runner for this machine, with the Python that runs now."""
    return AgentRunner(link=LocalLink(folder), folder=folder, timeout_s=timeout_s)


def _ended(done: Completed) -> str:
    """Why a process ended without a result."""
    last = (done.stderr.strip().splitlines() or ["it printed nothing"])[-1]
    # A shell reports 128 + signal, a child of this process the signal's negative.
    number = -done.returncode if done.returncode < 0 else done.returncode - 128
    if number == signal.SIGKILL:
        return (
            "the measuring process was killed, most likely because memory ran out. Close other "
            "programs on the device, or measure a smaller model."
        )
    if number in (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE):
        return (
            f"the runtime crashed ({signal.Signals(number).name}): {shortened(last, 300)}. The "
            "file may be damaged, or need a newer runtime: check whether it loads elsewhere."
        )
    return f"the measuring process failed: {shortened(last, 300)}"
