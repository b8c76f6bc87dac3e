"""`python -m tests.fuzzing bundle|result -runs=N`: libFuzzer, which ends with 77 at an exception
that a user could not act on."""

import sys
from importlib import import_module
from pathlib import Path
from tempfile import TemporaryDirectory

import atheris

with atheris.instrument_imports(include=["targets.bundle", "targets.bench.decoding"]):
    module = import_module(f"tests.fuzzing.{sys.argv[1]}")

MEMORY = Path("/dev/shm")
"""Tens of thousands of small files are written."""

with TemporaryDirectory(dir=MEMORY if MEMORY.is_dir() else None) as folder:
    corpus = Path(folder) / "corpus"
    corpus.mkdir()
    target = module.target(Path(folder), corpus)
    atheris.Setup([sys.argv[0], *sys.argv[2:], str(corpus)], target)
    atheris.Fuzz()
