"""Sounds as a kind of file."""

from pipeline.datasets.files.kind import FileKind
from targets.sounds.recognition import may_be_sound

SOUNDS = FileKind(
    dataset="sounds",
    one="sound",
    many="sounds",
    suffix=".wav",
    sample="waveform",
    groups="speakers",
    cache="sounds",
    may_be=may_be_sound,
)

LIBRARIES = ("scipy", "soundfile")
"""What decides the samples of a sound."""
