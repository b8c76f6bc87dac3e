"""The journal of a search: a file for each question, whose trials answer no other one."""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

from pydantic import JsonValue

from pipeline import datasets
from pipeline.engine.fingerprint import stage_key
from pipeline.engine.graph import needed
from pipeline.engine.manifest import StageKey
from pipeline.recipe.load import Source
from pipeline.recipe.schema import Recipe
from pipeline.search.space import Space
from pipeline.search.variants import FAMILY, candidate
from targets.devices import inventory
from targets.devices.contract import Device
from targets.devices.local.probe import probe_local
from targets.devices.one_model import model

LEFT_OUT = {"name", "about", "search", "gates", "tracking", "ablation", "bench"}
"""Tables that change no trial."""


def journal(folder: Path, source: Source, space: Space) -> Path:
    """Another space, budget or seed has other trials, and so have other data, another device behind
    the same name, and other code of the stages or their libraries."""
    recipe = source.recipe()
    asked = {
        "recipe": recipe.model_dump(mode="json", exclude=LEFT_OUT),
        "search": recipe.search.model_dump(mode="json", exclude={"trials", "space"}),
        "space": [row.model_dump(mode="json") for row in space.rows()],
        "devices": [*_devices(recipe), recipe.bench.threads],
        "stages": [*_stages(source, space)],
    }
    digest = hashlib.sha256(json.dumps(asked, sort_keys=True).encode()).hexdigest()[:16]
    return folder / f"{digest}.journal"


def _devices(recipe: Recipe) -> Iterator[JsonValue]:
    names = [*dict.fromkeys(recipe.bench.devices)]
    for name, group in zip(names, inventory.groups(names), strict=True):
        yield [name, *(_place(one) for one in group)]


def _place(device: Device) -> JsonValue:
    """Its address; `local` is another device where the folder is shared, or was moved."""
    if device.url != inventory.LOCAL:
        return device.url
    facts = probe_local()
    return [device.url, facts.id, {**model(facts)}]


def _stages(source: Source, space: Space) -> Iterator[StageKey]:
    """What decides the results of each family's stages, without what they get from each other."""
    for family in space.families():
        recipe = candidate(source, {FAMILY: family})
        sha256 = datasets.source_digest(recipe.dataset)
        for stage in needed(recipe):
            if stage.reusable:
                yield stage_key(stage, recipe, inputs={}, dataset_sha256=sha256)
