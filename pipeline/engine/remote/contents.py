"""What an object store holds: its size by stage."""

from collections.abc import Mapping

from typing_extensions import TypedDict

from pipeline.engine.manifest import FILE
from pipeline.engine.remote.objects import Objects
from pipeline.engine.remote.unfinished import INDEX, WORK
from pipeline.engine.upkeep.contents import FOLDER


class Amount(TypedDict):
    count: int
    """Results with a manifest, or trainings with a checkpoint."""
    size_bytes: int


class Contents(TypedDict):
    schema: str
    store: str
    stages: dict[str, Amount]
    unfinished: Amount
    total: Amount
    """Of both; whatever else is there is not ours."""


def contents(objects: Objects) -> Contents:
    """The document of `pipeline store size` for a URL."""
    sizes, found = objects.sizes(), dict[str, dict[str, int]]()
    for name, size in sizes.items():
        folder = name.partition("/")[0]
        stage = WORK if folder == WORK else _stage(folder)
        if stage:
            found.setdefault(stage, {})[name] = size
    unfinished = _amount(found.pop(WORK, {}), f"/{INDEX}")
    stages = {stage: _amount(every, f"/{FILE}") for stage, every in sorted(found.items())}
    amounts = [*stages.values(), unfinished]
    return {
        "schema": "store-objects/1",
        "store": str(objects.address),
        "stages": stages,
        "unfinished": unfinished,
        "total": {
            "count": sum(one["count"] for one in amounts),
            "size_bytes": sum(one["size_bytes"] for one in amounts),
        },
    }


def _stage(folder: str) -> str:
    named = FOLDER.fullmatch(folder)
    return named[1] if named else ""


def _amount(sizes: Mapping[str, int], counted: str) -> Amount:
    """`counted` ends the name of an object that each has once."""
    count = sum(name.endswith(counted) for name in sizes)
    return {"count": count, "size_bytes": sum(sizes.values())}
