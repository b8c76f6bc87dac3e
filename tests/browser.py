"""A headless Chromium, by the DevTools protocol over a pipe, and axe-core in it."""

import base64
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any, NamedTuple

import pytest

TAGS = ("wcag2a", "wcag2aa", "wcag21a", "wcag21aa")
TALLEST = 16_000
"""Pixels of a screenshot: Chromium's limit is a texture of 16,384."""
OPTIONS = (
    *("--headless=new", "--remote-debugging-pipe", "--no-sandbox", "--disable-gpu"),
    *("--disable-dev-shm-usage", "--no-first-run", "--hide-scrollbars", "--disable-extensions"),
    *("--disable-background-networking", "--disable-component-update"),
)


class Look(NamedTuple):
    width: int
    dark: bool

    @property
    def name(self) -> str:
        return f"{self.width}-{'dark' if self.dark else 'light'}"


LOOKS = tuple(Look(width, dark) for width in (1280, 360) for dark in (False, True))


class Browser:
    """One page of one browser. Messages are JSON, each ended by a NUL."""

    def __init__(self, reads: int, writes: int) -> None:
        self._in, self._out = os.fdopen(reads, "rb"), os.fdopen(writes, "wb")
        self._sent, self._session = 0, None
        self.events: list[Any] = []
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.call(f"{domain}.enable")

    def close(self) -> None:
        self._in.close()
        self._out.close()

    def call(self, method: str, **params: object) -> Any:
        self._sent += 1
        message: dict[str, object] = {"id": self._sent, "method": method, "params": params}
        if self._session:
            message["sessionId"] = self._session
        self._out.write(json.dumps(message).encode() + b"\0")
        self._out.flush()
        while (got := self._read()).get("id") != self._sent:
            self.events.append(got)
        assert "error" not in got, got
        return got["result"]

    def _read(self) -> Any:
        text = b"".join(iter(lambda: self._in.read(1), b"\0"))
        return json.loads(text)

    def open(self, page: Path, look: Look) -> None:
        scheme = [{"name": "prefers-color-scheme", "value": "dark" if look.dark else "light"}]
        self.call("Emulation.setEmulatedMedia", features=scheme)
        self.size(look.width, 800)
        self.events.clear()
        self.call("Page.navigate", url=page.absolute().as_uri())
        while not any(event.get("method") == "Page.loadEventFired" for event in self.events):
            self.events.append(self._read())

    def size(self, width: int, height: int) -> None:
        self.call(
            "Emulation.setDeviceMetricsOverride",
            width=width,
            height=height,
            deviceScaleFactor=1,
            # A phone's browser widens its window to what overflows, which would hide it.
            mobile=False,
        )

    def evaluate(self, expression: str) -> Any:
        found = self.call(
            "Runtime.evaluate", expression=expression, awaitPromise=True, returnByValue=True
        )
        assert "exceptionDetails" not in found, found["exceptionDetails"]
        return found["result"].get("value")

    def press(self, key: str, code: int) -> None:
        text = {"Enter": "\r"}.get(key, "")
        for kind in ("keyDown", "keyUp"):
            self.call(
                "Input.dispatchKeyEvent", type=kind, key=key, code=key,
                windowsVirtualKeyCode=code, text=text if kind == "keyDown" else "",
            )  # fmt: skip

    def violations(self) -> list[str]:
        """What axe finds, a line for each rule and element."""
        self.evaluate(resources.files("axe_core_python").joinpath("axe.min.js").read_text("utf-8"))
        rules = json.dumps({"runOnly": list(TAGS), "resultTypes": ["violations"]})
        found = self.evaluate(f"axe.run({rules})")["violations"]
        return [f"{rule['id']}: {node['html']}" for rule in found for node in rule["nodes"]]

    def overflow(self) -> list[str]:
        """The elements that reach beyond the window, where it scrolls sideways."""
        return list(
            self.evaluate(
                "document.documentElement.scrollWidth <= innerWidth ? [] : "
                "[...document.body.querySelectorAll('*')].filter(e => "
                "e.getBoundingClientRect().right > innerWidth + 1)"
                ".map(e => e.outerHTML.slice(0, 200)).slice(0, 5)"
                ".concat(`${document.documentElement.scrollWidth} > ${innerWidth}`)"
            )
        )

    def fetched(self) -> list[str]:
        """Addresses of what the page asked for, without itself and its own data."""
        asked = [e["params"]["request"]["url"] for e in self.events if _is(e, "requestWillBeSent")]
        return [url for url in asked if not url.startswith(("data:", "file:"))]

    def complaints(self) -> list[str]:
        """Exceptions of the script, and what the page's policy has refused."""
        logged = [e["params"]["entry"]["text"] for e in self.events if _is(e, "entryAdded")]
        thrown = [str(e["params"]) for e in self.events if _is(e, "exceptionThrown")]
        return [*logged, *thrown]

    def screenshot(self, path: Path, look: Look) -> None:
        height = self.evaluate("Math.ceil(document.documentElement.scrollHeight)")
        self.size(look.width, min(int(height), TALLEST))
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))
        self.size(look.width, 800)


def _is(event: dict[str, Any], name: str) -> bool:
    return str(event.get("method", "")).endswith(f".{name}")


@contextmanager
def browser() -> Iterator[Browser]:
    """Skips the test where there is no Chromium; a failure as root with CI=true."""
    program = shutil.which("chromium") or shutil.which("google-chrome")
    if program is None:
        if os.environ.get("CI") == "true" and os.geteuid() == 0:
            pytest.fail("no chromium: apt-get install chromium")
        pytest.skip("no chromium: apt-get install chromium")
    (their_in, our_out), (our_in, their_out) = os.pipe(), os.pipe()
    # Its children may write there until they notice that it is gone.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile:
        # The protocol's descriptors are 3 and 4, whatever ours are.
        argv = ["bash", "-c", f'exec "$@" 3<&{their_in} 4>&{their_out}', "-", program]
        process = subprocess.Popen(
            [*argv, *OPTIONS, f"--user-data-dir={profile}"],
            pass_fds=(their_in, their_out), stderr=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
        )  # fmt: skip
        os.close(their_in)
        os.close(their_out)
        opened = Browser(our_in, our_out)
        try:
            yield opened
        finally:
            process.kill()
            process.wait()
            opened.close()


def faults(chromium: Browser, page: Path) -> dict[str, list[str]]:
    """What is wrong with a page, by look. `EDGE_DISTILL_SCREENSHOTS`: a folder for its pictures,
    which a CI job keeps."""
    kept, found = os.environ.get("EDGE_DISTILL_SCREENSHOTS"), {}
    for look in LOOKS:
        chromium.open(page, look)
        found[look.name] = [
            *chromium.violations(),
            *chromium.overflow(),
            *chromium.fetched(),
            *chromium.complaints(),
        ]
        if kept:
            Path(kept).mkdir(parents=True, exist_ok=True)
            chromium.screenshot(Path(kept) / f"{page.stem}-{look.name}.png", look)
    return {look: several for look, several in found.items() if several}
