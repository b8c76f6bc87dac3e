"""How a message names the settings of reading: as keys of a recipe, or as options of a command."""

from dataclasses import dataclass
from typing import Protocol


class Wording(Protocol):
    @property
    def place(self) -> str:
        """Begins every message."""
        ...

    def name(self, key: str) -> str: ...

    def set_to(self, key: str, value: str) -> str:
        """What the user does, as "set KEY"."""
        ...


@dataclass(frozen=True)
class OfRecipe:
    place: str = "data set texts: "

    def name(self, key: str) -> str:
        return f"dataset.{key}"

    def set_to(self, key: str, value: str) -> str:
        return f'set dataset.{key} = "{value}"'


@dataclass(frozen=True)
class OfCommand:
    place: str = ""

    def name(self, key: str) -> str:
        return f"--{key.replace('_', '-')}"

    def set_to(self, key: str, value: str) -> str:
        return f"give {self.name(key)} {value}"


RECIPE: Wording = OfRecipe()
COMMAND: Wording = OfCommand()
