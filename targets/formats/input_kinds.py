"""What a person calls a sample of each kind of data."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import NamedTuple


class Words(NamedTuple):
    one: str
    many: str

    def counted(self, count: int) -> str:
        """`1 image`, `1,200 images`."""
        return f"{count:,} {self.one if count == 1 else self.many}"


WORDS: Mapping[str, Words] = MappingProxyType(
    {
        "image": Words("image", "images"),
        "waveform": Words("clip", "clips"),
        "tokens": Words("text", "texts"),
        "array": Words("sample", "samples"),
    }
)
"""By `InputSpec.kind`."""
