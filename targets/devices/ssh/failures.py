"""Messages of ssh or of a device as one paragraph with the remedy."""

from targets.devices.contract import LinkLost
from targets.errors import DeviceError

NO_CLIENT = (
    "device {name}: the program ssh is not installed. Install OpenSSH's client "
    "(Debian: apt-get install openssh-client)."
)
# Text of ssh (LogLevel ERROR), the first that is found -> what it means and the remedy.
REFUSED = {
    "REMOTE HOST IDENTIFICATION HAS CHANGED": (
        "its host key differs from the one in known_hosts: it was installed anew, or it is "
        "another machine. If you know why: ssh-keygen -R {host}, then once: ssh {host}."
    ),
    "Host key verification failed": (
        "its host key is not known yet. Connect once by hand and compare the fingerprint: "
        "ssh {host} (or: ssh-keyscan {host} >> ~/.ssh/known_hosts)."
    ),
    "Permission denied": (
        "it does not accept your key, and a password cannot be typed here: "
        "ssh-copy-id {host} ({last})."
    ),
    "Too many authentication failures": (
        "your agent offers too many keys: name the right one by IdentityFile and IdentitiesOnly "
        "in ~/.ssh/config."
    ),
    "Bad configuration option": "your ssh configuration is refused: {last}",
    "Bad owner or permissions": "your ssh configuration is refused: {last}",
}
AWAY = {
    "Could not resolve hostname": "no such name in your network ({last}). Is it switched on?",
    "Connection refused": "it refuses ssh connections. Switch SSH on (raspi-config).",
    "timed out": "it does not answer. Is it switched on, and in this network?",
    "No route to host": "no route to it. Is it switched on, and in this network?",
    "Network is unreachable": "no route to it: this machine is not in its network.",
}


def lost(name: str, host: str, stderr: str, *, began: bool = False) -> DeviceError:
    """The failure of a session that did not end as it should; `began`: its command was started."""
    last = (stderr.strip().splitlines() or ["no message"])[-1].strip()
    if began:
        return LinkLost(
            f"device {name}: the connection was lost while a command ran there. Check its cable, "
            "its power and its network, then run again."
        )
    for kind, meanings in ((DeviceError, REFUSED), (LinkLost, AWAY)):
        for words, meaning in meanings.items():
            if words in stderr:
                return kind(f"device {name}: {meaning.format(host=host, last=last)}")
    return LinkLost(
        f"device {name}: no command could be started there: {last}. Try by hand: ssh {host} true."
    )


def silent(name: str, limit_s: float) -> str:
    return f"device {name}: no connection after {limit_s:g} s. Is it switched on?"


def failed(name: str, folder: str, what: str, stderr: str, *, code: int) -> DeviceError:
    """The failure to do `what` in our folder there; its script ended with `code`."""
    last = (stderr.strip().splitlines() or [f"exit code {code}"])[-1].strip()
    if code == FOREIGN:
        return DeviceError(
            f"device {name}: the folder {folder} there is not empty and was not made by us. Name "
            "another one as the device's folder."
        )
    if "No space left" in stderr or "Disk quota exceeded" in stderr:
        return DeviceError(
            f"device {name}: could not {what}: its disk is full. Make room there, or remove what "
            f"we keep there: pipeline devices clean {name}."
        )
    return DeviceError(f"device {name}: could not {what}: {last}")


FOREIGN = 9
"""Exit code of the script that makes our folder, if other files are in it."""
