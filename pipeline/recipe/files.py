"""The tables of the exported files: `[convert]` and `[confidence]`."""

from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from pipeline.recipe.names import CHOSEN, Precision, Target, one_of
from pipeline.recipe.section import Section
from targets.formats import FORMATS
from targets.formats.precisions import PRECISIONS
from targets.processors import PROCESSORS


class ConvertConfig(Section):
    targets: Annotated[tuple[Target, ...], Field(min_length=1)] = ("tflite",)
    precisions: Annotated[tuple[Precision, ...], Field(min_length=1)] = ("float32", "int8")
    """Precisions of the student's files: `int8` is quantization-aware, `int8_ptq` and `int16x8` are
    calibrated after training. `int16x8` has int16 activations, takes float32 and has no ONNX form.
    The teacher's files are float32."""
    onnx_weights: Literal["uint8", "int8"] = "uint8"
    """How int8 ONNX files store their weights. `uint8` gives the same outputs on every processor;
    `int8` is faster on x86 with VNNI, and wrong on x86 without it: for known processors only."""
    prove_on: tuple[Annotated[str, one_of("processor", PROCESSORS)], ...] = ()
    """Kinds of processor that are emulated (qemu-user-static) to show that both int8 files give the
    same labels there: x86-sse4, x86-avx2, aarch64."""

    keep_float: tuple[str, ...] = ()
    """Layers of the student whose operators, and those that read their results, stay in float in
    further files, `student.mixed.*`, made from the same quantization-aware network as `int8`. They
    are measured beside the int8 files. `pipeline run` lists the layers where one is not known."""
    max_drop: Annotated[float, Field(gt=0, lt=100)] | None = None
    """Largest loss of top-1 against the float student on the validation split, in percentage
    points. Where `int8` loses more, the fewest layers that bring it under the limit are chosen as
    `keep_float`; the run fails where none do."""
    front_end_apart: bool = False
    """Of sounds: the float front end and the int8 network behind it are written as files of their
    own too, in `parts/` beside `models/`, for microcontrollers. They are proved to give what the
    whole file does, to one step of its logits."""
    probabilities: bool = False
    """A second output, `probabilities`, behind the logits: softmax(logits / temperature)."""

    @property
    def made(self) -> tuple[str, ...]:
        """The precisions of the student's files, with the one of `keep_float`."""
        mixed = self.keep_float or self.max_drop is not None
        return (*dict.fromkeys(self.precisions), *(("mixed",) if mixed else ()))

    def options(self, target: str) -> dict[str, str]:
        """The keys `<format>_<option>` of a format."""
        prefix = f"{target}_"
        settings = self.model_dump(mode="json").items()
        return {key.removeprefix(prefix): text for key, text in settings if key.startswith(prefix)}

    @model_validator(mode="after")
    def _float_layers_are_of_int8(self) -> Self:
        if self.keep_float and self.max_drop is not None:
            raise ValueError("keep_float and max_drop exclude each other: max_drop chooses layers")
        if "mixed" in self.made and "int8" not in self.precisions:
            raise ValueError(
                "keep_float and max_drop take layers out of the quantization-aware network: they "
                "need the precision int8. The ranges of int8_ptq are those of TFLite's converter, "
                "which takes no list of layers"
            )
        return self

    @model_validator(mode="after")
    def _proof_has_two_files(self) -> Self:
        int8 = any(PRECISIONS[name].int8 for name in self.precisions)
        if self.prove_on and not (int8 and {"tflite", "onnx"} <= set(self.targets)):
            raise ValueError(
                "prove_on compares the int8 files of both formats: it needs the targets tflite and "
                "onnx, and the precision int8 or int8_ptq"
            )
        return self

    @model_validator(mode="after")
    def _network_behind_a_front_end_is_int8(self) -> Self:
        if self.front_end_apart and not any(PRECISIONS[name].int8 for name in self.precisions):
            raise ValueError(
                "front_end_apart writes int8 networks for microcontrollers: it needs the precision "
                "int8 or int8_ptq"
            )
        return self

    @model_validator(mode="after")
    def _formats_can(self) -> Self:
        for target in self.targets:
            for precision in self.made:
                held = FORMATS[target].precisions
                if precision not in held:
                    chosen = ", ".join(name for name in held if name in CHOSEN)
                    raise ValueError(f"{target} cannot be {precision}; it can be: {chosen}")
        return self


class ConfidenceConfig(Section):
    """When a prediction is too unsure to be used: `targets.evaluation.thresholds`."""

    precision: Annotated[float, Field(gt=0, lt=1)] = 0.95
    """Wanted share of right ones among the predictions that are not `unknown`."""
    per_class: bool = False
    """A threshold for each predicted class whose validation samples show the precision. The others,
    with too few samples or too many wrong ones, keep the common one, without a promise of their
    own."""
