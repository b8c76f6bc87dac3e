"""The microphone of this machine, where the package sounddevice is installed."""

from collections.abc import Iterator
from importlib import import_module
from types import ModuleType

import numpy as np

from targets.errors import DeviceError, InputError, missing_package
from targets.sounds.reading import Values
from targets.sounds.windowing import Waveform, Windowing

PACKAGE = "sounddevice"
EXTRA = "edge-distill[microphone]"


def windows(windowing: Windowing) -> Iterator[Waveform]:
    """The latest window of what is heard, every second, and more often if windows are shorter.

    It ends when the caller does. Raises `InputError` without the package, and `DeviceError` where
    no microphone can be opened.
    """
    return _windows(_library(), windowing)


def _windows(library: ModuleType, windowing: Windowing) -> Iterator[Waveform]:
    step = min(windowing.rate, windowing.samples)
    try:
        with library.InputStream(samplerate=windowing.rate, channels=1, dtype="float32") as stream:
            kept: Values = np.zeros(0)
            while True:
                values, is_lost = stream.read(step)
                # What was lost is in front of these values: a window has no gap.
                kept = np.concatenate([kept[:0] if is_lost else kept, values[:, 0]])
                kept = kept[-windowing.samples :]
                if len(kept) == windowing.samples:
                    yield windowing.window(kept, windowing.rate)
    except library.PortAudioError as error:
        raise DeviceError(
            f"the microphone cannot be used at {windowing.rate:,} Hz: {error}. `python -m "
            f"{PACKAGE}` lists the devices of this machine."
        ) from error


def _library() -> ModuleType:
    try:
        return import_module(PACKAGE)
    except ModuleNotFoundError as error:
        raise missing_package(EXTRA, needed_for="--microphone") from error
    except OSError as error:  # without PortAudio
        raise InputError(
            f"--microphone: the package '{PACKAGE}' cannot be loaded: {error}. It needs "
            "PortAudio: on Debian and Ubuntu: apt-get install libportaudio2."
        ) from error
