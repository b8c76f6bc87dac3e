"""`sbom.cdx.json`: the parts of a bundle as a CycloneDX bill of materials for machine learning."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, uuid5

from targets.bundle.facts import Facts
from targets.bundle.schema import BundledModel

if TYPE_CHECKING:
    from cyclonedx.model.component import Component

FILE = "sbom.cdx.json"


def write(
    folder: Path, facts: Facts, models: Sequence[BundledModel], beside: Mapping[str, str]
) -> None:
    """The same facts give the same bytes: its time is that of the run, its number theirs.

    `beside`: path -> digest of the files that the models need.
    """
    from cyclonedx.model.bom import Bom, BomMetaData
    from cyclonedx.output.json import JsonV1Dot6

    whole = _whole(facts)
    parts = [_model(facts, model) for model in models]
    needed = [_file(path, digest) for path, digest in beside.items()]
    data, *libraries = _data(facts), *_libraries(facts)
    content = "\n".join((facts.name, facts.version, *(model.sha256 for model in models)))
    bom = Bom(
        serial_number=uuid5(NAMESPACE_URL, content),
        metadata=BomMetaData(
            component=whole, timestamp=datetime.fromisoformat(facts.origin.ended_utc)
        ),
        components=[*parts, *needed, data, *libraries],
    )
    bom.register_dependency(whole, parts)
    for part in parts:
        bom.register_dependency(part, [*needed, data, *libraries])
    (folder / FILE).write_text(JsonV1Dot6(bom).output_as_string(indent=1) + "\n", "utf-8")


def _whole(facts: Facts) -> "Component":
    from cyclonedx.model.component import Component, ComponentType
    from cyclonedx.model.license import DisjunctiveLicense
    from cyclonedx.spdx import is_supported_id

    name = facts.license
    known = DisjunctiveLicense(id=name) if name and is_supported_id(name) else None
    licenses = [known or DisjunctiveLicense(name=name)] if name else []
    return Component(
        type=ComponentType.APPLICATION,
        name=facts.name,
        version=facts.version,
        bom_ref="bundle",
        licenses=licenses,
    )


def _model(facts: Facts, model: BundledModel) -> "Component":
    from cyclonedx.model import HashAlgorithm, HashType, Property
    from cyclonedx.model.component import Component, ComponentType

    known = next(one for one in facts.models if one.name == model.name)
    values = {
        "precision": known.precision,
        "format": known.format,
        "test:top1": f"{known.top1:.6f}",
        "measured:sha256": model.measured_sha256,
    }
    return Component(
        type=ComponentType.MACHINE_LEARNING_MODEL,
        name=model.file,
        version=facts.version,
        bom_ref=model.file,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=model.sha256)],
        properties=[Property(name=f"edge-distill:{k}", value=v) for k, v in values.items()],
    )


def _file(path: str, sha256: str) -> "Component":
    from cyclonedx.model import HashAlgorithm, HashType
    from cyclonedx.model.component import Component, ComponentType

    return Component(
        type=ComponentType.FILE,
        name=path,
        bom_ref=path,
        hashes=[HashType(alg=HashAlgorithm.SHA_256, content=sha256)],
    )


def _data(facts: Facts) -> "Component":
    """The digest is that of the data set's contents, and of no file: no hash of the standard."""
    from cyclonedx.model import Property
    from cyclonedx.model.component import Component, ComponentType

    values = {"sha256": facts.data.sha256, "classes": str(len(facts.data.classes))}
    values |= {f"samples:{split}": str(count) for split, count in facts.data.splits.items()}
    return Component(
        type=ComponentType.DATA,
        name=facts.data.name,
        bom_ref="data",
        properties=[Property(name=f"edge-distill:{k}", value=v) for k, v in values.items()],
    )


def _libraries(facts: Facts) -> "list[Component]":
    from cyclonedx.model.component import Component, ComponentType
    from packageurl import PackageURL

    versions = {"edge-distill": facts.origin.version, **facts.origin.libraries}
    return [
        Component(
            type=ComponentType.LIBRARY,
            name=name,
            version=version,
            bom_ref=f"library:{name}",
            purl=PackageURL("generic" if name == "python" else "pypi", None, name, version),
        )
        for name, version in versions.items()
    ]
