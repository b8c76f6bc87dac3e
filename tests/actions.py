"""The part of GitHub's runner that action.yml uses: expressions, conditions, outputs of steps."""

import os
import re
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parent.parent
INSTALL = "Install"
"""The step that a test cannot afford; what it installs is there already."""

TOKENS = re.compile(r"'(?:[^']|'')*'|&&|\|\||[!=]=|!|[()]|[A-Za-z_][\w.-]*|\s+")
PYTHON = {"&&": " and ", "||": " or ", "!": " not "}


def action() -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((ROOT / "action.yml").read_text(encoding="utf-8"))
    return content


def workflow_inputs() -> dict[str, str]:
    """What the workflow of this repository gives to the action."""
    workflow = yaml.safe_load((ROOT / ".github/workflows/models.yml").read_text(encoding="utf-8"))
    (step,) = [s for s in workflow["jobs"]["models"]["steps"] if s["uses"] == "./"]
    given: dict[str, str] = step["with"]
    return given


@dataclass(kw_only=True)
class Step:
    """What became of a step."""

    code: int = 0
    outputs: dict[str, str] = field(default_factory=dict)
    log: str = ""
    settings: dict[str, str] = field(default_factory=dict)
    """The resolved `with` of a step that uses another action, which is not run."""


@dataclass(kw_only=True)
class Job:
    """Runs the steps of action.yml in the folder `project`."""

    project: Path
    inputs: Mapping[str, str]
    timeout_s: float = 120
    done: dict[str, Step] = field(default_factory=dict)
    """Steps by id, or else by name."""

    def run(self) -> "Job":
        for step in action()["runs"]["steps"]:
            name = step.get("id") or step.get("name") or step["uses"]
            if not self._value(str(step.get("if", "success()"))):
                continue
            self.done[name] = self._run(step) if "run" in step else self._use(step)
        return self

    @property
    def failed(self) -> bool:
        return any(step.code for step in self.done.values())

    @property
    def outputs(self) -> dict[str, str]:
        return {name: self.text(one["value"]) for name, one in action()["outputs"].items()}

    @property
    def summary(self) -> str:
        path = self.project / "summary.md"
        return path.read_text(encoding="utf-8") if path.exists() else ""

    def text(self, value: str) -> str:
        """`value` with every expression in it replaced."""
        return re.sub(r"\$\{\{(.*?)\}\}", lambda found: str(self._value(found[1])), value)

    def _use(self, step: dict[str, Any]) -> Step:
        return Step(settings={k: self.text(str(v)) for k, v in step.get("with", {}).items()})

    def _run(self, step: dict[str, Any]) -> Step:
        outputs = self.project / "outputs"
        outputs.write_text("")
        env = {
            **os.environ,
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "GITHUB_ACTIONS": "true",
            "GITHUB_OUTPUT": str(outputs),
            "GITHUB_STEP_SUMMARY": str(self.project / "summary.md"),
            "GITHUB_ACTION_PATH": str(ROOT),
            **{name: self.text(str(value)) for name, value in step.get("env", {}).items()},
        }
        if step.get("name") == INSTALL:
            return Step(settings={"EXTRAS": env["EXTRAS"]})
        # As GitHub calls bash.
        command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]]
        ended = subprocess.run(
            command, cwd=self.project, env=env, text=True, timeout=self.timeout_s,
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        )  # fmt: skip
        pairs = dict(line.split("=", 1) for line in outputs.read_text().splitlines())
        return Step(code=ended.returncode, outputs=pairs, log=ended.stdout)

    def _value(self, expression: str) -> object:
        """Of an expression, whose operators mean what Python's do."""
        text = expression.strip().removeprefix("${{").removesuffix("}}")
        assert "".join(TOKENS.findall(text)) == text, expression
        python = TOKENS.sub(lambda token: self._python(token[0]), text).strip()
        functions = {
            "success": lambda: not self.failed,
            "failure": lambda: self.failed,
            "always": lambda: True,
            "cancelled": lambda: False,
        }
        return eval(python, {"__builtins__": {}}, {**functions, "get": self._get})

    def _python(self, token: str) -> str:
        if token in PYTHON:
            return PYTHON[token]
        return f"get({token!r})" if "." in token and token[0] != "'" else token

    def _get(self, path: str) -> str:
        match path.split("."):
            case ["inputs", name]:
                known: dict[str, Any] = action()["inputs"]
                return self.inputs.get(name, str(known[name].get("default", "")))
            case ["steps", step, "outputs", name]:
                return self.done[step].outputs.get(name, "") if step in self.done else ""
            case ["runner" | "github", name]:
                return f"<{name}>"
        raise AssertionError(f"unknown context {path}")
