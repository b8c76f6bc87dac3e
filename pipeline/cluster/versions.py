"""What two processes must have in common for their results to have the same keys."""

import hashlib
import json
import sys
from importlib import metadata

import pipeline
from pipeline.engine import code
from pipeline.engine.graph import STAGES

Versions = dict[str, str]


def versions() -> Versions:
    """Of the product and its code, of Python and of the libraries behind the stages."""
    behind = code.behind(*(stage.module for stage in STAGES if stage.reusable))
    modules = json.dumps(behind.modules, sort_keys=True).encode()
    return {
        "edge-distill": pipeline.__version__,
        "Python": f"{sys.version_info.major}.{sys.version_info.minor}",
        **{name: _version(name) for name in ("tensorflow", *behind.libraries)},
        "edge-distill with the code": hashlib.sha256(modules).hexdigest()[:16],
    }


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        return "none"


def differences(here: Versions, there: Versions) -> list[str]:
    """`tensorflow 2.20.0 there, 2.21.0 here`."""
    return [
        f"{name} {there.get(name, 'none')} there, {here.get(name, 'none')} here"
        for name in {**here, **there}
        if here.get(name) != there.get(name)
    ]
