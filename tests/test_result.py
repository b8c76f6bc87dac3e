import json
import random
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from targets.bench import validity
from targets.bench.record import Block, MemoryPass
from targets.bench.result import BenchResult, read
from targets.bench.summary import comparisons, summarise_blocks
from targets.errors import InputError
from tests.blocks import agent, block, memory, replaced

NAMES = ("slow.onnx", "fast.onnx", "tool.tflite")


def measured() -> list[Block]:
    """Six rounds of two models and a tool without samples; one block was repeated, one is lost."""
    draw = random.Random(0)
    blocks = []
    for index in range(6):
        drift = 1 + index / 20
        for order, (name, ns) in enumerate(zip(NAMES, (800_000, 400_000, None), strict=True)):
            given = (
                None if ns is None else [round(ns * drift * draw.gauss(1, 0.02)) for _ in range(70)]
            )
            parts = None if given is None or name == "slow.onnx" else [ns - 3_000 for ns in given]
            report = dict(count=50, min_ns=9, max_ns=99, mean_ns=20.5, std_ns=3.0)
            blocks.append(
                block(
                    name, index, order=order, samples_ns=given, invoke_only_ns=parts,
                    reported=report if ns is None else None,
                )
            )  # fmt: skip
    first = blocks.pop(0)
    lost = {"valid": False, "invalid_reasons": ["others used 1.00 of a core"], "counted": False}
    disturbed = [9 * ns for ns in first.samples_ns or ()]
    blocks.insert(0, Block.model_validate(replaced(first, **lost, samples_ns=disturbed)))
    blocks.append(Block.model_validate(replaced(first, attempt=1)))
    return blocks


def untold() -> MemoryPass:
    return MemoryPass.model_validate(replaced(memory("tool.tflite"), memory=None))


def document(**changes: Any) -> BenchResult:
    blocks, passes = measured(), [memory("slow.onnx"), memory("fast.onnx"), untold()]
    return BenchResult.model_validate(
        {
            "run_id": "a", "created_utc": "2026-01-01T00:00:00+00:00",
            "tool": {"name": "edge-distill", "version": "1"},
            "protocol": {
                "scenario": "single_stream", "tier": "quick", "processes": 6, "threads": 1,
                "min_queries": 128, "min_duration_ns": 10**10, "max_duration_ns": 6 * 10**10,
                "warmup_min_runs": 5, "warmup_min_ns": 5 * 10**8, "interleaved": True, "seed": 0,
                "boundary": "host_array_to_host_array",
            },
            "device": {
                "adapter": "local", "id": "here", "model": None, "abi": "x86_64", "os": "Linux",
                "kernel": None, "libc": None, "mem_total_bytes": None, "emulated": False,
                "cpus": [{"id": i, "max_hz": None, "governor": None} for i in range(2)],
            },
            "sentinel_baseline_ns": validity.sentinel_baseline(blocks),
            "models": [
                {
                    "name": name, "format": name[-4:], "sha256": "0" * 64, "size_bytes": 9,
                    "operators": {"Conv": 2},
                    "inputs": [{"name": "x", "shape": [None, 28], "dtype": "int8",
                                "quantization": [0.5, -1]}],
                }
                for name in (*NAMES, "broken.onnx")
            ],
            "blocks": blocks,
            "memory": passes,
            "summary": summarise_blocks(blocks, passes, NAMES),
            "comparison": comparisons(blocks, "slow.onnx", NAMES),
            "accuracy": [agent(model="fast.onnx", samples=10, outputs_sha256="0", top1=0.9,
                               top1_ci=[0.6, 0.98], output_shape=[10, 3])],
            "op_profile": [agent(model="fast.onnx", source="onnxruntime", ops=[
                {"type": "Conv", "count": 2, "total_ns": 90, "share": 1.0}])],
        }
        | changes
    )  # fmt: skip


@pytest.fixture
def written(tmp_path: Path) -> Path:
    path = tmp_path / "local.json"
    path.write_text(document().dump(), encoding="utf-8")
    return path


def changed(path: Path, **changes: Any) -> Path:
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))
    return path


def refused(path: Path) -> str:
    with pytest.raises(InputError) as caught:
        read(path)
    message = str(caught.value)
    assert str(path) in message
    assert "\n" not in message
    return message


def test_what_was_written_is_read_again_byte_by_byte(written: Path) -> None:
    assert read(written) == document()
    assert read(written).dump() == written.read_text() == document().dump()


def test_every_row_can_be_computed_again_from_the_blocks_of_the_file(written: Path) -> None:
    again = read(written)
    assert summarise_blocks(again.blocks, again.memory, NAMES) == again.summary
    assert comparisons(again.blocks, "slow.onnx", NAMES) == again.comparison
    assert len(again.summary) == len(again.comparison) == 3


def test_a_file_with_another_sample_no_longer_fits_its_summary(written: Path) -> None:
    tree = json.loads(written.read_text())
    tree["blocks"][1]["samples_ns"][0] += 10**9
    again = read(changed(written, **tree))
    assert summarise_blocks(again.blocks, again.memory, NAMES) != again.summary


def test_a_repeated_block_stays_in_the_file_and_only_the_counted_one_counts() -> None:
    rows = {row.model: row for row in document().summary}
    assert len([b for b in document().blocks if b.model == "slow.onnx"]) == 7
    assert (rows["slow.onnx"].n_processes, rows["slow.onnx"].n_samples) == (6, 420)
    assert (rows["slow.onnx"].valid, rows["slow.onnx"].max_ns < 2_000_000) == (True, True)


def test_the_order_in_which_blocks_stand_decides_nothing() -> None:
    blocks = measured()
    for again in (blocks[::-1], random.Random(1).sample(blocks, len(blocks))):
        assert summarise_blocks(again, names=NAMES) == summarise_blocks(blocks, names=NAMES)
        assert comparisons(again, "slow.onnx", NAMES) == comparisons(blocks, "slow.onnx", NAMES)


def test_one_block_of_a_round_and_model_counts() -> None:
    with pytest.raises(ValidationError, match=r"two counted blocks of slow\.onnx in round 0"):
        document(blocks=[*measured(), block("slow.onnx", 0)])


def test_shared_drift_cancels_and_pairs_are_of_one_round() -> None:
    row = document().comparison[1]
    assert (row.baseline, row.candidate, row.blocks) == ("slow.onnx", "fast.onnx", 6)
    assert row.ratio == pytest.approx(2, rel=0.01)
    assert row.verdict == "faster"
    assert row.mdd is not None
    assert row.mdd < 0.02


def test_a_round_that_one_model_lost_is_no_pair() -> None:
    blocks = [b for b in measured() if (b.model, b.index) != ("fast.onnx", 3)]
    (row,) = comparisons(blocks, "slow.onnx", ["fast.onnx"])
    assert (row.blocks, row.verdict) == (5, "invalid")
    assert row.invalid_reasons == ("5 paired blocks, of the 6 that it takes",)


def disturbed(**others_cpu: float) -> list[Block]:
    """As `measured`, and beside these rounds of fast.onnx other work ran."""
    return [
        validity.judged(
            block.model_copy(update={"others_cpu": others_cpu[f"round_{block.index}"]}),
            sentinel_baseline_ns=None,
            cpus=2,
        )
        if block.model == "fast.onnx" and f"round_{block.index}" in others_cpu
        else block
        for block in measured()
    ]


def test_a_counted_block_that_is_not_valid_is_told_and_leaves_no_verdict() -> None:
    blocks = disturbed(round_3=1.0)
    (row,) = comparisons(blocks, "slow.onnx", ["fast.onnx"])
    assert (row.verdict, row.invalid_reasons) == ("invalid", ("invalid blocks of fast.onnx",))
    summary = next(row for row in summarise_blocks(blocks) if row.model == "fast.onnx")
    assert (summary.valid, summary.stability) == (False, "unstable")
    assert summary.invalid_reasons == ("block 3: others used 1.00 of a core (limit 0.1)",)


def test_an_invalid_verdict_has_no_figure_that_reads_as_a_speed_up() -> None:
    fewer = [b for b in measured() if (b.model, b.index) != ("fast.onnx", 3)]
    for blocks in (disturbed(round_3=1.0), fewer):
        (row,) = comparisons(blocks, "slow.onnx", ["fast.onnx"])
        assert row.verdict == "invalid"
        assert (row.ratio, row.ratio_ci, row.ratio_t_ci, row.mdd) == (None,) * 4


def test_disturbances_of_a_model_are_grouped_by_kind_with_their_range() -> None:
    blocks = disturbed(round_1=0.4, round_3=1.5, round_4=0.9)
    row = next(row for row in summarise_blocks(blocks) if row.model == "fast.onnx")
    (found,) = row.disturbances
    assert found.model_dump() == {
        "kind": "others_cpu", "blocks": 3, "least": 0.4, "worst": 1.5, "limit": 0.1, "of": 2,
    }  # fmt: skip


def test_the_worst_clock_is_the_lowest() -> None:
    slowed = [{"freq_hz": [hz, hz]} for hz in (1_500_000_000, 900_000_000)]
    blocks = [
        validity.judged(block(index=i, after=after), sentinel_baseline_ns=None, cpus=2)
        for i, after in enumerate(slowed)
    ]
    (row,) = summarise_blocks(blocks)
    (found,) = row.disturbances
    assert (found.kind, found.worst, found.of) == ("frequency", 0.5, 1_800_000_000)
    assert found.least == pytest.approx(5 / 6)


def test_a_tool_that_keeps_its_samples_leaves_null_what_it_does_not_say() -> None:
    row, compared = document().summary[2], document().comparison[2]
    assert (row.median_ns, row.median_ci, row.p90_ns, row.stability) == (None, None, None, None)
    assert (row.n_samples, row.min_ns, row.max_ns, row.mean_ns) == (300, 9, 99, 20.5)
    assert (compared.ratio, compared.verdict) == (None, "invalid")
    assert compared.invalid_reasons == ("a runtime that does not give its samples",)


def test_a_block_says_its_samples_or_what_a_tool_reported() -> None:
    with pytest.raises(ValidationError, match="neither samples_ns nor reported"):
        block(samples_ns=None)
    with pytest.raises(ValidationError, match="at least 1 item"):
        block(samples_ns=[])


def test_phases_and_memory_are_told_apart_from_the_steady_state() -> None:
    slow, fast, tool = document().summary
    assert (fast.import_ns, fast.load_ns, fast.first_inference_ns) == (9e7, 4e6, 9e5)
    assert (slow.peak_memory_bytes, slow.model_memory_bytes) == (58_000_000, 8_000_000)
    assert (tool.peak_memory_bytes, tool.model_memory_bytes) == (None, None)
    assert slow.invoke_only_median_ns is None
    assert fast.median_ns is not None
    assert fast.invoke_only_median_ns == pytest.approx(fast.median_ns - 3_000)


def test_a_row_names_the_runtime_with_its_version_where_it_has_one() -> None:
    tool = agent()["runtime"] | {"name": "benchmark_model", "version": None}
    rows = summarise_blocks([block("a"), block("b", runtime=tool)])
    assert [row.runtime for row in rows] == ["onnxruntime 1.32.0", "benchmark_model"]


def test_a_model_that_was_never_measured_has_no_row_and_is_no_baseline() -> None:
    assert summarise_blocks(measured(), names=["broken.onnx"]) == ()
    assert comparisons(measured(), "broken.onnx", NAMES) == ()
    assert comparisons(measured(), "slow.onnx", ["broken.onnx"]) == ()


def test_another_major_version_is_refused(written: Path) -> None:
    message = refused(changed(written, schema="bench-result/2", news=[]))
    assert "'bench-result/2'" in message
    assert "'bench-result/1'" in message


def test_an_unknown_key_is_refused_wherever_it_is(written: Path) -> None:
    assert "sumary: unknown key; did you mean 'summary'?" in refused(changed(written, sumary=[]))
    tree = json.loads(document().dump())
    tree["blocks"][2]["env_before"]["temp_f"] = 120
    assert "blocks.2.env_before.temp_f: unknown key" in refused(changed(written, **tree, sumary=1))


def test_a_file_of_an_earlier_version_is_read_without_the_keys_that_never_had_a_value(
    written: Path,
) -> None:
    now = read(written)
    tree = json.loads(written.read_text())
    tree["tool"]["git"] = tree["device"]["rooted"] = None
    for record in (*tree["blocks"], *tree["memory"], *tree["accuracy"], *tree["op_profile"]):
        record["phases"]["load_cache"] = "unknown"
    assert read(changed(written, **tree)) == now
    tree["device"]["git"] = None
    assert "device.git: unknown key" in refused(changed(written, **tree))


def test_a_missing_key_and_a_wrong_type_are_refused_by_name(written: Path) -> None:
    tree = json.loads(written.read_text())
    del tree["device"]["abi"]
    written.write_text(json.dumps(tree))
    assert "device.abi: Field required" in refused(written)
    tree["device"]["abi"] = "x86_64"
    tree["blocks"][0]["samples_ns"][3] = "12"
    assert "blocks.0.samples_ns.3: Input should be a valid integer" in refused(
        changed(written, **tree)
    )


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "not valid JSON"), (b"{", "not valid JSON"), (b"\xff\xfe\x00", "not valid JSON"),
        (b"[" * 100_000, "not valid JSON"), (b"[]", "no bench result"), (b"7", "no bench result"),
        (b'{"schema": 1}', "no bench result"), (b'{"schema": "report/1"}', "no bench result"),
        (b'{"schema": "bench-result/1"}', "run_id: Field required (and 7 more)"),
    ],
)  # fmt: skip
def test_what_is_no_result_is_refused(raw: bytes, said: str, tmp_path: Path) -> None:
    path = tmp_path / "x.json"
    path.write_bytes(raw)
    assert said in refused(path)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    assert "No such file" in refused(tmp_path / "absent.json")
    assert "Is a directory" in refused(tmp_path)


def test_no_figure_is_infinite_or_not_a_number() -> None:
    with pytest.raises(ValidationError):
        block(others_cpu=float("nan"))


def test_every_key_of_the_schema_says_what_it_means() -> None:
    schema = BenchResult.model_json_schema()
    for name, section in {"Document": schema, **schema["$defs"]}.items():
        for key, value in section["properties"].items():
            assert value.get("description"), f"{name}.{key}"
