"""Hostile recipes, gates, baselines and reports: one paragraph, exit code 2, nothing written."""

import json
import shutil
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from pipeline.cli.app import exit_code

SECONDS = 5.0
Content = str | bytes
Edit = Callable[[Any], Any]

NAMED = 'name = "x"\n'

RECIPES: Mapping[str, tuple[Content, str]] = {
    "no text at all": ("", "x.toml: name: Field required"),
    "bytes that are no UTF-8": (b'name = "\xff"', "not UTF-8 text. Save it as UTF-8."),
    "UTF-16": (NAMED.encode("utf-16"), "not UTF-8 text. Save it as UTF-8."),
    "a NUL": ('name = "x\0"', "not valid TOML: Illegal character '\\x00' (at line 1, column"),
    "a picture": (b"\x89PNG\r\n\x1a\n" + bytes(range(256)), "not UTF-8 text. Save it as UTF-8."),
    "another format": ('{"name": "x"}', "not valid TOML: Invalid statement (at line 1, column 1)."),
    "a key twice": (NAMED + NAMED, "not valid TOML: Cannot overwrite a value (at line 2, column"),
    "a table twice": (
        NAMED + "[distill]\n[distill]\n",
        "not valid TOML: Cannot declare ('distill',) twice (at line 3",
    ),
    "an open list": (
        NAMED + "[convert]\ntargets = [",
        "not valid TOML: Invalid value (at end of document).",
    ),
    "10,000 open lists": (
        NAMED + "x = " + "[" * 10_000,
        "not valid TOML: lists or tables are nested too deeply.",
    ),
    "10,000 open tables": (
        NAMED + "x = " + "{a=" * 10_000,
        "not valid TOML: lists or tables are nested too deeply.",
    ),
    "10,000 tables inside one another": (
        NAMED + "[" + ".".join(["a"] * 10_000) + "]",
        "a: unknown key.",
    ),
    "a long number": (NAMED + "seed = 1" + "0" * 400, "seed: Input should be less than 2147483648"),
    "a very long number": (
        NAMED + "seed = 1" + "0" * 10_000,
        "not valid TOML: a number has too many digits.",
    ),
    "a date": (NAMED + "seed = 2026-11-26", "seed: Input should be a valid integer"),
    "infinity": (
        NAMED + "[distill]\ntemperature = inf",
        "distill.temperature: Input should be a finite number",
    ),
    "not a number": (
        NAMED + "[teacher]\nlearning_rate = nan",
        "teacher.learning_rate: Input should be a finite number",
    ),
    "a number as text": (
        NAMED + '[teacher]\nepochs = "12"',
        "teacher.epochs: Input should be a valid integer",
    ),
    "half an epoch": (
        NAMED + "[teacher]\nepochs = 1.5",
        "teacher.epochs: Input should be a valid integer",
    ),
    "truth as a number": (
        NAMED + "[teacher]\nepochs = true",
        "teacher.epochs: Input should be a valid integer",
    ),
    "a list as a table": (
        NAMED + "distill = [1]",
        "distill: a table; set one of its keys: seed, epochs, batch_s",
    ),
    "a list of tables": (
        NAMED + "[[distill]]\nepochs = 1",
        "distill: a table; set one of its keys: seed, epochs, batch_s",
    ),
    "a table as a value": (
        NAMED + "[distill.epochs]\nx = 1",
        "distill.epochs: Input should be a valid integer",
    ),
    "another schema": ('schema = "recipe/2"\n' + NAMED, "schema: Input should be 'recipe/1'"),
    "a schema that is a number": ("schema = 1\n" + NAMED, "schema: Input should be 'recipe/1'"),
    "a name above": (
        'name = "../x"',
        "name: use letters, digits, '.', '_' and '-', and begin with a",
    ),
    "an absolute name": (
        'name = "/tmp/x"',
        "name: use letters, digits, '.', '_' and '-', and begin with a",
    ),
    "a hidden name": (
        'name = ".store"',
        "name: use letters, digits, '.', '_' and '-', and begin with a",
    ),
    "a name of two lines": (
        'name = "a\\nb"',
        "name: use letters, digits, '.', '_' and '-', and begin with a",
    ),
    "a name of 10,000 letters": (
        f'name = "{"x" * 10_000}"',
        "name: String should have at most 80 characters",
    ),
    "an empty name": ('name = ""', "name: use letters, digits, '.', '_' and '-', and begin with a"),
    "a key of two lines": (NAMED + '"a\\nb" = 1', "a\\nb: unknown key; did you mean 'about'?"),
    "an escape as a key": (NAMED + '"\\u001b[31mred" = 1', "\\x1b[31mred: unknown key."),
    "a key of 10,000 letters": (
        NAMED + "x" * 10_000 + " = 1",
        "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx",
    ),
    "10,000 unknown keys": (
        NAMED + "".join(f"k{i} = 1\n" for i in range(10_000)),
        "k0: unknown key.",
    ),
    "an unknown family": (
        NAMED + '[teacher]\nfamily = "resnet152"',
        "teacher.family: unknown teacher family 'resnet152'; did you",
    ),
    "a family above": (
        NAMED + '[teacher]\nfamily = "../../os"',
        "teacher.family: unknown teacher family '../../os'.",
    ),
    "an unknown data set": (
        NAMED + '[dataset]\nname = "imagenet"',
        "dataset.name: unknown dataset 'imagenet'.",
    ),
    "an unknown loss": (
        NAMED + '[distill]\nloss = "os.system"',
        "distill.loss: unknown loss 'os.system'.",
    ),
    "an unknown target": (
        NAMED + '[convert]\ntargets = ["coreml"]',
        "convert.targets.0: unknown target 'coreml'.",
    ),
    "a device with an option": (
        NAMED + '[bench]\ndevices = ["ssh://-oProxyCommand=x"]',
        "bench.devices.0: ssh://-oProxyCommand=x: is not the address",
    ),
    "an unknown device": (
        NAMED + '[bench]\ndevices = ["ftp://pi"]',
        "bench.devices.0: ftp://pi: is not the address of a device. W",
    ),
    "no device": (
        NAMED + "[bench]\ndevices = []",
        'bench.devices: give at least 1, such as ["local"]',
    ),
    "a seed below zero": (NAMED + "seed = -1", "seed: Input should be greater than or equal to 0"),
    "a seed above": (NAMED + "seed = 2147483648", "seed: Input should be less than 2147483648"),
    "no threads": (NAMED + "threads = 0", "threads: Input should be greater than or equal to 1"),
    "very many threads": (
        NAMED + "threads = 100000000000",
        "threads: Input should be less than or equal to 1024",
    ),
    "widths below zero": (
        NAMED + "[teacher]\nwidths = [-8, 16]",
        "teacher.widths.0: Input should be greater than or equal to 1",
    ),
    "one width": (
        NAMED + "[teacher]\nwidths = [8]",
        "teacher.widths: give at least 2, such as [32, 64, 128]",
    ),
    "a share above one": (
        NAMED + "[distill]\nalpha = 1.01",
        "distill.alpha: Input should be less than or equal to 1",
    ),
    "a share of validation that is all": (
        NAMED + "[dataset]\nvalidation = 1.0",
        "dataset.validation: Input should be less than 1",
    ),
    "a proof on an unknown processor": (
        NAMED + '[convert]\nprove_on = ["z80"]',
        "convert.prove_on.0: unknown processor 'z80'.",
    ),
    "a gate in per cent": (
        NAMED + "[gates]\ntop1 = 97",
        "gates.top1: Input should be less than or equal to 1",
    ),
    "an unknown gate": (
        NAMED + "[gates]\ntop2 = 0.9",
        "gates.top2: unknown key; did you mean 'gates.top1'?",
    ),
    "a gate of an unknown device": (
        NAMED + "[gates.devices.pi]\ntop1 = 2",
        "gates.devices.pi.top1: Input should be less than or equal to",
    ),
    "the same seed twice": (
        NAMED + "[ablation]\nseeds = [1, 1]",
        "ablation: a seed is listed twice: the same training counted",
    ),
}

GATES: Mapping[str, tuple[Content, str]] = {
    "nothing": ("", "it has no gate, so that there is nothing to check."),
    "bytes": (b"\xff\xfe\x00", "not UTF-8 text. Save it as UTF-8."),
    "JSON": ('{"top1": 0.9}', "not TOML: Invalid statement (at line 1, column 1)."),
    "10,000 open lists": (
        "top1 = " + "[" * 10_000,
        "not TOML: lists or tables are nested too deeply.",
    ),
    "a very long number": ("size_kb = 1" + "0" * 10_000, "not TOML: a number has too many digits."),
    "a list": ("top1 = [0.9]", "top1: Input should be a valid number"),
    "a text": ('top1 = "high"', "top1: Input should be a valid number"),
    "per cent": ("drop_vs_float = 1.5", "drop_vs_float: Input should be less than or equal to 1"),
    "below zero": ("median_ms = -1", "median_ms: Input should be greater than 0"),
    "not a number": ("p90_ms = nan", "p90_ms: Input should be a finite number"),
    "infinity": ("size_kb = inf", "size_kb: Input should be a finite number"),
    "zero as a speed-up": ("speedup = 0", "speedup: Input should be greater than 0"),
    "a number as a fact": ("all_int8 = 1", "all_int8: Input should be a valid boolean"),
    "files as a list": ("[[files]]\ntop1 = 0.9", "files: Input should be a valid dictionary"),
    "a file as a number": (
        '[files]\n"student.int8.tflite" = 3',
        "files.student.int8.tflite: Input should be a valid dictionar",
    ),
    "a key of two lines": ('"top1\\n" = 0.9', "top1\\n: Extra inputs are not permitted"),
}

ONE = {"size_bytes": 1000, "samples": 8, "right": "/w=="}


def baseline(**file: object) -> str:
    files = {"student.int8.tflite": {**ONE, **file}}
    return json.dumps({"schema": "baseline/1", "run": "x", "devices": {"local": files}})


BASELINES: Mapping[str, tuple[Content, str]] = {
    "nothing": ("", "Invalid JSON: EOF while parsing a value at line 1 column 0"),
    "bytes": (b"\xff\xfe\x00", "Invalid JSON: expected value at line 1 column 1"),
    "half of it": (baseline()[:50], "Invalid JSON: EOF while parsing a string at line 1 column 50"),
    "a list": ("[]", "Input should be an object"),
    "null": ("null", "Input should be an object"),
    "100,000 open lists": (
        "[" * 100_000,
        "Invalid JSON: recursion limit exceeded at line 1 column 202",
    ),
    "a report": ('{"schema": "report/1"}', "schema: Input should be 'baseline/1'"),
    "a later version": (
        baseline().replace("baseline/1", "baseline/2"),
        "schema: Input should be 'baseline/1'",
    ),
    "no size": (
        baseline(size_bytes=None),
        "devices.local.student.int8.tflite.size_bytes: Input should b",
    ),
    "a size below zero": (
        baseline(size_bytes=-1),
        "devices.local.student.int8.tflite.size_bytes: Input should b",
    ),
    "a huge size": (
        baseline(size_bytes=10**400),
        "devices.local.student.int8.tflite.size_bytes: Input should b",
    ),
    "more samples than bits": (
        baseline(samples=9),
        "devices.local.student.int8.tflite: right does not hold a bit",
    ),
    "10^300 samples": (
        baseline(samples=10**300),
        "devices.local.student.int8.tflite.samples: Input should be l",
    ),
    "samples below zero": (
        baseline(samples=-8),
        "devices.local.student.int8.tflite.samples: Input should be g",
    ),
    "not base64": (
        baseline(right="%%%%"),
        "devices.local.student.int8.tflite: right is not base64",
    ),
    "times that are no numbers": (
        baseline(medians_ns=["fast"]),
        "devices.local.student.int8.tflite.medians_ns.0: Input should",
    ),
    "a time of zero": (
        baseline(medians_ns=[0.0]),
        "devices.local.student.int8.tflite.medians_ns.0: Input should",
    ),
    "NaN as a time": (
        baseline(medians_ns=[float("nan")]),
        "devices.local.student.int8.tflite.medians_ns.0: Input should",
    ),
    "infinity as a time": (
        baseline(p90s_ns=[float("inf")]),
        "devices.local.student.int8.tflite.p90s_ns.0: Input should be",
    ),
}


def removed(*keys: str) -> Edit:
    def edit(document: Any) -> Any:
        inner = document
        for key in keys[:-1]:
            inner = inner[int(key) if isinstance(inner, list) else key]
        del inner[keys[-1]]
        return document

    return edit


def replaced(value: object, *keys: str) -> Edit:
    def edit(document: Any) -> Any:
        inner = document
        for key in keys[:-1]:
            inner = inner[int(key) if isinstance(inner, list) else key]
        inner[keys[-1]] = value
        return document

    return edit


REPORTS: Mapping[str, tuple[Content | Edit, str]] = {
    "nothing": ("", "Invalid JSON: EOF while parsing a value at line 1 column 0"),
    "bytes": (b"\xff\xfe\x00", "Invalid JSON: expected value at line 1 column 1"),
    "null": ("null", "Input should be an object"),
    "a list": ("[]", "Input should be an object"),
    "100,000 open lists": (
        "[" * 100_000,
        "Invalid JSON: recursion limit exceeded at line 1 column 202",
    ),
    "a number of 10,000 digits": (
        '{"schema": 1' + "0" * 10_000 + "}",
        "Invalid JSON: number out of range at line 1 column 4313",
    ),
    "no schema": (removed("schema"), "it has no key 'schema'"),
    "an earlier version": (replaced("report/0", "schema"), "schema: Input should be 'report/1'"),
    "a later version": (replaced("report/2", "schema"), "schema: Input should be 'report/1'"),
    "a schema of 10,000 letters": (
        replaced("x" * 10_000, "schema"),
        "schema: Input should be 'report/1'",
    ),
    "a bench result": (replaced("bench-result/1", "schema"), "schema: Input should be 'report/1'"),
    "models as a table": (replaced({}, "models"), "models: Input should be a valid array"),
    "no recipe": (removed("recipe"), "recipe: Field required"),
    "a recipe without a name": (
        removed("recipe", "name"),
        "recipe: it has no name or no table 'bench'",
    ),
    "no data set": (removed("dataset"), "dataset: Field required"),
    "a file without a size": (
        removed("models", "0", "size_bytes"),
        "models.0.size_bytes: Field required",
    ),
    "accuracy as text": (
        replaced("high", "models", "0", "top1"),
        "models.0.top1: Input should be a valid number, unable to par",
    ),
}


CASES = [
    *(("plan x.toml", "x.toml", *case) for case in RECIPES.items()),
    *(("check run --gates gates.toml", "gates.toml", *case) for case in GATES.items()),
    *(("check run --baseline base.json", "base.json", *case) for case in BASELINES.items()),
    *(("report run", "run/report.json", *case) for case in REPORTS.items()),
]


@pytest.fixture
def folder(run: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The current folder, with a finished run."""
    shutil.copytree(run, tmp_path / "here" / "run")
    monkeypatch.chdir(tmp_path / "here")
    yield tmp_path / "here"
    assert [path.name for path in tmp_path.iterdir()] == ["here"]  # nothing beside it


def contents(folder: Path) -> dict[Path, bytes]:
    return {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    ("command", "file", "name", "case"),
    CASES,
    ids=[f"{file}: {name}" for _, file, name, _ in CASES],
)
def test_a_hostile_file_is_one_paragraph_within_seconds(
    command: str,
    file: str,
    name: str,
    case: tuple[Content | Edit, str],
    folder: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    content, words = case
    if callable(content):
        content = json.dumps(content(json.loads(Path(file).read_bytes())))
    Path(file).write_bytes(content if isinstance(content, bytes) else content.encode())
    before, start = contents(folder), time.monotonic()
    assert exit_code(command.split()) == 2
    assert time.monotonic() - start < SECONDS
    out, err = capsys.readouterr()
    assert (out, len(err.splitlines())) == ("", 1)
    assert words in err
    assert file.removeprefix("run/") in err
    assert len(err) < 1000
    assert contents(folder) == before


def test_there_are_at_least_100() -> None:
    assert len(CASES) >= 100
