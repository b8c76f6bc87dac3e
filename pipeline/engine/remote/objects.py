"""Objects below the prefix of a store. A name has slashes, as a path has."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, BinaryIO

from pipeline.engine.remote.address import Address
from pipeline.engine.remote.errors import explained
from pipeline.engine.remote.filesystem import opened

CHUNK_BYTES = 8 * 2**20


@dataclass(frozen=True)
class Objects:
    """Every method raises `StoreError` where the store does not answer, or does not let us."""

    address: Address

    @cached_property
    def _files(self) -> Any:
        return opened(self.address)

    def read(self, name: str) -> bytes | None:
        """None where there is no such object."""
        chunks = self._chunks(name)
        return None if chunks is None else b"".join(chunks)

    def write(self, name: str, content: bytes) -> None:
        """Put an object in the place of another, or none, at once."""
        self._write(name, [content])

    def download(self, name: str, file: Path) -> bool:
        """Whether there is such an object."""
        chunks = self._chunks(name)
        if chunks is None:
            return False
        with file.open("wb") as target:
            for chunk in chunks:
                target.write(chunk)
        return True

    def upload(self, source: BinaryIO, name: str) -> None:
        self._write(name, iter(partial(source.read, CHUNK_BYTES), b""))

    def remove(self, name: str) -> None:
        with self._answered(), suppress(FileNotFoundError):
            self._files.delete_file(self._path(name))

    def remove_folder(self, name: str) -> None:
        with self._answered(), suppress(FileNotFoundError):
            self._files.delete_dir(self._path(name))

    def sizes(self, folder: str = "") -> dict[str, int]:
        """Bytes of every object in a folder, by its name."""
        files, place = self._files, self._path(folder).rstrip("/")
        from pyarrow.fs import FileSelector

        with self._answered():
            found = files.get_file_info(FileSelector(place, recursive=True, allow_not_found=True))
        start = len(self._path(""))
        return {one.path[start:]: one.size for one in found if one.is_file}

    def _chunks(self, name: str) -> Iterator[bytes] | None:
        with self._answered():
            try:
                source = self._files.open_input_file(self._path(name))
            except FileNotFoundError:
                return None

        def chunk() -> bytes:
            with self._answered():
                read: bytes = source.read(CHUNK_BYTES)
                return read

        return iter(chunk, b"")

    def _write(self, name: str, chunks: Iterable[bytes]) -> None:
        """An error of `chunks` is not one of the store."""
        with self._answered():
            target = self._files.open_output_stream(self._path(name))
        for chunk in chunks:
            with self._answered():
                target.write(chunk)
        with self._answered():
            target.close()

    def _path(self, name: str) -> str:
        return f"{self.address.path}/{name}"

    @contextmanager
    def _answered(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise explained(self.address, error) from error
