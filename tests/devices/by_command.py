"""The commands that measure on a stand-in, and this machine's outputs for the same samples."""

import shutil
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import click.testing
import numpy as np

from pipeline.cli.app import main
from pipeline.engine.progress import SilentConsole
from targets.bench.case import BenchCase
from targets.bench.plan import Bench, BenchPlan
from targets.bench.result import BenchResult, read
from targets.bench.runner import AgentRunner
from targets.devices.contract import Provisioned, WantedRuntime
from targets.devices.local.kind import LocalSession
from targets.devices.local.link import LocalLink
from targets.runtimes import RUNTIMES
from tests.conftest import Lane, stripes

SAMPLES = 100
HOSTILE = 'it\'s "a" $(touch oops) `id`\nmodel.tflite'
ONCE = BenchPlan(processes=1, min_queries=1, min_duration_s=0, max_duration_s=0)


@dataclass(frozen=True, kw_only=True)
class Given:
    model: Path
    """The int8 student, in a file of a hostile name."""
    baseline: Path
    data: Path
    """Samples, and as labels the classes that `runtime` gives on this machine: accuracy on a device
    is the share of samples with the same class."""
    runtime: str
    version: str

    @classmethod
    def make(cls, lane: Lane, folder: Path, *, runtime: str) -> "Given":
        models = lane.out / "tiny" / "models"
        model, samples, data = folder / HOSTILE, folder / "samples.npy", folder / "data.npz"
        shutil.copyfile(models / "student.int8.tflite", model)
        np.save(samples, stripes(SAMPLES, seed=5)["images"][..., None])
        mine = local_runtime(folder, "tflite", runtime)
        host = AgentRunner(link=LocalLink(folder), folder=folder, python=lambda _: mine.python)
        subject = BenchCase(name="x", format="tflite", path=model, runtime=RUNTIMES[runtime])
        outputs, _ = Bench(runner=host, plan=ONCE, samples=samples).outputs(subject)
        assert outputs is not None
        labels = outputs.argmax(1)
        assert len(set(labels)) == 3  # else the same label everywhere would prove nothing
        np.savez(data, images=np.load(samples), labels=labels)
        return cls(
            model=model, baseline=models / "student.float32.tflite", data=data, runtime=runtime,
            version=mine.version,
        )  # fmt: skip


def local_runtime(folder: Path, format_name: str, runtime: str | None = None) -> Provisioned:
    """The same runtime on this machine."""
    here = LocalSession(link=LocalLink(folder), reached="local")
    wanted = WantedRuntime(format=format_name, runtime=runtime)
    return here.provision(here.probe(), wanted, say=print)


def invoke(*argv: object) -> Any:
    return click.testing.CliRunner().invoke(main, [*map(str, argv)], standalone_mode=False)


def whole_way(device: str, given: Given) -> BenchResult:
    """Probed, provisioned, measured and cleaned; its results, which are in this folder too."""
    done = invoke(
        "bench", given.model, "--baseline", given.baseline, "--data", given.data, "--device",
        device, "--runtime", given.runtime, "--tier", "rapid", "--out", "out",
    )  # fmt: skip
    assert done.return_value == 0, done.output
    document = read(Path("out", f"{device}.json"))
    the_same = {row.model: row.top1 for row in document.accuracy}[given.model.name]
    assert the_same is not None
    assert the_same >= 0.995
    runtimes = {(row.runtime.name, row.runtime.version) for row in document.accuracy}
    assert runtimes == {(given.runtime, given.version)}
    assert sorted((block.index, block.model) for block in document.blocks) == sorted(
        (index, path.name) for index in (0, 1) for path in (given.model, given.baseline)
    )
    assert {row.model for row in document.memory} == {given.model.name, given.baseline.name}
    assert not list(Path.cwd().rglob("oops"))
    cleaned = invoke("devices", "clean", device)
    assert cleaned.exit_code == 0, cleaned.output
    return document


def no_speed_up(document: BenchResult) -> bool:
    """The document states that its times mean nothing, and compares none."""
    (row,) = document.comparison
    stated = bool(row.invalid_reasons) and "emulated" in row.invalid_reasons[0]
    return document.device.emulated and stated and (row.ratio, row.verdict) == (None, "invalid")


@dataclass(kw_only=True)
class Watcher(SilentConsole):
    """Calls `act` a moment after the measurement prints `at`."""

    at: str
    act: Callable[[], None]
    after_s: float = 1.5
    done: threading.Event = field(default_factory=threading.Event)

    def say(self, text: str) -> None:
        self.lines.append(text)
        if self.at in text:
            threading.Thread(target=self._act, daemon=True).start()

    def _act(self) -> None:
        time.sleep(self.after_s)
        self.act()
        self.done.set()
        # A stand-in that was started here ends with its parent, which is this thread.
        threading.Event().wait()
