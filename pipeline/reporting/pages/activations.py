"""Where the float student looked, laid over the pictures that flipped."""

from collections.abc import Mapping
from itertools import zip_longest
from typing import TYPE_CHECKING

import numpy as np

from pipeline.engine.artifacts import Checkpoint
from pipeline.reporting.pages import pictures
from pipeline.reporting.pages.album import data_uri
from pipeline.reporting.schema.flip import Flip
from pipeline.reporting.schema.report import Report

if TYPE_CHECKING:
    from pipeline.datasets.on_access import Images
    from pipeline.models.class_activation import Maps

LEAST = 24
"""Shorter side in pixels from which a map shows more than the picture does."""
MOST = 24
"""Pictures with a map."""
COLOUR = (240, 90, 0)
STRENGTH = 0.6


def activations(
    report: Report, student: Checkpoint, test: "Images", *, threads: int
) -> Mapping[str, str]:
    """Data URIs for `pages.pictures.album`, by `seen <key of the picture>`.

    Empty for what is no picture of some size, and for a network without such maps.
    """
    shown = _shown(report, test)
    if not shown:
        return {}
    raw = np.stack([test[flip.index : flip.index + 1][0] for flip in shown.values()])
    maps = _maps(student, raw, threads=threads)
    if maps is None:
        return {}
    return {
        f"seen {key}": data_uri(laid_over(picture, one))
        for key, picture, one in zip(shown, raw, maps, strict=True)
    }


def _shown(report: Report, test: "Images") -> dict[str, Flip]:
    """The first flips of each pair of networks and direction in turn, by the key of their picture,
    each picture once."""
    if test.ndim != 4 or test.shape[3] not in (1, 3) or min(test.shape[1:3]) < LEAST:
        return {}
    groups: dict[tuple[str, bool], list[Flip]] = {}
    for flip in report.flips:
        groups.setdefault((flip.after.model, flip.lost), []).append(flip)
    in_turn = [flip for turn in zip_longest(*groups.values()) for flip in turn if flip is not None]
    found = {pictures.key(flip): flip for flip in in_turn}
    return dict(list(found.items())[:MOST])


def _maps(student: Checkpoint, raw: "Images", *, threads: int) -> "Maps | None":
    from pipeline.models.class_activation import activation_maps, with_last_features
    from pipeline.training import session
    from pipeline.training.inference import make_features
    from pipeline.training.networks import restore

    session.start(seed=0, threads=threads)
    model = restore(student)
    both = with_last_features(model)
    if both is None:
        return None
    kernel = model.layers[-1].get_weights()[0]
    return activation_maps(make_features(both, student.network.input), raw, kernel)


def laid_over(picture: "Images", seen: "Maps") -> "Images":
    """The picture in grey, [h, w, 3], with the map as a colour of up to `STRENGTH`."""
    from PIL import Image

    grey = picture.mean(axis=2, keepdims=True)
    size = picture.shape[1], picture.shape[0]
    large = np.asarray(Image.fromarray(seen).resize(size, Image.Resampling.BILINEAR))
    share = STRENGTH * np.clip(large, 0, 1)[..., None]
    mixed: Images = (grey * (1 - share) + np.array(COLOUR) * share).round().astype(np.uint8)
    return mixed
