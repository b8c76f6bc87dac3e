"""`Classifier`: a model file as a function from pictures, sounds or texts to classes.

It has the runtime and the input bytes of a device.
"""

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from targets.ahead import ahead
from targets.bench.inputs import Factor
from targets.devices.cpus import available_cpus
from targets.errors import InputError, UnreadableError
from targets.evaluation import metrics
from targets.formats import sidecar
from targets.formats.confidence import Confidence
from targets.formats.input_kinds import Words
from targets.formats.streaming import WordThreshold
from targets.images.preprocessing import Fit
from targets.images.reading import Channels
from targets.prediction import deployment
from targets.prediction.deployment import Asked, Deployment, Output
from targets.prediction.loaded import Array, LoadedModel
from targets.prediction.preparation.contract import NOUNS, Item, Preparation, Raw

Logits = npt.NDArray[np.float32]
MOST_READERS = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Score:
    """One class for one item."""

    name: str
    index: int
    probability: float
    """Softmax of the logits, divided by the temperature where the sidecar has one."""
    logit: float


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """The classes of one item, the most probable first."""

    top: tuple[Score, ...]
    logits: Logits
    """[classes]."""
    inference_ns: int
    """Time of the runtime, without reading and preprocessing."""
    unknown: bool | None = None
    """Whether the first class is less probable than its threshold in the sidecar; None: it has
    none."""

    @property
    def name(self) -> str:
        return self.top[0].name

    @property
    def index(self) -> int:
        return self.top[0].index

    @property
    def probability(self) -> float:
        return self.top[0].probability


class Classifier:
    """A `.tflite` or `.onnx` file of one input. One thread at a time may call it.

    A file of ours needs its path alone: the sidecar beside it says the rest. Of another file, say
    what it does not hold: `scale` and `offset` (the network expects `pixel * scale + offset`, one
    number or one per channel), `size` (one side, or height and width) and `channels` where its
    input leaves them open, `fit`, the names of its `classes` (default: their numbers), `output`
    where it gives one score, and `output_name` where it has several outputs.

    Raises `InputError` for a file that is no model or damaged and for what is missing, and
    `DeviceError` where the runtime fails.
    """

    def __init__(
        self,
        model: "str | os.PathLike[str]",
        *,
        classes: Sequence[str] | None = None,
        size: int | tuple[int, int] | None = None,
        channels: Channels | None = None,
        fit: Fit | None = None,
        scale: Factor | None = None,
        offset: Factor | None = None,
        output: Output | None = None,
        output_name: str | None = None,
        threads: int = 1,
    ) -> None:
        self.path = Path(model)
        self._model = LoadedModel(self.path, threads=threads)
        asked = Asked(
            size=(size, size) if isinstance(size, int) else size,
            channels=channels,
            fit=fit,
            scale=scale,
            offset=offset,
            output=output,
            output_name=output_name,
        )
        found = sidecar.read(self.path)
        names = classes if found is None or classes is not None else found.classes
        self._confidence = None if found is None else found.confidence
        self._word_threshold = None if found is None else found.streaming
        if found is None:
            count = None if classes is None else len(classes)
            self._deployed = deployment.as_asked(self._model, asked, classes=count)
        else:
            self._deployed = deployment.from_sidecar(self._model, found, asked)
        self._blank = self.preparation.blank
        self._model.allocate(self._deployed.spec, output=self._deployed.output_index)
        self.classes = self._tried(asked, names)

    @property
    def preparation(self) -> Preparation:
        """From an item to the raw input."""
        return self._deployed.preparation

    @property
    def words(self) -> Words:
        """What a person calls the items."""
        return NOUNS[self.preparation.kind]

    @property
    def deployment(self) -> Deployment:
        """How a raw input reaches the model, and how its output becomes logits."""
        return self._deployed

    @property
    def confidence(self) -> Confidence | None:
        """The temperature and the thresholds of the sidecar."""
        return self._confidence

    @property
    def word_threshold(self) -> WordThreshold | None:
        """When a word is detected in a long sound, by the sidecar."""
        return self._word_threshold

    @property
    def runtime(self) -> str:
        return self._model.runtime

    def predict(self, item: Item, *, top: int = 5) -> Prediction:
        """The `top` classes of an item. Raises `InputError` where it cannot be read."""
        return self.classified(self.prepared(item), top=top)

    def predict_many(self, items: Iterable[Item], *, top: int = 5) -> Iterator[Prediction]:
        """The predictions of items in their order; the next ones are read ahead in threads."""
        for raw, _ in ahead(self.prepared, items, threads=readers()):
            yield self.classified(raw.result(), top=top)

    def logits(self, raw: Raw) -> Logits:
        """Logits [n, classes] of raw inputs [n, *shape]."""
        return self._read(self._checked(raw))[0]

    def prepared(self, item: Item) -> Raw:
        """The raw input [*shape] of an item. Any thread may call it."""
        try:
            return self.preparation(item)
        except UnreadableError as error:
            raise InputError(
                f"{self._named(item)}: cannot be read as a {self.words.one}: {error}."
            ) from error

    def classified(self, raw: Raw, *, top: int = 5) -> Prediction:
        """The prediction for a raw input [*shape]."""
        logits, ns = self._read(self._checked(raw[np.newaxis]))
        metrics.require_finite(logits, model=self.path.name)
        known = self._confidence
        values = logits[0]
        shares = _softmax(values, temperature=1.0 if known is None else known.temperature)
        order = np.argsort(-values, kind="stable")[:top]  # of equal ones the first, as argmax
        first = int(order[0])
        accepted = None if known is None else known.accepts(first, float(shares[first]))
        return Prediction(
            top=tuple(
                Score(
                    name=self.classes[i],
                    index=i,
                    probability=float(shares[i]),
                    logit=float(values[i]),
                )
                for i in order.tolist()
            ),
            logits=values,
            inference_ns=ns,
            unknown=None if accepted is None else not accepted,
        )

    def _named(self, item: Item) -> str:
        is_file = isinstance(item, os.PathLike) or (
            isinstance(item, str) and self.preparation.kind != "tokens"
        )
        return str(item) if is_file else f"a {self.words.one} ({type(item).__name__})"

    def _checked(self, raw: Raw) -> Raw:
        wanted = self._blank
        if raw.dtype != wanted.dtype or raw.shape[1:] != wanted.shape:
            raise InputError(
                f"{self.path}: takes raw inputs {wanted.dtype} "
                f"[n, {', '.join(map(str, wanted.shape))}], not {raw.dtype} {list(raw.shape)}. "
                f"Classifier.prepared makes one of any {self.words.one}."
            )
        return raw

    def _read(self, raw: Raw) -> tuple[Logits, int]:
        outputs, ns = self._model.run(raw)
        values = self._columns(outputs)
        reading = self._deployed.reading
        return values.astype(np.float32) if reading is None else reading.logits(values), ns

    def _columns(self, outputs: Array) -> Array:
        """Outputs [n, ...] as scores [n, classes]."""
        if not self._model.gives_scores(outputs):
            raise InputError(
                f"{self.path}: its output for a {self.words.one} is {outputs.dtype} "
                f"{list(outputs.shape[1:])}, and not one score per class. Export the network up "
                "to its scores, or name another output with --output-name."
            )
        return outputs.reshape(len(outputs), -1)

    def _tried(self, asked: Asked, names: Sequence[str] | None) -> tuple[str, ...]:
        """Run the model once: what its outputs are, and the names of its classes."""
        scores = self._columns(self._model.run(self._blank[np.newaxis])[0])
        self._deployed = deployment.decided(self._deployed, asked, model=self.path, grey=scores)
        count = max(2, scores.shape[1])
        if names is None:
            return tuple(map(str, range(count)))
        if len(names) != count:
            background = " The first may be a background class." if len(names) + 1 == count else ""
            raise InputError(
                f"{self.path}: gives {count} scores, and {len(names)} names of classes are given. "
                f"Give one name per score, in their order.{background}"
            )
        return tuple(names)


def readers() -> int:
    """Threads that read items beside the one that runs the model."""
    return min(MOST_READERS, len(available_cpus()))


def _softmax(logits: Logits, *, temperature: float) -> npt.NDArray[np.float64]:
    powers = np.exp((logits.astype(np.float64) - float(logits.max())) / temperature)
    shares: npt.NDArray[np.float64] = powers / powers.sum()
    return shares
