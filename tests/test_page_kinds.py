"""What a page shows of samples by the kind of data: pictures, words, envelopes of clips, lines."""

import base64
import re
from pathlib import Path

import numpy as np
import pytest

from pipeline import datasets
from pipeline.datasets.splits import Dataset, Split
from pipeline.recipe.schema import DatasetConfig
from pipeline.reporting.findings import front_end
from pipeline.reporting.findings.label_suspects import with_files
from pipeline.reporting.pages import waves
from pipeline.reporting.pages.lines import album as array_album
from pipeline.reporting.pages.lines import svg
from pipeline.reporting.pages.quotes import LONGEST, quotes, shortened
from pipeline.reporting.pages.report import render
from pipeline.reporting.schema.flip import Flip, Prediction
from pipeline.reporting.schema.label_suspect import LabelSuspect
from pipeline.reporting.schema.report import Report
from targets.formats.channel_scaling import ChannelScaling
from targets.formats.input_spec import array_input
from targets.formats.record import Parity
from tests.reports import two_formats
from tests.texts import write


def suspect(index: int, split: str = "train", path: str | None = None) -> LabelSuspect:
    return LabelSuspect.model_validate(
        {
            "split": split, "index": index, "label": "WHAT", "predicted": "WHERE", "path": path,
            "label_probability": 0.1, "predicted_probability": 0.9,
        }
    )  # fmt: skip


def flip(index: int, path: str | None = None) -> Flip:
    before, after = (
        Prediction(model=name, predicted=label, confidence=0.9)
        for name, label in (("student.float32.tflite", "WHAT"), ("student.int8.tflite", "WHERE"))
    )
    return Flip(split="test", index=index, label="WHAT", path=path, before=before, after=after)


def with_samples(*suspects: LabelSuspect, flips: tuple[Flip, ...] = ()) -> Report:
    return two_formats().model_copy(update={"label_suspects": suspects, "flips": flips})


@pytest.fixture
def config(tmp_path: Path) -> DatasetConfig:
    return DatasetConfig(name="texts", path=write(tmp_path / "questions.csv"))


@pytest.fixture
def data(config: DatasetConfig) -> Dataset:
    return datasets.DATASETS["texts"].load(config)


def test_texts_that_flip_and_those_with_doubtful_labels_are_quoted(
    config: DatasetConfig, data: Dataset
) -> None:
    texts = datasets.texts_of(config)
    shown = with_samples(suspect(3), flips=(flip(2),))
    found = quotes(shown, data, texts)
    assert found == {"train:3": texts[Split.TRAIN][3], "test:2": texts[Split.TEST][2]}
    page = render(shown, quotes=found)
    for text in found.values():
        assert page.count(f"<blockquote>{text}</blockquote>") == 1
    assert "<img" not in page


def test_a_text_is_quoted_only_if_it_is_still_that_of_the_sample(
    config: DatasetConfig, data: Dataset
) -> None:
    texts = datasets.texts_of(config)
    swapped = {**texts, Split.TRAIN: list(reversed(texts[Split.TRAIN]))}
    shown = with_samples(suspect(0), suspect(1))
    assert set(quotes(shown, data, swapped)) == set()
    assert quotes(shown, data, {Split.TRAIN: texts[Split.TRAIN][1:]}) == {}


def test_a_quotation_is_short_and_is_no_part_of_the_page() -> None:
    assert shortened("a\n\n  b\tc") == "a b c"
    assert len(shortened("word " * 200)) == LONGEST
    page = render(with_samples(suspect(0)), quotes={"train:0": "<script>alert(1)</script>"})
    assert page.count("<script>") == 1
    assert "<blockquote>&lt;script&gt;" in page


def test_a_clip_is_drawn_as_its_envelope_and_named_by_its_file() -> None:
    clips = np.zeros((3, 16000), np.int16)
    clips[1, 8000:] = 512
    shown = with_samples(suspect(1, "test", path="go/a.wav"), suspect(0, "test"))
    album = waves.album(shown, {"test": clips})
    assert set(album) == {"go/a.wav", "test:0"}
    page = render(shown, album)
    assert page.count('<img src="data:image/svg+xml;base64,') == 2
    assert re.sub("<wbr>", "", page).count("go/a.wav") == 1
    heights = [y for _, y in _points(album["go/a.wav"])]
    assert heights[:80] == [24.0] * 40 + [12.0] * 40
    assert max(_points(album["test:0"])[0]) == 24.0


def _points(uri: str) -> list[tuple[float, float]]:
    svg = base64.b64decode(uri.partition(",")[2]).decode()
    numbers = [float(one) for one in re.findall(r'd="M(.*?)z"', svg)[0].split()]
    return list(zip(numbers[::2], numbers[1::2], strict=True))


@pytest.mark.parametrize("samples", [1, 79, 16000])
def test_a_clip_of_any_length_is_drawn(samples: int) -> None:
    clip = np.random.default_rng(0).integers(-32768, 32768, samples).astype(np.int16)
    assert all(0 <= x <= 80 and 0 <= y <= 48.5 for x, y in _points(waves.svg(clip)))


def test_a_sample_is_named_by_its_file_where_the_files_are_the_samples(data: Dataset) -> None:
    files = {Split.TEST: [f"{number}.wav" for number in range(len(data[Split.TEST]))]}
    named = with_files((suspect(2, "test"), suspect(2)), files, data)
    assert [one.path for one in named] == ["2.wav", None]
    short = {Split.TEST: files[Split.TEST][1:]}
    assert with_files((suspect(2, "test"),), short, data)[0].path is None


def parity(name: str, *, int8: int, other: int, front: int) -> Parity:
    _, precision, kind = name.split(".")
    return Parity(
        name=name, format=kind, precision=precision, source="student", samples=9, agreement=1,
        max_abs_diff=0, int8_ops=int8, float_ops=other, front_ops=front, scales_equal=None,
    )  # fmt: skip


def test_a_network_behind_a_front_end_is_int8_only_if_all_of_it_is() -> None:
    rows = [
        parity("student.float32.tflite", int8=0, other=41, front=32),
        parity("student.int8.tflite", int8=9, other=0, front=32),
        parity("student.int8.onnx", int8=9, other=0, front=41),
        parity("student.int8.onnx", int8=9, other=0, front=41),
        parity("student.mixed.tflite", int8=7, other=2, front=32),
    ]
    assert front_end.note(rows) == (
        "student.int8.tflite: front end in float, 32 operators; network int8 from end to end. "
        "student.int8.onnx: front end in float, 41 operators; network int8 from end to end. "
        "student.mixed.tflite: front end in float, 32 operators."
    )
    assert front_end.note([parity("a.int8.onnx", int8=9, other=0, front=0)]) is None


def test_the_notes_of_a_data_set_without_an_audit_are_on_the_page() -> None:
    plain = two_formats()
    assert "<h2>Data</h2>" not in render(plain)
    dataset = plain.dataset.model_copy(update={"notes": ("Vocabulary: 12 words.",)})
    assert "<p>Vocabulary: 12 words.</p>" in render(plain.model_copy(update={"dataset": dataset}))


def lines_of(uri: str) -> list[list[float]]:
    """The heights of each line, from the top."""
    text = base64.b64decode(uri.partition(",")[2]).decode()
    paths = re.findall(r'd="M(.*?)"', text)
    return [[float(y) for y in path.split()[1::2]] for path in paths]


@pytest.mark.parametrize(
    ("shape", "channels", "lines", "points"),
    [((50, 3), 3, 3, 50), ((200,), 1, 1, 80), ((12,), 12, 1, 12), ((20, 9, 1), 1, 6, 20)],
)
def test_an_array_is_drawn_as_a_line_for_each_channel(
    shape: tuple[int, ...], channels: int, lines: int, points: int
) -> None:
    scaling = ChannelScaling(mean=(5.0,) * channels, deviation=(100.0,) * channels)
    spec = array_input(*shape, scaling=scaling)
    raw = np.full(shape, 5, np.float32)
    raw[0] = 305
    found = lines_of(svg(raw, spec))
    assert [len(line) for line in found] == [points] * lines
    assert all(line == [0.0] + [24.0] * (points - 1) for line in found)
    album = array_album(with_samples(suspect(0)), {"train": raw[np.newaxis]}, spec)
    assert list(album) == ["train:0"]


def test_noise_of_an_array_is_not_drawn_as_a_movement() -> None:
    scaling = ChannelScaling(mean=(0.0,), deviation=(1.0,))
    raw = np.where(np.arange(40) % 2, 0.1, -0.1).astype(np.float32)
    (line,) = lines_of(svg(raw, array_input(40, scaling=scaling)))
    assert {*line} == {22.8, 25.2}
