"""Settings for a measurement, restored afterwards, also after a failure."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from targets.devices.contract import Completed, Link, LinkLost
from targets.errors import DeviceError

STAY_ON = "stay_on_while_plugged_in"
WAKE_UP, SLEEP = "224", "223"  # android.view.KeyEvent
ANSWER_S = 60.0
RETRY_S = 60.0
"""How long a lost device may take to come back."""


@contextmanager
def steady(link: Link, *, retry_s: float = RETRY_S) -> Iterator[None]:
    """Keep the screen on inside the block.

    A script that restores the settings is written to the device before anything is changed. It runs
    at the end, also after a failure; after a crash of this program, at the start of the next call.
    """
    script = link.remote_path("restore.sh")
    _restore(link, script)
    _write(link, script, _restoration(link))
    try:
        _keep_screen_on(link)
        yield
    finally:
        _restore_soon(link, script, retry_s)


def _restoration(link: Link) -> str:
    """The script that restores the present settings."""
    before = _sh(link, f"settings get global {STAY_ON}").stdout.strip()
    restore = f"put global {STAY_ON} {before}" if before.isdigit() else f"delete global {STAY_ON}"
    lines = ["e=0", f"settings {restore} || e=1"]
    if "mWakefulness=Awake" not in _sh(link, "dumpsys power | grep mWakefulness=").stdout:
        lines.append(f"input keyevent {SLEEP} || e=1")
    return "\n".join([*lines, "exit $e", ""])


def _keep_screen_on(link: Link) -> None:
    done = _sh(link, f"svc power stayon true && input keyevent {WAKE_UP} && wm dismiss-keyguard")
    if done.returncode != 0:
        why = (done.stderr or done.stdout).strip() or f"exit code {done.returncode}"
        raise DeviceError(
            f"device {link.name}: its screen cannot be kept on: turn on 'Stay awake' in developer "
            f"options. Its message: {why}."
        )


def _restore_soon(link: Link, script: str, retry_s: float) -> None:
    end = time.monotonic() + retry_s
    while True:
        try:
            return _restore(link, script)
        except LinkLost as lost:
            if time.monotonic() > end:
                raise LinkLost(
                    f"device {link.name}: gone before its settings were restored: the next "
                    f"measurement does it, or by hand: adb shell sh {script}."
                ) from lost
            time.sleep(min(2.0, retry_s / 4))


def _restore(link: Link, script: str) -> None:
    """Run the script if it exists, and remove it once it has succeeded."""
    done = _sh(link, '[ -f "$1" ] || exit 0; sh "$1" && rm "$1"', script)
    if done.returncode != 0:
        raise DeviceError(
            f"device {link.name}: its settings could not be restored: {done.stderr.strip()}. Do "
            f"it by hand: adb shell sh {script}."
        )


def _write(link: Link, remote: str, text: str) -> None:
    done = _sh(link, 'printf %s "$2" >"$1.new" && mv "$1.new" "$1"', remote, text)
    if done.returncode != 0:
        raise DeviceError(
            f"device {link.name}: {remote} cannot be written: {done.stderr.strip()}. Make room: "
            f"pipeline devices clean {link.name}."
        )


def _sh(link: Link, script: str, *arguments: str) -> Completed:
    return link.run(["sh", "-c", script, "sh", *arguments], env={}, timeout_s=ANSWER_S)
