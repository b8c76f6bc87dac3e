"""Sounds, texts and arrays go through the lane of images: the same stages, proofs and report."""

import html
import json
import re
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, get_args

import numpy as np
import pytest

from pipeline import datasets
from pipeline.cli.app import exit_code
from pipeline.datasets import DATASETS
from pipeline.datasets.commands import INTENTS, sentence
from pipeline.datasets.contract import SourceConfig
from pipeline.datasets.gestures import GESTURES, track
from pipeline.datasets.splits import Split
from pipeline.datasets.vowels import WORDS as VOWELS
from pipeline.datasets.vowels import clip
from pipeline.engine.ablation import observer
from pipeline.engine.artifacts import Exports
from pipeline.engine.progress import SilentConsole
from pipeline.engine.runner import Runner
from pipeline.engine.store import Store
from pipeline.recipe.load import load, parse_override
from pipeline.recipe.schema import DatasetConfig, Recipe
from pipeline.reporting.schema.report import Report, read
from pipeline.streams import sources
from pipeline.streams.stream import Stream
from pipeline.training.augmentation import VIEWS
from targets import Classifier
from targets.bench.plan import logits_of
from targets.bundle.files import write_sums
from targets.bundle.verification import verified
from targets.errors import InputError
from targets.evaluation import metrics
from targets.evaluation.corruptions import CORRUPTIONS, SEVERITIES
from targets.evaluation.streaming import detections
from targets.files.digest import file_sha256
from targets.formats import FORMATS, sidecar
from targets.formats.calibration import evenly
from targets.formats.channel_scaling import ChannelScaling
from targets.formats.input_kinds import WORDS
from targets.formats.input_spec import Kind
from targets.formats.record import ProcessorProof
from targets.prediction import listening
from targets.processors import PROCESSORS
from targets.processors.proof import prove
from targets.sounds.windowing import sliding
from targets.texts import tokenizer
from tests.emulators import requires
from tests.receiver import packed, top, unpacked
from tests.sounds import write as write_sound

SHORT = (
    *("teacher.epochs=4", "distill.epochs=8", "quantize.epochs=1", "logits.views=2"),
    *("teacher.batch_size=16", "distill.batch_size=16"),
    *("bench.processes=2", "bench.min_queries=4", "bench.min_duration_s=0.02"),
    *("bench.warmup_runs=1", "bench.warmup_s=0.001", "quantize.calibration_samples=256"),
    'convert.targets=["tflite", "onnx"]',
)
SMALL = {
    "vowels": (
        *("dataset.samples=480", "teacher.units=16", "distill.filters=16"),
        "convert.front_end_apart=true",
        *("streaming.minutes=1", "streaming.false_accepts_per_hour=600"),
    ),
    "commands": ("dataset.samples=600", "teacher.embedding=16", "distill.width_multiplier=0.25"),
    "gestures": (
        *("dataset.samples=448", "teacher.family=ds_cnn", "teacher.blocks=2", "teacher.filters=16"),
        *("teacher.epochs=10", "teacher.learning_rate=0.01", "distill.epochs=20"),
        *("distill.blocks=2", "distill.filters=16"),
        *("distill.optimizer=adam", "distill.learning_rate=0.005"),
    ),
}
ELSEWHERE = {"image": "digits"}
"""Kind -> a data set that `test_end_to_end` sends through the lane."""


@pytest.fixture(scope="module", params=SMALL)
def ran(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    name, out = str(request.param), tmp_path_factory.mktemp("kinds")
    Runner(recipe=small(name), store=Store(out / ".store"), console=SilentConsole()).run(out / name)
    return out / name


def small(name: str) -> Recipe:
    return load(name, [parse_override(text) for text in (*SHORT, *SMALL[name])])


def test_a_lane_covers_every_registered_kind_of_data() -> None:
    """A kind that is registered anywhere needs a data set here, whose run the tests below look
    at."""
    covered = {DATASETS[name].KIND for name in (*SMALL, *ELSEWHERE.values())}
    assert {DATASETS[name].KIND for name in DATASETS} <= covered
    assert covered == {*get_args(Kind)} == {*VIEWS} == {*CORRUPTIONS} == {*WORDS}
    assert {kind: DATASETS[name].KIND for kind, name in ELSEWHERE.items()} == {"image": "image"}


def report(ran: Path) -> Report:
    return read(ran / "report.json")


def test_both_int8_files_are_proved_and_measured(ran: Path) -> None:
    rows = {row.name: row for row in report(ran).models}
    for name in ("student.int8.tflite", "student.int8.onnx"):
        assert rows[name].median_ns is not None
        assert rows[name].top1 is not None
    assert rows["student.int8.tflite"].top1 == pytest.approx(
        rows["student.int8.onnx"].top1, abs=0.01
    )
    proofs = [row for row in report(ran).parity if row.precision == "int8"]
    assert {row.format for row in proofs} == {"tflite", "onnx"}
    assert all(row.float_ops == 0 and row.int8_ops > 3 for row in proofs)
    assert report(ran).scales
    assert all(row.equal for row in report(ran).scales)


def test_the_student_learns(ran: Path) -> None:
    (row,) = [row for row in report(ran).models if row.name == "student.int8.tflite"]
    assert row.top1 is not None
    assert row.top1 > 2 * (report(ran).dataset.majority_share or 1)


def test_the_sidecar_says_what_the_file_takes(ran: Path) -> None:
    found = sidecar.read(ran / "models" / "student.int8.tflite")
    assert found is not None
    if found.input.kind == "waveform":
        assert (found.input.dtype, found.input.shape) == ("int16", (8000,))
        assert found.input.front_end is not None
        return
    if found.input.kind == "array":
        assert (found.input.dtype, found.input.shape) == ("float32", (100, 3))
        assert isinstance(found.input.front_end, ChannelScaling)
        return
    assert found.input.kind == "tokens"
    assert found.tokenizer is not None
    learned = tokenizer.read(ran / "models", found.tokenizer)
    assert learned(["turn on the light"]).shape == (1, *found.input.shape)


def test_a_file_predicts_what_the_network_was_trained_for(ran: Path) -> None:
    """A clip, a sentence and a series become the bytes that the data set has of them."""
    classifier = Classifier(ran / "models" / "student.int8.tflite")
    made: dict[str, tuple[Iterable[str], Callable[[str, int], Any]]] = {
        "vowels": (VOWELS, clip),
        "commands": (INTENTS, sentence),
        "gestures": (GESTURES, track),
    }
    classes, make = made[ran.name]
    items = [(name, make(name, number)) for name in classes for number in range(10_000, 10_008)]
    if ran.name != "commands":
        assert all(np.array_equal(classifier.prepared(item), item) for _, item in items)
    right = sum(classifier.predict(item).name == label for label, item in items)
    assert right > len(items) / 4


def test_the_page_shows_samples_as_what_they_are(ran: Path) -> None:
    page, found = (ran / "report.html").read_text(encoding="utf-8"), report(ran)
    assert "student.int8.onnx" in page
    assert json.loads((ran / "provenance.json").read_text())["recipe"]["name"] == ran.name
    assert f"on the same {found.dataset.words.many}:" in page
    cards = len(found.flips) + len(found.label_suspects)
    assert cards > 0
    if found.dataset.kind != "tokens":
        assert page.count('<img src="data:image/svg+xml;base64,') == cards
        assert any("network int8 from end to end" in note for note in found.notes)
        return
    said = datasets.texts_of(small(ran.name).dataset).values()
    quoted = re.findall("<blockquote>(.*?)</blockquote>", page)
    assert len(quoted) == cards
    assert set(quoted) <= {html.escape(text) for texts in said for text in texts}
    assert "<img" not in page


@pytest.mark.parametrize("ran", ["vowels"], indirect=True)
def test_words_in_a_stream_are_found_with_the_threshold_of_the_sidecar(ran: Path) -> None:
    found, recipe = report(ran).streaming, small("vowels")
    assert found is not None
    assert (found.chosen_on.source, found.judged_on.source, found.same) == ("val", "test", False)
    data = datasets.load(recipe.dataset)
    judged = sources.judging(recipe.streaming, data)
    assert judged.about == found.judged_on
    assert judged.about.words == len(judged.spoken) == 15
    names = {row.name for row in report(ran).models if row.role != "teacher"}
    assert {row.model for row in found.files} == names
    for row in found.files:
        held = sidecar.read(ran / "models" / row.model)
        assert held is not None
        assert held.streaming is not None
        assert (held.streaming.threshold, held.streaming.chosen_on) == (
            row.threshold,
            found.chosen_on,
        )
    whole, part = (
        sidecar.read(ran / name)
        for name in ("models/student.int8.onnx", "parts/student.int8.network.onnx")
    )
    assert whole is not None
    assert part is not None
    assert part.streaming == whole.streaming
    by_hand = counted(ran / "models" / "student.int8.tflite", judged)
    (row,) = [row for row in found.files if row.model == "student.int8.tflite"]
    assert (row.missed, row.false_accepts) == by_hand
    page = (ran / "report.html").read_text(encoding="utf-8")
    assert ">Words in a long sound</h2>" in page
    assert "The model has no class for silence or for other words" in page


def counted(model: Path, judged: Stream) -> tuple[int, int]:
    """Missed words and false accepts of the file as `pipeline predict --stream` runs it."""
    classifier = Classifier(model)
    how = listening.listening(classifier)
    windows = sliding(judged.values, 8000, 2000)
    shares = listening.probabilities(classifier, windows)
    threshold, _ = listening.threshold_of(classifier)
    said = detections(shares, how, threshold=threshold)
    late_s = 1.0 + 3 * 0.25
    pairs = [
        (one, word)
        for one in said
        for word in judged.spoken
        if one.index == word.index and word.start_s <= one.time_s <= word.end_s + late_s
    ]
    hit, right = {word for _, word in pairs}, {one for one, _ in pairs}
    return len(judged.spoken) - len(hit), len(said) - len(right)


def test_an_ablation_measures_corrupted_samples(ran: Path, tmp_path: Path) -> None:
    recipe, said = small(ran.name), list[str]()
    data = datasets.load(recipe.dataset)
    exports = Exports.read(next((ran.parent / ".store").glob("convert-*")))
    cfg = recipe.ablation.model_copy(update={"corrupted_samples": 40})
    observe = observer(data, cfg, tmp_path / "student", said.append)
    seen = observe("student_kd", 0, exports, "student.int8.tflite")
    assert seen.corrupted.keys() == CORRUPTIONS[data.input.kind].keys()
    assert all(len(curve) == len(SEVERITIES) for curve in seen.corrupted.values())
    own = metrics.top1(seen.logits, data[Split.TEST].labels)
    assert min(curve[-1] for curve in seen.corrupted.values()) < own
    assert said == [f"ablation  student_kd, seed 0: top-1, and on corrupted {data.words.many}"]


SOUNDS_MD = Path(__file__).parent.parent / "docs" / "sounds.md"


@pytest.mark.parametrize("ran", ["vowels"], indirect=True)
def test_front_end_and_network_stand_apart_too(ran: Path) -> None:
    names = {one.name for one in (ran / "parts").iterdir()}
    assert names == {
        f"{name}.{kind}{end}"
        for name in ("front_end", "student.int8.network")
        for kind in ("tflite", "onnx")
        for end in ("", ".json")
    }
    rows = report(ran).parts
    assert [row.whole for row in rows] == ["student.int8.tflite", "student.int8.onnx"]
    for row in rows:
        assert row.max_steps <= 1
        assert row.samples == report(ran).dataset.val
        assert None not in (row.whole_ns, row.front_end_ns, row.network_ns)
        assert any(
            f"{row.whole} on local: the front end by itself takes" in text
            for text in report(ran).notes
        )
    page = (ran / "report.html").read_text(encoding="utf-8")
    table = page.partition("<h3>Front end and network apart</h3>")[2].partition("</table>")[0]
    assert "student.int8.tflite" in table.replace("<wbr>", "")
    assert "student.int8.tflite: median" in page
    assert not re.search(r"(front_end|network)\.(tflite|onnx): median", page)


@pytest.mark.parametrize("ran", ["vowels"], indirect=True)
def test_parts_are_no_models_of_the_run(ran: Path, bundle: Path) -> None:
    parts = {one.name for one in (ran / "parts").iterdir()}
    assert not parts & {row.name for row in report(ran).models}
    assert not parts & json.loads((ran / "predictions" / "local.json").read_text())["models"].keys()
    assert not parts & {one.name for one in bundle.rglob("*")}


@pytest.mark.parametrize("ran", ["vowels"], indirect=True)
def test_the_sidecar_says_how_features_are_made_and_quantized(ran: Path) -> None:
    for kind, low, high in (("tflite", -128, 127), ("onnx", 0, 255)):
        found = sidecar.read(ran / "parts" / f"student.int8.network.{kind}")
        front = sidecar.read(ran / "parts" / f"front_end.{kind}")
        assert found is not None
        assert front is not None
        assert found.features is not None
        assert found.classes == report(ran).dataset.classes
        assert (found.input.kind, found.input.shape) == ("array", (49, 10, 1))
        said = found.features
        assert (said.rate, said.frame, said.hop, said.frames) == (8000, 320, 160, 49)
        assert (said.bands, said.coefficients, said.sha256) == (40, 10, front.sha256)
        assert said.quantization is not None
        assert said.quantization.startswith(f"q = min({high}, max({low}, round(x / ")
        assert (front.output, front.input.shape, front.classes) == ("features", (8000,), ())


@pytest.mark.parametrize("ran", ["vowels"], indirect=True)
def test_the_program_of_the_documentation_gives_the_class_of_the_whole_file(
    ran: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    section = SOUNDS_MD.read_text(encoding="utf-8").partition("## Microcontrollers")[2]
    program = re.search("```python\n(.*?)```", section, re.DOTALL)
    assert program is not None
    (ran.parent / "runs").mkdir()
    (ran.parent / "runs" / "digits-spoken").symlink_to(ran)
    monkeypatch.chdir(ran.parent)
    exec(program[1], {})
    wanted = Classifier(ran / "models" / "student.int8.tflite")
    assert (
        capsys.readouterr().out.split()[0]
        == wanted.predict(np.load(ran / "samples" / "00.npy")).name
    )


@pytest.mark.parametrize("ran", ["vowels"], indirect=True)
def test_a_part_classifies_no_sounds(ran: Path) -> None:
    for name, gives in (("front_end", "features"), ("student.int8.network", "classes of features")):
        with pytest.raises(
            InputError, match=f"is a part of a file, and gives {gives}. Give the whole"
        ):
            Classifier(ran / "parts" / f"{name}.tflite")


@pytest.fixture(scope="module")
def bundle(ran: Path) -> Path:
    return unpacked(packed(ran, ran.parent / "zip"), ran.parent / "unpacked")


def test_a_bundle_is_verified_and_its_samples_get_their_class(bundle: Path) -> None:
    assert {step.verdict for step in verified(bundle)} == {"passed", "skipped"}
    described = json.loads((bundle / "bundle.json").read_bytes())
    model, samples = described["recommended"], described["samples"]
    rows = top(bundle, "--model", model, *(one["file"] for one in samples))
    assert [one[0]["name"] for one in rows] == [one["predicted"][model] for one in samples]


def test_a_card_offers_what_there_is(bundle: Path, ran: Path) -> None:
    card, kind = (bundle / "README.md").read_text(), report(ran).dataset.kind
    task = {"waveform": "audio", "tokens": "text"}.get(kind)
    takes = {
        "waveform": "of 8,000 samples a second",
        "tokens": "the numbers that `models/tokens",
        "array": "float32 [100, 3]",
    }
    assert f"pipeline_tag: {task}-classification" in card or task is None
    assert ("pipeline_tag" in card) == (task is not None)
    assert takes[kind] in card
    assert ("--text" in card) == (kind == "tokens")
    assert ("word.wav` takes sounds of 16 bits at 8,000" in card) == (kind == "waveform")
    assert "Pillow" not in card
    assert not re.search("image|picture|snippets|Kotlin", card.split("## Results")[0])
    assert not (bundle / "snippets").exists()
    assert ("In a long sound student.int8" in card) == (kind == "waveform")
    assert f"Accuracy on corrupted {report(ran).words.many} was not measured." in card


@pytest.mark.parametrize("ran", ["commands"], indirect=True)
def test_a_receiver_classifies_texts_with_the_tokens_of_the_run(
    bundle: Path, tmp_path: Path
) -> None:
    cfg = small("commands").dataset
    data, lines = datasets.load(cfg), list(datasets.texts_of(cfg)[Split.TEST])[:5]
    (tmp_path / "lines.txt").write_text("\n".join(lines[1:]))
    for name in ("int8.tflite", "float32.tflite", "int8.onnx"):
        path = bundle / "models" / f"student.{name}"
        argv = ("--model", str(path), "--text", lines[0], str(tmp_path / "lines.txt"))
        wanted = logits_of(path, path.suffix[1:], data[Split.TEST].raw[:5], tmp_path)
        for rows, expected in zip(top(bundle, *argv, "--top", "9"), wanted, strict=True):
            found = {row["name"]: row["logit"] for row in rows}
            assert [found[label] for label in data.classes] == expected.tolist()


@pytest.mark.parametrize("ran", ["vowels", "gestures"], indirect=True)
def test_a_receiver_classifies_sounds_and_arrays_as_the_classifier_does(
    bundle: Path, tmp_path: Path
) -> None:
    model = bundle / json.loads((bundle / "bundle.json").read_bytes())["recommended"]
    classifier = Classifier(model)
    if classifier.preparation.kind == "waveform":
        file = write_sound(tmp_path / "ai.wav", clip("ai", 10_000), rate=8000)
    else:
        file = tmp_path / "tap.npy"
        np.save(file, track("tap", 10_000))
    wanted = classifier.predict(file, top=3)
    (rows,) = top(bundle, "--model", str(model), str(file), "--top", "3")
    assert [row["logit"] for row in rows] == [one.logit for one in wanted.top]
    assert [row["probability"] for row in rows] == [one.probability for one in wanted.top]


@pytest.mark.parametrize("ran", ["commands"], indirect=True)
def test_the_vocabulary_and_its_code_are_named_with_their_digests(bundle: Path, ran: Path) -> None:
    wanted = {
        f"models/{name}": file_sha256(bundle / "models" / name)
        for name in ("vocab.txt", "tokens.py")
    }
    made = json.loads((ran / "provenance.json").read_text())["stages"]["convert"]["files"]
    assert {*wanted} <= {*made}
    statement = json.loads((bundle / "provenance.intoto.json").read_text())
    subjects = {one["name"]: one["digest"]["sha256"] for one in statement["subject"]}
    parts = json.loads((bundle / "sbom.cdx.json").read_text())["components"]
    hashes = {one["name"]: one["hashes"][0]["content"] for one in parts if one["type"] == "file"}
    assert wanted.items() <= subjects.items()
    assert hashes == wanted
    for kind in ("tflite", "onnx"):
        said = FORMATS[kind].stamped(bundle / "models" / f"student.int8.{kind}")
        assert json.loads(said["tokenizer"])["vocabulary_sha256"] == wanted["models/vocab.txt"]


@pytest.mark.parametrize("ran", ["commands"], indirect=True)
def test_a_bundle_with_another_vocabulary_is_found(bundle: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(bundle, tmp_path / "changed")
    words = folder / "models" / "vocab.txt"
    words.write_text(words.read_text().replace("\nplease\n", "\nplaese\n"))
    write_sums(folder)
    last = list(verified(folder))[-1]
    assert (last.name, last.verdict) == ("contents", "failed")
    assert "is not the vocabulary that the model was trained with" in last.text


def proved(ran: Path, name: str, folder: Path, *, count: int) -> ProcessorProof:
    """Of both int8 files on an emulated processor."""
    requires(name)
    samples = evenly(datasets.load(small(ran.name).dataset)[Split.TEST].raw, count)
    path = ran / "models" / "student.int8.onnx"
    source = path.with_suffix(".tflite")
    _, there = prove(path, source=source, samples=samples, on=[name], scratch=folder)
    return there


def one_step(ran: Path) -> float:
    """Of the logits of sounds."""
    found = sidecar.read(ran / "parts" / "student.int8.network.tflite")
    assert found is not None
    assert found.adapter is not None
    assert found.adapter.output_quantization is not None
    return found.adapter.output_quantization[0]


ANOTHER = {"vowels": "aarch64", "commands": "x86-avx2", "gestures": "x86-avx2"}
"""One processor each: it rounds the sums of a front end in another way, and has the products that
saturate. The long test has them all."""


def test_int8_files_give_the_same_on_another_processor(ran: Path, tmp_path: Path) -> None:
    """A front end is in float, so that a feature may be rounded to the next integer."""
    row = proved(ran, ANOTHER[ran.name], tmp_path, count=8)
    assert row.agreement == 1
    assert row.max_abs_diff <= (1.01 * one_step(ran) if ran.name == "vowels" else 0)


@pytest.mark.slow
@pytest.mark.parametrize("name", PROCESSORS)
def test_int8_files_give_the_same_on_every_processor(ran: Path, name: str, tmp_path: Path) -> None:
    row = proved(ran, name, tmp_path, count=40)
    assert row.agreement == 1
    assert row.max_abs_diff <= (1.01 * one_step(ran) if ran.name == "vowels" else 0)


def test_gates_are_judged(ran: Path, tmp_path: Path) -> None:
    lines = ("top1 = 0.1", "size_kb = 1.0", "false_reject_rate = 1.0")
    (tmp_path / "gates.toml").write_text("\n".join(lines))
    argv = ["check", str(ran), "--gates", str(tmp_path / "gates.toml"), "--markdown"]
    assert exit_code([*argv, str(tmp_path / "verdicts.md")]) == 1
    written = (tmp_path / "verdicts.md").read_text()
    assert "passed" in written
    assert ("no stream was evaluated" in written) == (ran.name != "vowels")
    assert "image" not in written


def test_the_synthesised_data_are_a_function_of_their_number() -> None:
    assert np.array_equal(clip("ai", 7), clip("ai", 7))
    assert not np.array_equal(clip("ai", 7), clip("ai", 8))
    assert sentence("music", 7) == sentence("music", 7) != sentence("music", 8)
    assert np.array_equal(track("tap", 7), track("tap", 7))
    assert not np.array_equal(track("tap", 7), track("tap", 8))


def test_synthesised_data_are_even_and_in_three_splits() -> None:
    for name, classes, few in (
        ("vowels", VOWELS, 160),
        ("commands", tuple(INTENTS), 300),
        ("gestures", GESTURES, 140),
    ):
        cfg = DatasetConfig.model_validate({"name": name, "samples": few})
        data = datasets.load(cfg)
        assert data.classes == classes
        assert sum(len(data[split]) for split in Split) == few
        counts = np.bincount(np.concatenate([data[split].labels for split in Split]))
        assert set(counts.tolist()) == {few // len(classes)}


@pytest.mark.parametrize(
    ("name", "instead"), [("vowels", "sounds"), ("commands", "texts"), ("gestures", "arrays")]
)
def test_synthesised_data_take_no_file(name: str, instead: str, tmp_path: Path) -> None:
    cfg: SourceConfig = DatasetConfig(name=name, path=tmp_path)
    with pytest.raises(InputError, match=f"takes no file.*dataset.name={instead}"):
        datasets.source_digest(cfg)
