"""The devices that a user can name: by address, or by an entry of devices.toml.

[pi4]
url = "ssh://pi@raspberrypi.local"
folder = "bench"                           # ours on the device [default: .edge-distill at home]
ssh_options = ["-F", "lab.config"]         # more arguments of ssh
acquire = ["lab-lock", "acquire", "pi4"]   # run on this machine before the device is used
release = ["lab-lock", "release", "pi4"]   # and after
cooldown_c = 55                            # a block begins at this temperature or below
"""

import re
from collections.abc import Sequence
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from targets.devices import DEVICE_KINDS
from targets.devices.contract import Device, DeviceKind, Entry
from targets.errors import InputError, did_you_mean, unknown
from targets.files.toml_text import parsed

FILE = "devices.toml"
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
LOCAL = "local"
"""The one address without a `://`."""
HOW = f'Write an entry into {FILE}: [NAME] and url = "ssh://USER@HOST".'


def places() -> list[Path]:
    """Where devices.toml may be; an entry of the first file replaces that of the second."""
    from platformdirs import user_config_path

    return [Path(FILE), user_config_path("edge-distill") / FILE]


def configured(files: Sequence[Path] | None = None) -> dict[str, Device]:
    """Every device that has an entry, by its name."""
    devices: dict[str, Device] = {}
    for path in reversed(places() if files is None else files):
        if path.is_file():
            devices |= read(path)
    return devices


def device(text: str, *, files: Sequence[Path] | None = None, place: str = "--device") -> Device:
    """The device that `text`, an address or a name, means; `place` is where the user wrote it."""
    if text == LOCAL or "://" in text:
        return _device(text, {"url": text}, place=place, file=None)
    known = configured(files)
    if text not in known:
        raise InputError(f"{unknown('device', text, [LOCAL, *known], place=place)} {HOW}")
    return known[text]


def groups(texts: Sequence[str], *, place: str = "--device") -> tuple[tuple[Device, ...], ...]:
    """The devices of each text: `a` is one, `a,b` a fleet, of which any one measures.

    Raises `InputError` for a device that is named twice: it would wait for itself.
    """
    found = tuple(
        tuple(device(name.strip(), place=place) for name in text.split(","))
        for text in dict.fromkeys(texts)
    )
    seen: dict[str, Device] = {}
    for one in (one for group in found for one in group):
        first = seen.setdefault(f"{one.scheme} {one.kind.identity(one)}", one)
        if first is not one:
            names = " and ".join(dict.fromkeys([first.name, one.name]))
            raise InputError(f"{place}: {names} is one device, named twice. Name it once.")
    return found


def read(path: Path) -> dict[str, Device]:
    """The devices of one file; an `InputError` names the entry and the key that is wrong."""
    try:
        tree = parsed(path.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError) as error:  # UnicodeDecodeError is one
        raise InputError(f"{path}: cannot be read: {error}. {HOW}") from error
    return {name: _entry(name, table, path) for name, table in tree.items()}


def _entry(name: str, table: object, path: Path) -> Device:
    if not isinstance(table, dict):
        raise InputError(f"{path}: {name}: is not an entry. {HOW}")
    if name == LOCAL or not NAME.fullmatch(name):
        raise InputError(
            f"{path}: [{name}]: cannot be a device's name. Use letters, digits, '.', '_' and '-'; "
            "local is this machine."
        )
    return _device(name, table, place=f"{path}: {name}", file=path)


def _device(name: str, table: dict[str, object], *, place: str, file: Path | None) -> Device:
    kind = _kind(table.get("url"), place if file is None else f"{place}.url")
    home = None if file is None else file.absolute().parent
    try:
        entry = (Entry if kind is None else kind.entry).model_validate(table, context=home)
    except ValidationError as error:
        raise InputError(" ".join(_explain(one, place, file) for one in error.errors())) from error
    assert kind is not None  # else `url` was missing or no text
    if bool(entry.acquire) != bool(entry.release):
        missing = "release" if entry.acquire else "acquire"
        raise InputError(f"{place}.{missing}: is missing: what is acquired must be released.")
    return Device(name=name, kind=kind, entry=entry, file=file)


def _kind(url: object, place: str) -> DeviceKind | None:
    """Return the kind of the URL's scheme; None if `url` is no text, which the entry reports."""
    if not isinstance(url, str):
        return None
    scheme, mark, _ = url.partition("://")
    if (mark or scheme == LOCAL) and scheme in DEVICE_KINDS:
        return DEVICE_KINDS[scheme]
    forms = ", ".join(kind.url_form for kind in DEVICE_KINDS.values())
    raise InputError(
        f"{place}: {url}: is not the address of a device. Write it as one of: {forms}; for "
        "example ssh://pi@raspberrypi.local."
    )


def _explain(item: ErrorDetails, place: str, file: Path | None) -> str:
    key = ".".join(str(part) for part in item["loc"])
    if item["type"] == "value_error":  # of a validator: a whole sentence
        at = place if file is None else f"{place}.{key}"
        value = f"{item['input']}: " if key == "url" else ""
        return f"{at}: {value}{item['ctx']['error']}"
    if item["type"] == "extra_forbidden":
        return f"{place}.{key}: {_unknown_key(key)}"
    if item["type"] == "missing":
        return f'{place}.{key}: is missing, as in {key} = "ssh://pi@raspberrypi.local".'
    return f"{place}.{key}: {item['msg'].rstrip('.')}, not {item['input']!r}."


def _unknown_key(key: str) -> str:
    """A key that other kinds of devices have, or that none has."""
    kinds = DEVICE_KINDS.values()
    if owners := [kind.url_form for kind in kinds if key in kind.entry.model_fields]:
        return f"only a device at {' or '.join(owners)} has this key. Remove it."
    known = dict.fromkeys(field for kind in kinds for field in kind.entry.model_fields)
    return f"unknown key{did_you_mean(key, known)} Known: {', '.join(known)}."
