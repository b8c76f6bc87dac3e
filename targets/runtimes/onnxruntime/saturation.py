"""Products of int8 weights that saturate on some processors, so that outputs differ there."""

from collections.abc import Iterator
from pathlib import Path

from targets.runtimes.contract import Conditions

EXACT = "session.x64quantprecision"
"""Option with which ONNX Runtime multiplies with int8 weights exactly on x86."""


def saturation(path: Path, conditions: Conditions) -> Iterator[str]:
    from targets.formats.onnx.products import saturating_products
    from targets.processors import saturates

    features = conditions.cpu_features
    if conditions.options.get(EXACT) == "1" or not features:
        return
    if not saturates(conditions.abi, features):
        return
    found = saturating_products(path)
    if found:
        yield (
            f"{len(found)} operators multiply with int8 weights, and those products saturate on "
            f"this processor ({', '.join(features)}; no VNNI): its outputs can be other ones than "
            f"elsewhere. Store the weights as uint8, or give --ort-option {EXACT}=1"
        )
