"""The host's side of one measuring process: the job goes there, the result or an error comes."""

import json
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar
from uuid import uuid4

import numpy as np

from targets.bench import model_files
from targets.bench.failures import agent_error, shortened
from targets.devices.contract import Completed, Link, LinkLost
from targets.devices.local.link import LocalLink
from targets.errors import DeviceError

if TYPE_CHECKING:
    from targets.bench.plan import Subject
    from targets.runtimes import Runtime

T = TypeVar("T")
AGENT = Path(__file__).with_name("agent.py")
RETRY_EVERY_S = 5.0
TIDY_S = 60.0


def this_python(runtime: "Runtime") -> str:
    return sys.executable


@dataclass(frozen=True, kw_only=True)
class Host:
    """Runs the agent over a link, and keeps the files in between in `folder`."""

    link: Link
    folder: Path
    timeout_s: float = 600.0
    python: Callable[["Runtime"], str] = this_python
    """The interpreter there that has the runtime."""
    env: Mapping[str, str] = field(default_factory=dict)
    retry_s: float = 0.0
    """How long a lost connection is waited for."""
    say: Callable[[str], None] = lambda text: None
    cool: Callable[[], None] = lambda: None
    """Called before a block; may wait for the device to cool down."""
    conditions: Callable[[], Mapping[str, Any]] = dict
    """What the agent cannot read itself, for before and after a block."""
    stop: threading.Event = field(default_factory=threading.Event, repr=False)
    """Set by whoever wants no further job to begin."""
    _numbers: "count[int]" = field(default_factory=count, repr=False)
    _token: str = field(default_factory=lambda: f"job-{uuid4().hex[:12]}", repr=False)
    """Of no other measurement: a result that an earlier one left is never taken for ours."""
    _places: dict[Path, str] = field(default_factory=dict, repr=False)
    """Of the models that were brought there."""

    def waited(self, subject: "Subject", act: Callable[[], T]) -> T:
        """`act`, a block or a pass of `subject`: measured as a whole or not.

        Where the connection is lost (a device that starts again, a pulled cable), it is begun anew
        until `retry_s` have passed without it.
        """
        deadline: float | None = None
        while True:
            if self.stop.is_set():
                raise DeviceError(f"device {self.link.name}: stopped before {subject.name}.")
            try:
                return act()
            except LinkLost as error:
                self._places.clear()
                now = time.monotonic()
                deadline = deadline or now + self.retry_s
                if now >= deadline:
                    raise
                self.say(f"{error} Trying again for {deadline - now:.0f} s.")
                self.stop.wait(RETRY_EVERY_S)

    def run(
        self, subject: "Subject", job: Mapping[str, Any], *, writes: str | None = None
    ) -> dict[str, Any]:
        """The agent's result for `job`; the array that it `writes`, if any, is loaded into it."""
        stem = f"{self._token}-{next(self._numbers)}"
        out, array = self.link.remote_path(f"{stem}.out.json"), self.link.remote_path(f"{stem}.npy")
        sent = self.folder / f"{stem}.json"
        sent.write_text(json.dumps({**self._model(subject), **job, "out": out, "outputs": array}))
        argv = subject.executed_by.command(
            python=self.python(subject.executed_by),
            agent=self.link.push(AGENT),
            job=self.link.push(sent),
        )
        done = self.link.run(
            argv, env={**subject.executed_by.env, **self.env}, timeout_s=self.timeout_s
        )
        result = self._result(done, out, subject)
        if writes and result.get(writes):
            result[writes] = self._array(array, stem)
        sent.unlink()
        return result

    def tidy(self) -> None:
        """Remove what the jobs wrote there; a device that is gone by now keeps it."""
        script = 'rm -f -- "$1"-*'
        try:
            argv = ["sh", "-c", script, "sh", self.link.remote_path(self._token)]
            self.link.run(argv, env={}, timeout_s=TIDY_S)
        except LinkLost as error:  # what was measured is here and stands
            self.say(f"{error} What its jobs wrote is still there.")

    def _inputs(self, subject: "Subject") -> dict[str, Any] | None:
        """With the files among them brought there."""
        if subject.inputs is None:
            return None
        return {
            name: {**one, "path": self.link.push(Path(one["path"]))} if "path" in one else one
            for name, one in subject.inputs.items()
        }

    def _model(self, subject: "Subject") -> dict[str, Any]:
        return {
            "runtime": subject.executed_by.name,
            "model": self._placed(subject.path),
            "threads": subject.threads,
            "affinity": subject.affinity,
            "ort_options": None if subject.ort_options is None else dict(subject.ort_options),
            "inputs": self._inputs(subject),
            "adapter": None if subject.adapter is None else subject.adapter.model_dump(),
            "output_index": subject.output_index
            if subject.adapter is None
            else subject.adapter.output_index,
        }

    def _placed(self, path: Path) -> str:
        """Where the model is there, with all of its files; brought once a connection."""
        if self.link.shares_files:
            return self.link.push(path)
        if path not in self._places:
            self._places[path] = model_files.push(self.link, model_files.files_of(path))
        return self._places[path]

    def _array(self, there: str, stem: str) -> Any:
        here = self.folder / f"{stem}.npy"
        self.link.pull(there, here)
        return np.load(here, allow_pickle=False)

    def _result(self, done: Completed, out: str, subject: "Subject") -> dict[str, Any]:
        what = f"{subject.path.name} in {subject.executed_by.name}"
        place = f"device {self.link.name}: {what}"
        if done.timed_out:
            raise DeviceError(
                f"{place}: not done after {self.timeout_s:g} s and ended. Raise bench.timeout_s "
                "(--timeout), or measure for a shorter time."
            )
        result = self._fetched(out, done, place)
        if "error" in result:
            raise agent_error(result["error"], subject, place)
        return result

    def _fetched(self, out: str, done: Completed, place: str) -> dict[str, Any]:
        here = self.folder / f"{Path(out).name}.fetched"
        try:
            self.link.pull(out, here)
            result: dict[str, Any] = json.loads(here.read_text(encoding="utf-8"))
        except LinkLost:
            raise
        except (DeviceError, ValueError) as error:
            raise DeviceError(f"{place}: {_ended(done)}") from error
        return result


def local_host(folder: Path, *, timeout_s: float = 600.0) -> Host:
    """This machine, by the Python that runs now."""
    return Host(link=LocalLink(folder), folder=folder, timeout_s=timeout_s)


def _ended(done: Completed) -> str:
    """Why a process that wrote no result is gone."""
    last = (done.stderr.strip().splitlines() or ["it said nothing"])[-1]
    # A shell there says 128 + signal, a child of ours the signal's negative.
    number = -done.returncode if done.returncode < 0 else done.returncode - 128
    if number == signal.SIGKILL:
        return (
            "the measuring process was killed, most likely because memory ran out. Close what else "
            "runs there, or measure a smaller model."
        )
    if number in (signal.SIGSEGV, signal.SIGABRT, signal.SIGBUS, signal.SIGILL, signal.SIGFPE):
        return (
            f"the runtime crashed ({signal.Signals(number).name}): {shortened(last, 300)}. The "
            "file may be damaged, or made for a newer runtime: look whether it loads elsewhere."
        )
    return f"the measuring process failed: {shortened(last, 300)}"
