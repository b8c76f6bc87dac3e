"""The form of a network: as published, or with fewer strides for small images."""

from collections.abc import Sequence
from typing import Literal

from targets.errors import InputError

PUBLISHED_FROM = 64
"""Shorter side in pixels from which `auto` takes the strides of the paper. They divide it by 32,
which leaves one pixel of a 32x32 image."""

Form = Literal["auto", "small", "paper"]


def as_published(shape: tuple[int, ...], form: Form) -> bool:
    """Whether a network for images of `shape` [height, width, channels] has the paper's strides."""
    return form == "paper" or (form == "auto" and min(shape[:2]) >= PUBLISHED_FROM)


def require_whole(depth: Sequence[int], published: Sequence[int], *, family: str) -> None:
    """Raise `InputError` if a `depth` is set for the small form, which has no stages to shorten."""
    if tuple(depth) != tuple(published):
        raise InputError(
            f"family {family}: depth is of the form for images of {PUBLISHED_FROM} pixels and "
            "more, and this network has the form for smaller ones. Leave depth out, or set "
            'form = "paper".'
        )
