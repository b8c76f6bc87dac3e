"""`README.md` of a bundle: the model card, with the metadata block of Hugging Face."""

from pathlib import Path

from targets.bundle.facts import Facts
from targets.bundle.templating import render
from targets.formats.front_end import SoundFrontEnd
from targets.formats.input_spec import InputSpec
from targets.formats.sidecar import Sidecar
from targets.texts.tokenizer import CODE, VOCABULARY

FILE = "README.md"
TASKS = {
    "image": "image-classification",
    "waveform": "audio-classification",
    "tokens": "text-classification",
}
"""Kind of the input -> the task's name at Hugging Face."""


def write(
    folder: Path,
    facts: Facts,
    sidecar: Sidecar,
    *,
    samples: list[str],
    margin: float,
    snippets: bool,
    signed: bool,
) -> None:
    """`sidecar`: of the recommended file; `samples`: paths in the bundle."""
    text = render(
        "README.md.j2",
        facts=facts,
        recommended=facts.recommended,
        task=_task(sidecar.input),
        texts=sidecar.tokenizer is not None,
        pictures=sidecar.input.kind == "image",
        rate=_rate(sidecar.input),
        tags=sorted({part for model in facts.models for part in (model.format, model.precision)}),
        input=_input(sidecar),
        samples=len(samples),
        example=samples[0],
        margin=margin,
        snippets=snippets,
        verify=f"pipeline verify {facts.name}-{facts.version}.zip{' --key PUBLIC.pem' * signed}",
    )
    (folder / FILE).write_text(text, encoding="utf-8")


def _task(input: InputSpec) -> str | None:
    """Of Hugging Face; None: it has none for such data."""
    if input.kind == "image" and not input.is_picture:
        return None
    return TASKS.get(input.kind)


def _rate(input: InputSpec) -> str | None:
    """Of sounds."""
    front_end = input.front_end
    return f"{front_end.rate:,} samples a second" if isinstance(front_end, SoundFrontEnd) else None


def _input(sidecar: Sidecar) -> str:
    """What the files take, in words."""
    input, shape = sidecar.input, list(sidecar.input.shape)
    if sidecar.tokenizer is not None:
        return (
            f"{input.dtype} {shape}, the numbers that `models/{CODE}` gives a text with "
            f"`models/{VOCABULARY}`"
        )
    if rate := _rate(input):
        return f"{shape} of {rate} as float32, from -32768 to 32767"
    if input.kind == "image":
        return f"{input.dtype} {shape}, float files the same values as float32"
    return f"{input.dtype} {shape}"
