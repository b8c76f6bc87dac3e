"""The reader of bundles: `VerificationError` or `InputError`, and no file outside its folder."""

import shutil
import struct
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from targets.bundle import reading, signing, trust
from targets.bundle.container import END, Entry
from targets.bundle.files import check_sums, files_of
from targets.bundle.schema import NAME, SIGNATURE, SUMS
from targets.errors import InputError, VerificationError
from tests.bundles import NUMBERS, numbers, packed
from tests.signers import key_pair


def target(folder: Path, corpus: Path) -> Callable[[bytes], None]:
    """The first byte says what the others are: a zip, a name in one, or a document."""
    good = numbers(folder / "good")
    private, public = key_pair(folder, "a")
    signing.sign(good, private)
    known, zipped = trust.in_key(public), packed(good).read_bytes()
    files = files_of(good, error=VerificationError)
    documents: dict[str, Callable[[], object]] = {
        NAME: lambda: reading.contents(files),
        f"{NUMBERS}.json": lambda: reading.contents(files),
        SUMS: lambda: check_sums(files, error=VerificationError),
        SIGNATURE: lambda: trust.verify(good, files, known),
    }
    names = list(documents)
    seeds = (zipped, b"models/a", *(files[name].read_bytes() for name in names))
    for place, seed in enumerate(seeds):
        (corpus / str(place)).write_bytes(bytes([place]) + seed)

    def run(data: bytes) -> None:
        kind, content = data[0] % len(seeds) if data else 0, data[1:]
        if kind < 2:
            unpacked(folder / "in", named(content) if kind else content)
        else:
            name = names[kind - 2]
            replaced(files[name], content, documents[name])

    return run


def unpacked(scratch: Path, content: bytes) -> None:
    out = scratch / "out"
    out.mkdir(parents=True, exist_ok=True)
    (scratch / "a.zip").write_bytes(content)
    with suppress(VerificationError, InputError):
        reading.contents(reading.unpack(scratch / "a.zip", out))
    assert {path.name for path in scratch.iterdir()} == {"a.zip", "out"}
    if any(out.iterdir()):
        shutil.rmtree(out)


def replaced(place: Path, content: bytes, read: Callable[[], object]) -> None:
    whole = place.read_bytes()
    place.write_bytes(content)
    with suppress(VerificationError):
        read()
    place.write_bytes(whole)


def named(raw: bytes) -> bytes:
    """A zip of an empty file of this name, without another fault."""
    try:
        entry = Entry(name=raw.decode(), crc=0, size=0, offset=0)
        local, central = entry.local, entry.central
    except (UnicodeDecodeError, struct.error):
        return raw
    return local + central + END.pack(b"PK\5\6", 0, 0, 1, 1, len(central), len(local), 0)
