"""Settings for a measurement, put back afterwards whatever happens in between."""

import time
from collections.abc import Iterator
from contextlib import contextmanager

from targets.devices.link import Completed, Link, LinkLost
from targets.errors import DeviceError

STAY_ON = "stay_on_while_plugged_in"
WAKE_UP, SLEEP = "224", "223"  # android.view.KeyEvent
FIXED = "cmd power set-fixed-performance-mode-enabled"
ANSWER_S = 60.0
RETRY_S = 60.0
"""How long a lost device may take to come back and get its settings."""


@contextmanager
def steady(
    link: Link, *, fixed_performance: bool = False, retry_s: float = RETRY_S
) -> Iterator[None]:
    """The screen on and, if asked, a frequency that the device can hold; as before afterwards.

    How to put back lies on the device as a script before anything is changed. It is run at the end,
    also of a failure; or, after a crash of this program, at the beginning of the next time.
    `fixed_performance` (Android 11) is a variant to be labelled, not what a user's app gets.
    """
    script = link.place("restore.sh")
    _restore(link, script)
    if fixed_performance:  # what cannot be turned off cannot be turned on: before any change
        _must(link, f"{FIXED} false", "it has no fixed-performance mode: measure without it")
    _write(link, script, _restoration(link, fixed_performance=fixed_performance))
    try:
        _change(link, fixed_performance=fixed_performance)
        yield
    finally:
        _restore_soon(link, script, retry_s)


def _restoration(link: Link, *, fixed_performance: bool) -> str:
    """The script that brings back what is set now."""
    before = _sh(link, f"settings get global {STAY_ON}").stdout.strip()
    put_back = f"put global {STAY_ON} {before}" if before.isdigit() else f"delete global {STAY_ON}"
    lines = ["e=0", f"settings {put_back} || e=1"]
    if "mWakefulness=Awake" not in _sh(link, "dumpsys power | grep mWakefulness=").stdout:
        lines.append(f"input keyevent {SLEEP} || e=1")
    if fixed_performance:  # no command tells whether it was on; off is Android's default
        lines.append(f"{FIXED} false || e=1")
    return "\n".join([*lines, "exit $e", ""])


def _change(link: Link, *, fixed_performance: bool) -> None:
    awake = f"svc power stayon true && input keyevent {WAKE_UP} && wm dismiss-keyguard"
    _must(link, awake, "its screen cannot be kept on: turn on 'Stay awake' in developer options")
    if fixed_performance:
        _must(link, f"{FIXED} true", "its fixed-performance mode cannot be set: measure without")


def _must(link: Link, command: str, remedy: str) -> None:
    done = _sh(link, command)
    if done.returncode != 0:
        why = (done.stderr or done.stdout).strip() or f"exit code {done.returncode}"
        raise DeviceError(f"device {link.name}: {remedy}. It said: {why}.")


def _restore_soon(link: Link, script: str, retry_s: float) -> None:
    end = time.monotonic() + retry_s
    while True:
        try:
            return _restore(link, script)
        except LinkLost as lost:
            if time.monotonic() > end:
                raise LinkLost(
                    f"device {link.name}: gone before its settings were put back: the next "
                    f"measurement does it, or by hand: adb shell sh {script}."
                ) from lost
            time.sleep(min(2.0, retry_s / 4))


def _restore(link: Link, script: str) -> None:
    """Put back, if there is anything to; once it is done the script is gone."""
    done = _sh(link, '[ -f "$1" ] || exit 0; sh "$1" && rm "$1"', script)
    if done.returncode != 0:
        raise DeviceError(
            f"device {link.name}: its settings could not be put back: {done.stderr.strip()}. Do "
            f"it by hand: adb shell sh {script}."
        )


def _write(link: Link, there: str, text: str) -> None:
    done = _sh(link, 'printf %s "$2" >"$1.new" && mv "$1.new" "$1"', there, text)
    if done.returncode != 0:
        raise DeviceError(
            f"device {link.name}: {there} cannot be written: {done.stderr.strip()}. Make room: "
            f"pipeline devices clean {link.name}."
        )


def _sh(link: Link, script: str, *arguments: str) -> Completed:
    return link.run(["sh", "-c", script, "sh", *arguments], env={}, timeout_s=ANSWER_S)
