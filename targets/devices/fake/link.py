"""A link for tests: the device is a folder of this machine, or a function that answers."""

import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from targets.devices.contract import Completed
from targets.devices.local.link import LocalLink
from targets.files.digest import file_sha256

Handler = Callable[[list[str]], Completed | None]


class FakeLink(LocalLink):
    """Copies files to `folder`, and runs commands on this machine.

    `handler` is asked first for each command: it returns the answer, raises (`LinkLost`), or
    returns None to let the command run. `commands` holds every command.
    """

    shares_files = False

    def __init__(self, folder: Path, *, name: str = "fake", handler: Handler | None = None) -> None:
        super().__init__(folder, name=name)
        folder.mkdir(parents=True, exist_ok=True)
        self.commands: list[list[str]] = []
        self._handler = handler

    def run(self, argv: Sequence[str], *, env: Mapping[str, str], timeout_s: float) -> Completed:
        self.commands.append(list(argv))
        answer = None if self._handler is None else self._handler(list(argv))
        return answer or super().run(argv, env=env, timeout_s=timeout_s)

    def push(self, path: Path) -> str:
        target = self.folder / file_sha256(path)[:16] / path.name
        if not target.exists():
            target.parent.mkdir(parents=True)
            shutil.copytree(path, target) if path.is_dir() else shutil.copy(path, target)
        return str(target)

    def clean(self) -> None:
        shutil.rmtree(self.folder)
