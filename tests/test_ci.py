"""action.yml, the workflows, the GitLab component and the plain shell of docs/ci.md."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from pipeline.ci import inputs as ci_inputs
from pipeline.ci.__main__ import main
from pipeline.cli.app import exit_code
from targets.files.digest import file_sha256
from tests import signers
from tests.actions import INSTALL, ROOT, Job, action, workflow_inputs
from tests.conftest import Lane

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
DOCS = (ROOT / "docs" / "ci.md").read_text(encoding="utf-8")
STEP_KEYS = {"name", "id", "if", "shell", "env", "run", "uses", "with", "continue-on-error"}


def parsed(path: Path) -> dict[Any, Any]:
    content: dict[Any, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    return content


def gitlab() -> tuple[dict[str, Any], dict[str, Any]]:
    """Inputs and job of the component."""
    text = (ROOT / "templates" / "edge-distill.yml").read_text(encoding="utf-8")
    head, body = yaml.safe_load_all(text)
    return head["spec"]["inputs"], body["edge-distill"]


def test_the_action_is_a_composite_action_as_github_documents_them() -> None:
    found = action()
    assert set(found) == {"name", "description", "inputs", "outputs", "runs"}
    assert found["runs"]["using"] == "composite"
    for step in found["runs"]["steps"]:
        assert set(step) <= STEP_KEYS
        assert ("run" in step) != ("uses" in step)
        assert ("shell" in step) == ("run" in step)
    for given in found["inputs"].values():
        assert set(given) == {"description", "default"}
        assert isinstance(given["default"], str)
    for output in found["outputs"].values():
        assert set(output) == {"description", "value"}


@pytest.mark.parametrize("path", [ROOT / "action.yml", *WORKFLOWS], ids=lambda path: path.name)
def test_no_expression_is_inside_a_shell_and_every_action_has_a_version(path: Path) -> None:
    content = parsed(path)
    jobs = [content["runs"]] if "runs" in content else content["jobs"].values()
    steps = [step for job in jobs for step in job["steps"]]
    assert steps
    for step in steps:
        assert "${{" not in step.get("run", "")
        assert step.get("run", "").strip().count("\n") == 0
        if "uses" in step:
            assert step["uses"] == "./" or re.fullmatch(r"[\w/.-]+@v\d+", step["uses"])


def test_the_action_installs_its_own_checkout_with_the_tested_versions() -> None:
    (step,) = [one for one in action()["runs"]["steps"] if one.get("name") == INSTALL]
    assert step["run"] == (
        'python -m pip install -c "$GITHUB_ACTION_PATH/constraints.txt" '
        '"$GITHUB_ACTION_PATH$EXTRAS"'
    )
    for key, extras in (("", ""), ("-----BEGIN", "[sign]")):
        job = Job(project=Path(), inputs={"signing-key": key})
        assert job.text(step["env"]["EXTRAS"]) == extras


@pytest.fixture
def project(finished: Lane, tmp_path: Path) -> Path:
    """A project with a recipe, its data, and the stages of the finished lane."""
    project = tmp_path / "project"
    shutil.copytree(finished.out / ".store", project / "runs" / ".store")
    text = finished.recipe_file.read_text().replace('name = "tiny"', 'name = "mine"')
    (project / "mine.toml").write_text(text)
    shutil.copyfile(finished.data_file, project / "images.npz")
    return project


GIVEN = {"recipe": "mine.toml", "data": "images.npz", "targets": "tflite onnx"}


def test_the_steps_of_the_action_give_a_bundle_a_page_verdicts_and_a_baseline(
    project: Path,
) -> None:
    (project / "gates.toml").write_text("top1 = 0.01\nall_int8 = true\n")
    private, public = signers.key_pair(project, "me")
    more = {"gates": "gates.toml", "version": "1.2.0", "signing-key": private.read_text()}
    private.unlink()
    job = Job(project=project, inputs={**GIVEN, **more}).run()
    assert job.done["run"].code == 0, job.done["run"].log
    assert "reused: nothing changed" in job.done["run"].log
    assert job.done["check"].code == 0, job.done["check"].log
    assert job.outputs["verdict"] == "passed"
    assert job.done["package"].code == 0, job.done["package"].log
    bundle = project / job.outputs["bundle"]
    assert bundle.name == "mine-1.2.0.zip"
    assert job.outputs["sha256"] == file_sha256(bundle)
    assert job.done["Upload the bundle"].settings["path"] == job.outputs["bundle"]
    assert exit_code(["verify", str(bundle), "--key", str(public)]) == 0
    assert job.summary.startswith("## ✅ mine passes its gates: 4 passed\n")
    kept = job.done["Upload the page and the verdicts"].settings
    assert kept["name"] == "mine-report"
    page, folder = (project / line for line in kept["path"].split())
    assert page.name == "report.html"
    assert page.exists()
    assert {"junit.xml", "summary.md", "codequality.json", "baseline.json"} <= {
        path.name for path in folder.iterdir()
    }
    cached = job.done["Restore finished stages"].settings
    assert cached["key"].startswith(cached["restore-keys"].strip())
    assert cached["key"].endswith("-mine.toml-<run_id>-<run_attempt>")
    assert (project / cached["path"]).is_dir()


def test_a_failing_gate_fails_the_job_says_why_and_makes_no_bundle(project: Path) -> None:
    """The gate is in the recipe, so that the run itself ends with 1 as well."""
    with (project / "mine.toml").open("a") as file:
        file.write("\n[gates]\nsize_kb = 1\n")
    earlier = project / "runs" / "_bundle" / "mine" / "mine-1.zip"
    earlier.parent.mkdir(parents=True)
    earlier.write_bytes(b"of an earlier job")
    job = Job(project=project, inputs={**GIVEN, "cache": "false"}).run()
    assert (job.done["run"].code, job.done["check"].code) == (0, 1)
    assert "package" not in job.done
    assert not earlier.exists()
    assert "Upload the bundle" not in job.done
    assert "Keep finished stages" not in job.done
    assert job.outputs["bundle"] == ""
    assert job.outputs["verdict"] == "failed"
    assert job.summary.startswith("## ❌ mine fails its gates: 2 failed\n")
    assert "- size\\_kb of student.int8.tflite failed, " in job.summary
    assert "::error title=size_kb::" in job.done["check"].log
    assert (project / job.outputs["report"]).exists()
    assert "Upload the page and the verdicts" in job.done
    issues = json.loads((project / "runs/_ci/codequality.json").read_text())
    assert len(issues) == 2
    assert not (project / "runs/_ci/baseline.json").exists()


def test_a_run_without_results_says_why_in_the_summary(project: Path) -> None:
    job = Job(project=project, inputs={**GIVEN, "data": "missing.npz"}).run()
    assert job.done["run"].code == 2
    assert "check" not in job.done
    assert "Upload the page and the verdicts" not in job.done
    assert "Keep finished stages" in job.done
    assert job.summary.startswith("## ❌ mine.toml has no results: `pipeline run` ended with")
    assert "missing.npz" in job.summary


def test_inputs_are_never_executed(tmp_path: Path) -> None:
    evil = '"; touch stolen; $(touch stolen) `touch stolen` #'
    job = Job(project=tmp_path, inputs=dict.fromkeys(action()["inputs"], evil)).run()
    assert job.done["run"].code == 2
    assert "EDGE_DISTILL_ARGS: cannot be split" in job.done["run"].log
    assert not list(tmp_path.rglob("stolen"))


def test_without_gates_and_baseline_a_run_is_unchecked(run: Path, tmp_path: Path) -> None:
    shutil.copytree(run, tmp_path / "tiny")
    (tmp_path / "_ci").mkdir()
    (tmp_path / "_ci" / "outputs.env").write_text(f"EDGE_DISTILL_RESULTS={tmp_path / 'tiny'}\n")
    environment = {"EDGE_DISTILL_OUT": str(tmp_path)}
    assert main(["check"], environment) == 0
    assert "EDGE_DISTILL_VERDICT=unchecked" in (tmp_path / "_ci" / "outputs.env").read_text()


@pytest.mark.parametrize(
    ("names", "environment", "words"),
    [
        ([], {}, "name the steps: run, check, package"),
        (["chek"], {}, "unknown step 'chek'; did you mean 'check'?"),
        (["check"], {}, "there are no results of the step `run`"),
        (["package"], {}, "there are no results of the step `run`"),
        (["run"], {"EDGE_DISTILL_STRICT": "yes"}, "EDGE_DISTILL_STRICT: must be true or false"),
        (["run"], {"EDGE_DISTILL_ARGS": "--set 'a"}, "EDGE_DISTILL_ARGS: cannot be split"),
    ],
)
def test_a_mistake_is_one_line_and_exit_2(
    names: list[str],
    environment: dict[str, str],
    words: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(names, {"EDGE_DISTILL_OUT": str(tmp_path), **environment}) == 2
    error = capsys.readouterr().err
    assert words in error
    assert len(error.strip().splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_further_arguments_cannot_move_the_results() -> None:
    given = ci_inputs.read({"EDGE_DISTILL_ARGS": "--out elsewhere --seed 3"})
    options = list(given.run_options())
    assert options[:4] == ["--out", "elsewhere", "--seed", "3"]
    assert options[options.index("--out", 2) + 1] == "runs"


def test_the_component_offers_what_the_action_offers() -> None:
    known, job = gitlab()
    theirs = set(action()["inputs"]) - {"signing-key", "cache", "artifact"}
    assert set(known) == theirs | {"package", "stage"}
    passed = {name.removeprefix(ci_inputs.PREFIX).lower() for name in job["variables"]}
    assert passed == set(known) - {"stage", "python-version"}
    for variable in job["variables"].values():
        assert variable["expand"] is False
    for line in (*job["before_script"], *job["script"]):
        assert "$[[" not in line


def test_the_lines_of_the_component_are_the_steps_of_the_action() -> None:
    """The action's are run above."""
    _, job = gitlab()
    runs = [step["run"] for step in action()["runs"]["steps"] if "run" in step]
    assert job["script"] == [line for line in runs if "pip install" not in line]


def test_the_reports_of_the_component_are_where_the_steps_write_them(
    run: Path, tmp_path: Path
) -> None:
    _, job = gitlab()
    (tmp_path / "gates.toml").write_text("size_kb = 1\n")
    (tmp_path / "runs" / "_ci").mkdir(parents=True)
    (tmp_path / "runs" / "_ci" / "outputs.env").write_text(f"EDGE_DISTILL_RESULTS={run}\n")
    line = next(line for line in job["script"] if line.endswith("check"))
    done = subprocess.run(
        [sys.executable, *line.split()[1:]],
        cwd=tmp_path,
        env={**os.environ, "EDGE_DISTILL_GATES": "gates.toml"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1, done.stderr
    for kind, path in job["artifacts"]["reports"].items():
        assert (tmp_path / path.replace("$[[ inputs.out ]]", "runs")).is_file(), kind


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", DOCS, re.DOTALL)


def test_the_examples_use_inputs_that_exist() -> None:
    github, component = (yaml.safe_load(text) for text in blocks("yaml"))
    step = next(s for s in github["jobs"]["models"]["steps"] if "edge-distill" in s.get("uses", ""))
    assert set(step["with"]) <= set(action()["inputs"])
    assert set(component["include"][0]["inputs"]) <= set(gitlab()[0])


def test_the_lines_for_other_shells_work(run: Path, project: Path) -> None:
    """On results that are there: the line that makes them is planned only."""
    shutil.copytree(run, project / "runs" / "mine")
    update, elsewhere = blocks("sh")
    planned = elsewhere.replace("pipeline run", "pipeline plan")
    first, *lines = planned.splitlines()
    script = "\n".join([first, lines[0], update, *lines[1:]])
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(
        ["sh", "-c", script], cwd=project, env={**os.environ, "PATH": path},
        capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "Error" not in done.stderr
    assert (project / "gates.md").read_text().startswith("## ")
    assert list((project / "bundle").glob("*.zip"))


def test_the_workflows_use_the_action_and_the_one_check() -> None:
    given = workflow_inputs()
    assert set(given) <= set(action()["inputs"])
    assert (ROOT / given["gates"]).is_file()
    ci, _ = map(parsed, WORKFLOWS)
    (line,) = [s["run"] for s in ci["jobs"]["check"]["steps"] if "run" in s]
    assert line.endswith(" .ci/run")
    install, test = (s["run"] for s in ci["jobs"]["mlflow"]["steps"] if "run" in s)
    assert install.endswith(" -c constraints.txt -e '.[test]' mlflow")
    assert (ROOT / test.split()[-1]).is_file()
    assert "EDGE_DISTILL_SCREENSHOTS" in ci["jobs"]["check"]["env"]


def test_the_gates_of_the_workflow_are_gates() -> None:
    from pipeline.gates import checking

    assert checking.read(ROOT / ".github" / "gates.toml").any


def test_the_baseline_of_the_workflow_is_one_of_its_recipe() -> None:
    from pipeline.gates import baseline

    found = baseline.read(ROOT / ".github" / "baseline.json")
    assert found.run == "digits"
    assert set(found.devices["local"]) == {"student.int8.tflite", "student.int8.onnx"}


def test_what_is_not_given_is_as_in_the_recipe() -> None:
    options = set(ci_inputs.read({}).run_options())
    assert not options & {"--target", "--device", "--data"}
