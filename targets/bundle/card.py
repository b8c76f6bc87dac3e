"""`README.md` of a bundle: the model card, with the metadata block of Hugging Face."""

from pathlib import Path

from targets.bundle.facts import Facts
from targets.bundle.templating import render
from targets.formats.sidecar import Sidecar

FILE = "README.md"


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
    shape = sidecar.input.shape
    text = render(
        "README.md.j2",
        facts=facts,
        recommended=facts.recommended,
        is_picture=len(shape) == 3 and shape[2] in (1, 3),
        tags=sorted({part for model in facts.models for part in (model.format, model.precision)}),
        input=f"{sidecar.input.dtype} {list(shape)}, float files the same values as float32",
        samples=len(samples),
        example=samples[0],
        margin=margin,
        snippets=snippets,
        verify=f"pipeline verify {facts.name}-{facts.version}.zip{' --key PUBLIC.pem' * signed}",
    )
    (folder / FILE).write_text(text, encoding="utf-8")
