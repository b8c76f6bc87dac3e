"""Pretrained networks: the head first, frozen layers, the best epoch."""

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from pipeline.datasets.splits import Dataset, Samples, Split
from pipeline.engine.progress import EpochProgress, SilentConsole, SilentEpochs
from pipeline.recipe.training import InitialisedConfig, TrainingConfig
from pipeline.training.checkpoint import EpochRecord, best_of, kept
from pipeline.training.freezing import frozen
from pipeline.training.head import fit_head
from pipeline.training.inference import make_predict
from pipeline.training.loop import Task, fit
from targets.evaluation import metrics
from tests.conftest import THREADS
from tests.tasks import small_network, small_task

CFG = InitialisedConfig(epochs=3, batch_size=64, learning_rate=0.05)


def trained(task: Task, folder: Path, **changes: Any) -> list[EpochRecord]:
    def progress(*, first: int, total: int) -> Any:
        return SilentConsole().epochs("t", first=first, total=total)

    return fit(task, checkpoint=folder / "state.npz", progress=changes.get("progress", progress))


def norms(task: Task) -> dict[str, Any]:
    return {
        weight.name: weight.numpy()
        for layer in task.model.layers
        if type(layer).__name__ == "BatchNormalization"
        for weight in layer.weights
    }


def test_frozen_batch_norm_keeps_all_of_its_numbers_and_can_be_trained_again(
    stripes_data: Dataset, tmp_path: Path
) -> None:
    task = small_task(stripes_data, CFG.model_copy(update={"freeze_batch_norm": True}))
    names, before = [weight.name for weight in task.model.weights], norms(task)
    first, *_, last = trained(task, tmp_path)
    assert last.loss < first.loss
    after = norms(task)
    assert all(np.array_equal(before[name], after[name]) for name in before)
    assert all(layer.trainable for layer in task.model.layers)
    assert [weight.name for weight in task.model.weights] == names


def test_the_first_share_of_the_layers_stays_and_the_rest_learns(
    stripes_data: Dataset, tmp_path: Path
) -> None:
    task = small_task(stripes_data, CFG.model_copy(update={"frozen_share": 0.5}))
    layers = task.model.layers
    before = [[weight.numpy() for weight in layer.weights] for layer in layers]
    trained(task, tmp_path)
    changed = [
        any((old != new.numpy()).any() for old, new in zip(held, layer.weights, strict=True))
        for held, layer in zip(before, layers, strict=True)
    ]
    half = round(0.5 * len(layers))
    assert not any(changed[:half])
    assert changed[half:] == [bool(layer.weights) for layer in layers[half:]]
    assert any(before[:half])


def test_the_head_is_never_frozen(stripes_data: Dataset) -> None:
    model = small_network(stripes_data)
    with frozen(model, InitialisedConfig(frozen_share=0.999)):
        assert [layer.name for layer in model.layers if layer.trainable] == ["logits"]
    assert all(layer.trainable for layer in model.layers)


def test_on_a_gpu_frozen_batch_norm_has_a_deterministic_gradient(
    stripes_data: Dataset, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Fused batch norm with fixed statistics has none there; the network computes the same."""
    import tensorflow as tf

    model = small_network(stripes_data)
    images = tf.random.stateless_uniform((4, *model.input_shape[1:]), (0, 0))

    def operators() -> tuple[set[str], npt.NDArray[np.float32]]:
        with frozen(model, InitialisedConfig(freeze_batch_norm=True)):
            call = tf.function(lambda x: model(x, training=True)).get_concrete_function(images)
        return {one.type for one in call.graph.get_operations()}, call(images).numpy()

    fused, expected = operators()
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda kind: [kind])
    plain, outputs = operators()
    assert "FusedBatchNormV3" in fused
    assert "FusedBatchNormV3" not in plain
    np.testing.assert_allclose(outputs, expected, rtol=1e-5, atol=1e-6)


def record(epoch: int, top1: float) -> EpochRecord:
    return EpochRecord(epoch=epoch, loss=1.0, validation_top1=top1)


def test_of_equally_good_epochs_the_last_is_the_best() -> None:
    history = [record(1, 0.5), record(2, 0.9), record(3, 0.9), record(4, 0.8)]
    assert best_of(history).epoch == 3
    assert kept(history, TrainingConfig(keep="best")).epoch == 3
    assert kept(history, TrainingConfig(keep="last")).epoch == 4


class Stopped(Exception):
    """The training was interrupted."""


def stopping(after: int) -> Any:
    class Stopping(SilentEpochs):
        def epoch(self, number: int, *, loss: float, accuracy: float) -> None:
            if number == after:
                raise Stopped

    @contextmanager
    def progress(*, first: int, total: int) -> Iterator[EpochProgress]:
        yield Stopping()

    return progress


BEST = InitialisedConfig(
    epochs=6, batch_size=64, learning_rate=0.3, keep="best", label_smoothing=0.1,
    balance="sampling", freeze_batch_norm=True,
)  # fmt: skip


@pytest.fixture(scope="module")
def noise() -> Dataset:
    """Nothing can be learned here: the accuracy goes up and down from epoch to epoch."""
    random = np.random.default_rng(0)
    splits = {
        split: Samples(
            raw=random.integers(0, 256, (120, 8, 8, 1), np.uint8),
            labels=random.integers(0, 3, 120),
        )
        for split in Split
    }
    return Dataset(name="noise", classes=("a", "b", "c"), splits=splits, sha256="")


def accuracy(task: Task) -> float:
    val = task.data[Split.VAL]
    return metrics.top1(make_predict(task.model, task.data.input)(val.raw), val.labels)


def test_the_weights_of_the_best_epoch_are_kept_also_over_an_interruption(
    noise: Dataset, tmp_path: Path
) -> None:
    """Interrupted behind the best epoch, and before it."""
    whole = small_task(noise, BEST)
    history = trained(whole, tmp_path)
    best = best_of(history)
    assert accuracy(whole) == best.validation_top1 > history[-1].validation_top1
    for after in (best.epoch - 1, best.epoch):
        folder = tmp_path / str(after)
        folder.mkdir()
        with pytest.raises(Stopped):
            trained(small_task(noise, BEST), folder, progress=stopping(after))
        resumed = small_task(noise, BEST)
        assert trained(resumed, folder) == history
        for one, other in zip(whole.model.get_weights(), resumed.model.get_weights(), strict=True):
            np.testing.assert_array_equal(one, other)


def test_the_last_epoch_is_kept_by_default(noise: Dataset, tmp_path: Path) -> None:
    task = small_task(noise, BEST.model_copy(update={"keep": "last"}))
    history = trained(task, tmp_path)
    assert accuracy(task) == history[-1].validation_top1 < best_of(history).validation_top1


def colours(count: int, classes: int, *, channels: int = 3, seed: int = 0) -> Samples:
    """Noise around a colour of each class: any network tells them apart by the mean."""
    random = np.random.default_rng(seed)
    palette = np.random.default_rng(9).integers(40, 215, (classes, channels))
    labels = np.arange(count) % classes
    noise = random.integers(-40, 40, (count, 8, 8, channels))
    return Samples(raw=(palette[labels][:, None, None] + noise).astype(np.uint8), labels=labels)


def coloured_data(classes: int) -> Dataset:
    splits = {split: colours(60, classes, seed=i) for i, split in enumerate(Split)}
    return Dataset(name="c", classes=tuple("abcde"[:classes]), splits=splits, sha256="")


@pytest.mark.parametrize("classes", [2, 4])
def test_a_fitted_head_reads_the_features_of_an_untrained_network(classes: int) -> None:
    data = coloured_data(classes)
    model, val = small_network(data), data[Split.VAL]
    before = [weight.numpy() for weight in model.weights[:-2]]
    head = fit_head(model, data, own=False, balanced=False, seed=0, threads=THREADS)
    reached = metrics.top1(make_predict(model, data.input)(val.raw), val.labels)
    assert reached == head.validation_top1 > 0.9
    for old, new in zip(before, model.weights[:-2], strict=True):
        np.testing.assert_array_equal(old, new.numpy())
    again = small_network(data)
    again.set_weights([*model.get_weights()[:-2], *again.get_weights()[-2:]])
    fit_head(again, data, own=False, balanced=False, seed=0, threads=THREADS)
    np.testing.assert_array_equal(model.get_weights()[-2], again.get_weights()[-2])


def test_a_head_that_comes_with_the_weights_is_kept_if_the_probe_is_no_better() -> None:
    data = coloured_data(3)
    fitted = small_network(data)
    fit_head(fitted, data, own=False, balanced=False, seed=0, threads=THREADS)
    own = [2 * weights for weights in fitted.get_weights()[-2:]]
    for order, stays in (((0, 1, 2), True), ((2, 1, 0), False)):  # the same classes, and others
        model = small_network(data)
        given = [weights[..., list(order)] for weights in own]
        model.set_weights([*fitted.get_weights()[:-2], *given])
        head = fit_head(model, data, own=True, balanced=False, seed=0, threads=THREADS)
        same = [np.array_equal(*both) for both in zip(model.get_weights()[-2:], given, strict=True)]
        assert same == [stays, stays]
        assert ("head of the initial weights kept" in head.line("teacher")) is stays


def test_a_random_head_is_never_kept_and_balanced_heads_are_compared_by_balanced_accuracy() -> None:
    data = coloured_data(3)
    images, labels = data[Split.VAL].raw, data[Split.VAL].labels
    zero, one, two = (np.flatnonzero(labels == label) for label in range(3))
    chosen = np.concatenate([zero[:8], one[:12], two[:2]])
    said = np.array([0] * 18 + [1] * 2 + [2] * 2)  # ten of class 1 are called 0
    splits = {**data.splits, Split.VAL: Samples(raw=images[chosen], labels=said)}
    mostly_zero = Dataset(name="c", classes=data.classes, splits=splits, sha256="")
    for own, balanced in ((False, False), (True, True), (True, False)):
        model = small_network(mostly_zero)
        *body, kernel, _ = model.get_weights()
        model.set_weights([*body, np.zeros_like(kernel), np.array([9, 0, 0], np.float32)])
        head = fit_head(model, mostly_zero, own=own, balanced=balanced, seed=0, threads=THREADS)
        assert head.fitted is not (own and not balanced)
        assert (head.validation_top1 > 0.8) is (own and not balanced)


PROBE = """
from pipeline.training import session
session.start(seed=0, threads=1)
import hashlib
import numpy as np
import numpy.typing as npt
from tf_keras import Sequential, layers
from pipeline.datasets.splits import Dataset, Samples, Split
from pipeline.training.head import fit_head

random = np.random.default_rng(0)
images = random.integers(0, 256, (600, 20, 20, 3), np.uint8)
samples = Samples(raw=images, labels=np.arange(600) % 5)
data = Dataset(name="p", classes=tuple("abcde"), splits=dict.fromkeys(Split, samples), sha256="")
model = Sequential([layers.Input((20, 20, 3)), layers.Flatten(), layers.Dense(5)])
fit_head(model, data, own=False, balanced=False, seed=0, threads=2)
print(hashlib.sha256(model.get_weights()[0].tobytes()).hexdigest())
"""


def test_a_fitted_head_has_the_same_bytes_whatever_the_threads_of_the_environment() -> None:
    digests = {
        subprocess.run(
            [sys.executable, "-c", PROBE],
            env={**os.environ, "OPENBLAS_NUM_THREADS": threads},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for threads in ("1", "2")
    }
    assert len(digests) == 1


def test_a_class_without_training_images_is_never_the_answer() -> None:
    data = coloured_data(3)
    seen = data[Split.TRAIN].labels != 1
    train = data[Split.TRAIN].take(np.flatnonzero(seen))
    without = Dataset(
        name="c", classes=data.classes, splits={**data.splits, Split.TRAIN: train}, sha256=""
    )
    model = small_network(without)
    fit_head(model, without, own=False, balanced=True, seed=0, threads=THREADS)
    answers = make_predict(model, data.input)(train.raw).argmax(axis=1)
    assert set(answers) == {0, 2}
