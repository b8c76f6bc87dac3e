"""A runtime of two short modules: a linear model, y = x W, in an .npz file."""

from targets.runtimes import Runtime
from tests.toys.runtime import session

RUNTIME = Runtime(
    name="abacus",
    session=session,
    requirements=("numpy>=1.26",),
    formats=("onnx",),  # by its name only
)
