"""Results in an object store: `<stage>-<hash>/manifest.json`, and its files in a folder beside it.

The files come first and the manifest last, so that a result is there exactly if its manifest is.
There are no locks, which an object store does not have, and none are needed: makers of the same key
make the same bytes, and write the same objects. Where they do not (another processor), the files of
each are in a folder of their own digest, and the manifest that was written last names one of them.
"""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pipeline.engine.manifest import FILE, Manifest, parsed
from pipeline.engine.remote.objects import Objects
from targets.files.digest import file_sha256

READS = 3


@dataclass(frozen=True)
class Results:
    objects: Objects

    def manifest(self, name: str) -> Manifest | str | None:
        """The manifest of the result `name`, its object where that is damaged, or None."""
        place = f"{name}/{FILE}"
        # pyarrow asks for the size first: of one that is replaced meanwhile, the end is missing.
        for _ in range(READS):
            text = self.objects.read(place)
            if text is None:
                return None
            manifest = parsed(text, folder=name)
            # Its paths become paths of this machine.
            if manifest is not None and all(map(_is_inside, manifest.files)):
                return manifest
        return place

    def fetch(self, manifest: Manifest, folder: Path) -> str | None:
        """Download the files of a result; the first that is missing or has other contents."""
        for file, expected in manifest.files.items():
            place, path = _place(manifest, file), folder / file
            path.parent.mkdir(parents=True, exist_ok=True)
            if not self.objects.download(place, path) or file_sha256(path) != expected:
                return place
        return None

    def publish(self, folder: Path, manifest: Manifest) -> None:
        for file in manifest.files:
            with (folder / file).open("rb") as source:
                self.objects.upload(source, _place(manifest, file))
        self.objects.write(f"{manifest.folder}/{FILE}", manifest.written().encode())


def _place(manifest: Manifest, file: str) -> str:
    return f"{manifest.folder}/{manifest.digest[:16]}/{file}"


def _is_inside(file: str) -> bool:
    path = PurePosixPath(file)
    return not path.is_absolute() and ".." not in path.parts and str(path) == file
