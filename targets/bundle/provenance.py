"""`provenance.intoto.json`: how the model files were made, as an in-toto statement of SLSA.

It is unsigned by itself: the signature of the bundle covers it.
"""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from pydantic import JsonValue

from targets.bundle.facts import Facts
from targets.bundle.schema import BundledModel

FILE = "provenance.intoto.json"
STATEMENT = "https://in-toto.io/Statement/v1"
PREDICATE = "https://slsa.dev/provenance/v1"
BUILD_TYPE = "urn:edge-distill:run:v1"
"""External parameters: the recipe with all its values, and the seed. Byproducts: the stored result
of each stage with its digest."""
BUILDER = "urn:edge-distill:command-line"


def write(
    folder: Path, facts: Facts, models: Sequence[BundledModel], beside: Mapping[str, str]
) -> None:
    """`beside`: path -> digest of the files that the models need."""
    made = {**{model.file: model.sha256 for model in models}, **beside}
    statement: dict[str, JsonValue] = {
        "_type": STATEMENT,
        "subject": [{"name": file, "digest": {"sha256": one}} for file, one in made.items()],
        "predicateType": PREDICATE,
        "predicate": {"buildDefinition": _definition(facts), "runDetails": _details(facts, models)},
    }
    text = json.dumps(statement, indent=1, ensure_ascii=False)
    (folder / FILE).write_text(f"{text}\n", encoding="utf-8")


def _definition(facts: Facts) -> dict[str, JsonValue]:
    libraries: list[JsonValue] = [
        {"uri": f"pkg:{'generic' if name == 'python' else 'pypi'}/{name}@{version}"}
        for name, version in facts.origin.libraries.items()
    ]
    data: JsonValue = {"name": facts.data.name, "digest": {"sha256": facts.data.sha256}}
    return {
        "buildType": BUILD_TYPE,
        "externalParameters": {"recipe": facts.origin.recipe, "seed": facts.origin.seed},
        "internalParameters": {},
        "resolvedDependencies": [data, *libraries],
    }


def _details(facts: Facts, models: Sequence[BundledModel]) -> dict[str, JsonValue]:
    stages: list[JsonValue] = [
        {"name": f"stage:{name}", "digest": {"sha256": digest}}
        for name, digest in facts.origin.stages.items()
    ]
    measured: list[JsonValue] = [
        {"name": f"measured:{model.file}", "digest": {"sha256": model.measured_sha256}}
        for model in models
    ]
    return {
        "builder": {"id": BUILDER, "version": {"edge-distill": facts.origin.version}},
        "metadata": {
            "startedOn": _zulu(facts.origin.began_utc),
            "finishedOn": _zulu(facts.origin.ended_utc),
        },
        "byproducts": [*stages, *measured],
    }


def _zulu(time: str) -> str:
    return time.replace("+00:00", "Z")
