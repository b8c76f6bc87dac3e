"""`pipeline verify`."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from pipeline.cli.options import JSON, PATH
from pipeline.cli.signing_options import TrustOptions, trust_options

if TYPE_CHECKING:
    from targets.bundle.verification import Step

LARGE = 2**26
"""Bytes of a bundle whose steps take long enough to be announced."""


@click.command()
@click.argument("bundle", type=PATH)
@trust_options
@click.option(
    "--timeout",
    "timeout_s",
    type=click.FloatRange(min=1),
    default=120,
    show_default=True,
    help="Seconds for one model to load and to run its samples.",
)
@JSON
def verify(bundle: Path, timeout_s: float, as_json: bool, **trust: object) -> int:
    """Verify a bundle: its container, digests, signature, contents, models and samples.

    BUNDLE is the .zip of `pipeline package`, or its unpacked folder. The models run in processes of
    their own, and only after digests and signature have passed; each sample must get the recorded
    class on this processor. The exit code is 1 if a step failed.

    \b
    Example:
      pipeline verify digits-1.0.zip --key public.pem
    """
    from targets.errors import VerificationError

    found = _steps(bundle, TrustOptions(**trust), timeout_s)  # type: ignore[arg-type] # click checks
    steps = list(found if as_json else _shown(found))
    if as_json:
        click.echo(json.dumps(_document(bundle, steps), indent=1))
    if steps[-1].verdict == "failed":
        raise VerificationError(steps[-1].text)
    return 0


def _steps(bundle: Path, options: TrustOptions, timeout_s: float) -> "Iterator[Step]":
    from targets.bundle.verification import verified

    large = bundle.is_file() and bundle.stat().st_size > LARGE
    return verified(
        bundle,
        trust=options.trust(),
        timeout_s=timeout_s,
        say=lambda name: click.echo(f"verify    {name}", err=True) if large else None,
    )


def _shown(steps: "Iterator[Step]") -> "Iterator[Step]":
    """Each with its line as soon as it is done; the reason of a failure is the error."""
    for step in steps:
        text = "" if step.verdict == "failed" else f"  {step.text}"
        click.echo(f"{step.name:<9}  {step.verdict:<7}{text}".rstrip())
        yield step


def _document(bundle: Path, steps: "list[Step]") -> dict[str, object]:
    return {
        "schema": "verification/1",
        "bundle": str(bundle),
        "verified": steps[-1].verdict != "failed",
        "steps": [vars(step) for step in steps],
    }
