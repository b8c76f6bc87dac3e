"""Results without what they say of the machines of the run.

Removed are the folders of absolute paths (a home folder names a person), host names and serial
numbers of devices (`id`), the addresses of devices, which become `device-1`, `device-2`, and that
of the MLflow server. What was measured, the processor and the versions stay. Relative paths stay:
they name files of the data.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import PurePosixPath, PureWindowsPath

from pydantic import JsonValue

ABSOLUTE = re.compile(
    r"(?<![\w.:/~-])(?:~?/[^\s\"'<>=:,]+/|[A-Za-z]:\\[^\s\"'<>=:,]+\\)[^\s\"'<>=:,\\/]+"
)
"""A path inside a sentence; `1/2`, `</p>` and `https://…` are none."""
SEPARATOR = re.compile(r"[\\/]")


@dataclass(kw_only=True)
class Scrubber:
    renamed: dict[str, str] = field(default_factory=dict)
    """What stood in a document -> what stands there now."""
    hosts: dict[str, str] = field(default_factory=dict)
    """Host name or serial number -> name of the device."""

    def add_devices(self, names: Iterable[str], ids: Mapping[str, str]) -> None:
        """`ids`: name of a device -> its host name or serial number."""
        addresses = [name for name in names if "://" in name or "@" in name]
        self.renamed |= {one: f"device-{place}" for place, one in enumerate(addresses, 1)}
        self.hosts |= {one: self.text(name) for name, one in ids.items() if one != name}

    def add_server(self, address: str) -> None:
        """The address of a server; paths are found without being named."""
        if "://" in address:
            self.renamed[address] = "server"

    def text(self, text: str) -> str:
        """A string of a document."""
        whole = PurePosixPath(text).is_absolute() or PureWindowsPath(text).is_absolute()
        for path in [text] if whole and "\n" not in text else ABSOLUTE.findall(text):
            name = SEPARATOR.split(path.rstrip("\\/"))[-1]
            if name and path.count("/") + path.count("\\") > 1:
                self.renamed[path] = name
        for long in self._longest_first():
            text = text.replace(long, self.renamed[long])
        return text

    def json(self, value: JsonValue) -> JsonValue:
        if isinstance(value, dict):
            return {self.text(key): self._of_key(key, one) for key, one in value.items()}
        if isinstance(value, list):
            return [self.json(one) for one in value]
        return self.text(value) if isinstance(value, str) else value

    def _of_key(self, key: str, value: JsonValue) -> JsonValue:
        if key == "id" and isinstance(value, str) and value in self.hosts:
            return self.hosts[value]
        return self.json(value)

    def html(self, page: str) -> str:
        """A page of documents that were scrubbed before: what was removed there goes here too, and
        host names where they are words of its text."""
        for long in self._longest_first():
            # Not inside the base64 of a picture.
            page = re.sub(rf"(?<![\w+/]){_spelt(long)}", _literal(self.renamed[long]), page)
        for host, name in self.hosts.items():
            word = rf"(?<![\w.-]){_spelt(host)}(?![\w.-])(?=[^<>]*<)"
            page = re.sub(word, _literal(name), page)
        return page

    def _longest_first(self) -> list[str]:
        return sorted(self.renamed, key=len, reverse=True)


def _spelt(text: str) -> str:
    """A pattern: as a page spells it, escaped in either way, with places to break a line."""
    chars = (f"(?:{re.escape(char)}|{re.escape(escape(char))}|&#{ord(char)};)" for char in text)
    return "(?:<wbr>)?".join(chars)


def _literal(text: str) -> str:
    """Escaped for a page, and as the second argument of `re.sub`."""
    return escape(text).replace("\\", r"\\")
