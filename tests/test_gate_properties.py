"""What holds for all gates and all baselines, valid or not."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pipeline.gates import baseline, changes, checking
from pipeline.gates.figures import Measured
from pipeline.gates.judging import judged
from pipeline.recipe.gates import KINDS, Gates, Limits
from targets.errors import InputError

quick = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner),
    max_leaves=6,
)
NAMES = st.sampled_from(list(KINDS))
FILES = st.sampled_from(["student.int8.tflite", "student.float32.onnx", "teacher.float32.tflite"])


@contextmanager
def at_most_one_line() -> Iterator[None]:
    """Nothing happens, or there is an `InputError` of one line."""
    try:
        yield
    except InputError as error:
        if len(str(error).splitlines()) != 1:
            raise AssertionError(str(error)) from error


def limit_of(name: str) -> st.SearchStrategy[float | bool]:
    fields = Limits.model_fields[name]
    if "bool" in str(fields.annotation):
        return st.booleans()
    most = 1.0 if "le=1" in str(fields.annotation) + str(fields.metadata) else 1e6
    return st.floats(min_value=1e-6, max_value=most)


@st.composite
def limits(draw: st.DrawFn) -> dict[str, float | bool]:
    return {name: draw(limit_of(name)) for name in draw(st.sets(NAMES, max_size=4))}


@st.composite
def gates(draw: st.DrawFn) -> Gates:
    there = draw(limits())
    return Gates(
        **draw(limits()),
        files=draw(st.dictionaries(FILES, limits().map(lambda own: Limits(**own)), max_size=2)),
        devices={
            "local": Limits(**{k: v for k, v in there.items() if KINDS[k].per_device}),
        },
    )


@quick
@given(gates=gates())
def test_every_limit_has_one_verdict_and_a_reason_where_nothing_is_known(
    found: list[Measured], gates: Gates
) -> None:
    rows = judged(gates, found)
    keys = [(row.name, row.file, row.device) for row in rows]
    assert len(set(keys)) == len(keys)
    for row in rows:
        assert row.value is not None or row.reason
        assert row.verdict in ("passed", "failed", "undecided", "skipped")
        assert not (row.verdict == "passed" and row.value is None)
    assert rows == judged(gates, found)


@quick
@given(name=NAMES, data=st.data())
def test_a_stricter_limit_never_has_a_better_verdict(
    found: list[Measured], name: str, data: st.DataObject
) -> None:
    if KINDS[name].unit == "":  # a fact has one limit
        return
    one, other = sorted(data.draw(st.tuples(limit_of(name), limit_of(name))))
    looser, stricter = (one, other) if KINDS[name].at_least else (other, one)
    order = {"failed": 0, "undecided": 1, "skipped": 1, "passed": 2}
    loose = judged(Gates(**{name: looser}), found)
    strict = judged(Gates(**{name: stricter}), found)
    for before, after in zip(loose, strict, strict=True):
        assert order[after.verdict] <= order[before.verdict]


@quick
@given(table=st.dictionaries(NAMES | st.text(max_size=6), JSON, max_size=4))
def test_any_table_is_gates_or_one_line(table: dict[str, Any]) -> None:
    with at_most_one_line():
        checking._validated(table, place="--gates x.toml")


@quick
@given(raw=st.binary(max_size=60) | JSON.map(lambda tree: json.dumps(tree).encode()))
def test_any_bytes_are_a_baseline_or_one_line(raw: bytes, tmp_path: Path) -> None:
    path = tmp_path / "base.json"
    path.write_bytes(raw)
    with at_most_one_line():
        baseline.read(path)


@st.composite
def damaged(draw: st.DrawFn, document: dict[str, Any]) -> dict[str, Any]:
    """A baseline with a few values replaced."""
    for _ in range(draw(st.integers(1, 3))):
        devices = document["devices"]
        file = devices[draw(st.sampled_from(sorted(devices)))]
        values = file[draw(st.sampled_from(sorted(file)))]
        values[draw(st.sampled_from(sorted(values)))] = draw(JSON)
    return document


@quick
@given(data=st.data())
def test_a_damaged_baseline_is_one_line_or_compared(
    found: list[Measured], data: st.DataObject, tmp_path: Path
) -> None:
    own = baseline.of(found).model_dump(mode="json", by_alias=True)
    path = tmp_path / "base.json"
    path.write_text(json.dumps(data.draw(damaged(own))))
    with at_most_one_line():
        before = baseline.read(path)
        for row in changes.compared(before, found):
            assert row.verdict in ("passed", "failed", "undecided", "skipped")


def test_a_baseline_is_read_as_it_was_written(found: list[Measured], tmp_path: Path) -> None:
    own = baseline.of(found)
    baseline.write(own, tmp_path / "base.json")
    assert baseline.read(tmp_path / "base.json") == own
    assert not [row for row in changes.compared(own, found) if row.verdict == "failed"]
