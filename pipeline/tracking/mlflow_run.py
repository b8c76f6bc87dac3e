"""MLflow: a run of the server per run of the pipeline, which an interrupted one resumes."""

import hashlib
import json
import logging
import os
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from pydantic import BaseModel, JsonValue

from pipeline.recipe.schema import Recipe
from pipeline.reporting.schema.report import Report
from pipeline.reporting.schema.tracked import Tracked
from pipeline.tracking.contract import Epoch, figures
from targets.errors import InputError
from targets.files.published import published

if TYPE_CHECKING:
    from mlflow.entities import Run

LONGEST_KEY, LONGEST_VALUE = 250, 500
"""What every version of the server takes."""
BATCH, PARAMETERS = 1000, 100
"""Metrics and parameters of one request, at most."""

SETTINGS = {
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "10",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "1",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_LOGGING_LEVEL": "ERROR",
    # On stdout is our JSON document.
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
}
"""Read by MLflow; the user's own values stay."""

Metrics = Sequence[tuple[str, float, int]]
"""Name, value and step."""


class State(BaseModel):
    """The run that is not finished, for the command that resumes it."""

    uri: str
    run_id: str
    recipe_sha256: str


class MlflowRun:
    def __init__(self, recipe: Recipe, *, state: Path) -> None:
        for name, value in SETTINGS.items():
            os.environ.setdefault(name, value)
        try:
            from mlflow import MlflowClient, get_tracking_uri
        except ModuleNotFoundError as error:
            raise InputError(
                f"{error.name} is not installed: python -m pip install 'edge-distill[mlflow]'"
            ) from error
        logging.getLogger("urllib3").setLevel(logging.ERROR)
        cfg = recipe.tracking
        self._uri = cfg.mlflow if isinstance(cfg.mlflow, str) else get_tracking_uri()
        self._client = MlflowClient(tracking_uri=self._uri)
        self._recipe, self._state = recipe, state
        self._logged: set[tuple[str, int]] = set()
        self.tracked: Tracked | None = None

    def start(self) -> None:
        run = self._resumed() or self._created()
        self.tracked = Tracked(
            mlflow_run_id=run.info.run_id, mlflow_experiment_id=run.info.experiment_id
        )
        self._logged = set(self._known(run))
        self._keep()
        self._describe()

    def begin(self, stage: str, *, first: int) -> None: ...

    def epoch(self, stage: str, epoch: Epoch) -> None:
        self.trained(stage, [epoch])

    def trained(self, stage: str, history: Sequence[Epoch]) -> None:
        self._log(
            [
                (f"{stage}/{name}", value, epoch.number)
                for epoch in history
                for name, value in epoch.scalars().items()
            ]
        )

    def delivered(self, results: Path, report: Report) -> None:
        self._log([(_name(name), value, 0) for name, value in figures(report)])
        digests = {f"sha256.{row.name}": row.sha256 for row in report.models}
        self._tag({**digests, "sha256.dataset": report.dataset.sha256})
        self._client.log_artifacts(self._run_id, str(results / "models"), "models")
        for name in ("report.html", "report.json"):
            self._client.log_artifact(self._run_id, str(results / name))
        self._client.set_terminated(self._run_id, "FINISHED")
        self._state.unlink()

    def interrupted(self) -> None:
        self._client.set_terminated(self._run_id, "KILLED")

    @property
    def _run_id(self) -> str:
        assert self.tracked is not None  # it is started
        return self.tracked.mlflow_run_id

    def _resumed(self) -> "Run | None":
        from mlflow.exceptions import MlflowException

        state = self._read()
        if state is None or (state.uri, state.recipe_sha256) != (self._place, self._digest):
            return None
        try:
            self._client.update_run(state.run_id, status="RUNNING")
            return self._client.get_run(state.run_id)
        except MlflowException:  # deleted there
            return None

    def _created(self) -> "Run":
        name = self._recipe.tracking.experiment
        found = self._client.get_experiment_by_name(name)
        experiment = found.experiment_id if found else self._client.create_experiment(name)
        return self._client.create_run(experiment, run_name=self._recipe.name)

    def _known(self, run: "Run") -> Iterator[tuple[str, int]]:
        for name in run.data.metrics:
            for metric in self._client.get_metric_history(run.info.run_id, name):
                yield name, metric.step

    def _describe(self) -> None:
        """Parameters cannot change: the same again are accepted."""
        from mlflow.entities import Param

        tree = self._recipe.model_dump(mode="json", by_alias=True, exclude={"about", "tracking"})
        params = [Param(name, value) for name, value in parameters(tree).items()]
        for start in range(0, len(params), PARAMETERS):
            self._client.log_batch(self._run_id, params=params[start : start + PARAMETERS])
        self._tag({"edge_distill.version": metadata.version("edge-distill"), **_commit()})

    def _tag(self, tags: Mapping[str, str]) -> None:
        from mlflow.entities import RunTag

        self._client.log_batch(
            self._run_id, tags=[RunTag(_name(name), value) for name, value in tags.items()]
        )

    def _log(self, metrics: Metrics) -> None:
        from mlflow.entities import Metric

        now = time.time_ns() // 1_000_000
        new = [
            Metric(name, value, now, step)
            for name, value, step in metrics
            if (name, step) not in self._logged
        ]
        for start in range(0, len(new), BATCH):
            self._client.log_batch(self._run_id, metrics=new[start : start + BATCH])
        self._logged |= {(metric.key, metric.step) for metric in new}

    @property
    def _place(self) -> str:
        """The address without a password."""
        parts = urlsplit(self._uri)
        return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()

    @property
    def _digest(self) -> str:
        return hashlib.sha256(self._recipe.model_dump_json().encode()).hexdigest()

    def _read(self) -> State | None:
        try:
            return State.model_validate_json(self._state.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            return None

    def _keep(self) -> None:
        state = State(uri=self._place, run_id=self._run_id, recipe_sha256=self._digest)
        with published(self._state, remedy="Choose another --out.") as part:
            part.write_text(state.model_dump_json() + "\n", encoding="utf-8")


def parameters(tree: Mapping[str, JsonValue], prefix: str = "") -> dict[str, str]:
    """The keys of a recipe as `distill.temperature`, cut to what MLflow takes."""
    found: dict[str, str] = {}
    for key, value in tree.items():
        if isinstance(value, dict):
            found |= parameters(value, f"{prefix}{key}.")
        else:
            text = value if isinstance(value, str) else json.dumps(value)
            found[_name(f"{prefix}{key}")] = text[:LONGEST_VALUE]
    return found


def _name(text: str) -> str:
    """MLflow takes letters, digits, and a few marks."""
    kept = "".join(char if char.isalnum() or char in "_-./ :" else "_" for char in text)
    return kept[:LONGEST_KEY]


def _commit() -> dict[str, str]:
    """Of the project that the recipe is in, as MLflow calls it."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"], capture_output=True, text=True, timeout=5, check=True
        )
    except (OSError, subprocess.SubprocessError):
        return {}
    return {"mlflow.source.git.commit": done.stdout.strip()}
