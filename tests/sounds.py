"""Sound files: tones in noise, so that no two are alike, and headers that no library writes."""

import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from pipeline.recipe.load import Override, load
from pipeline.recipe.schema import Recipe

RATE = 4000


def tone(number: int, *, seconds: float = 0.5, rate: int = RATE) -> npt.NDArray[np.int16]:
    """[samples], of a frequency and a loudness of its own."""
    random = np.random.default_rng(number)
    time = np.arange(round(seconds * rate)) / rate
    values = np.sin(2 * np.pi * random.uniform(200, 800) * time) + random.normal(size=len(time)) / 9
    made: npt.NDArray[np.int16] = np.rint(random.uniform(1000, 9000) * values).astype(np.int16)
    return made


def write(path: Path, samples: npt.NDArray[Any], *, rate: int = RATE) -> Path:
    """[samples] or [samples, channels], of any type that scipy writes."""
    from scipy.io import wavfile

    path.parent.mkdir(parents=True, exist_ok=True)
    wavfile.write(path, rate, samples)
    return path


def fill(root: Path, counts: Mapping[str, int], *, first: int = 0, **form: Any) -> Path:
    """Folder below `root` -> the number of its sounds, all of which differ."""
    number = first
    for folder, count in counts.items():
        for _ in range(count):
            write(root / folder / f"{number:04d}.wav", tone(number, **form))
            number += 1
    return root


def wav(
    content: bytes,
    *,
    tag: int = 1,
    channels: int = 1,
    rate: int = RATE,
    bits: int = 16,
    before: bytes = b"",
    said: int | None = None,
    order: str = "<",
    riff: bytes = b"RIFF",
    extra: bytes = b"",
) -> bytes:
    """A WAVE file with these bytes of samples; `said` is the size that its header promises.

    `before` stands in front of the samples, `extra` is the end of the chunk with the form.
    """
    block = channels * bits // 8
    form = struct.pack(f"{order}HHIIHH", tag, channels, rate, rate * block, block, bits) + extra
    body = b"WAVE" + before + chunk(b"fmt ", form, order)
    body += chunk(b"data", content, order, said=said)
    return riff + struct.pack(f"{order}I", min(len(body), 2**32 - 1)) + body


def chunk(name: bytes, content: bytes, order: str = "<", *, said: int | None = None) -> bytes:
    size = len(content) if said is None else said
    return name + struct.pack(f"{order}I", size) + content + b"\0" * (len(content) % 2)


def recipe(folder: Path, **keys: object) -> Recipe:
    """Of a recipe file for sounds with values of the command line: `dataset__rate=8000`."""
    file = folder / "sounds.toml"
    file.write_text('name = "sounds"\n[dataset]\nname = "sounds"\n')
    named = {name.replace("__", "."): value for name, value in keys.items()}
    return load(
        str(file), [Override(name, value, f"--set {name}") for name, value in named.items()]
    )
