"""A connection to a cluster of Ray, or to one of this machine's CPUs that ends with it."""

import logging
import os
import secrets
import socket
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager, suppress
from importlib import import_module
from itertools import chain
from tempfile import TemporaryDirectory

import psutil

from pipeline.cluster.signals import deferred
from targets.devices.cpus import available_cpus
from targets.errors import InputError, missing_package, printable
from targets.quiet import quiet_stderr

LOCAL, AUTO = "local", "auto"
CONNECT_S = 5.0
ENDING_S = 3.0
OBJECTS_BYTES = 100 * 2**20
"""Recipes and lines of progress: results go through the store."""

EVERYWHERE = {"RAY_USAGE_STATS_ENABLED": "0"}
ALONE = {
    # Every socket on 127.0.0.1, whatever its name says.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_AUTH_MODE": "token",
    "RAY_worker_niceness": "0",  # Ray adds 15
}
BRIEF = {
    "RAY_gcs_server_port_wait_time_s": "1",
    "RAY_py_gcs_connect_timeout_s": "10",
    "RAY_CLIENT_INITIAL_CONNECTION_TIMEOUT_S": "3",  # of ray://, whose three tries take 3, 6, 6 s
    "RAY_CLIENT_MAX_CONNECTION_TIMEOUT_S": "6",
}
"""A cluster that does not answer is given up after some 15 s: by default, after 20 minutes."""
TRIES = 2
"""A head that is busy gives itself 30 s to start a process for us, and often has done so then."""
TOKENS = ("RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH")


@contextmanager
def connected(name: str) -> Iterator[None]:
    """Ray, in the block: `local`, `auto` or the address of a cluster."""
    _require_address(name)
    os.environ.update(EVERYWHERE if name != LOCAL else {**EVERYWHERE, **ALONE})
    try:
        import_module("ray")
    except ModuleNotFoundError as error:
        raise missing_package("edge-distill[ray]", needed_for="--cluster") from error
    with ExitStack() as stack:
        if name == LOCAL:
            # Not below TMPDIR: names of sockets have 107 bytes at most.
            folder = TemporaryDirectory(prefix="ray-", dir="/tmp", ignore_cleanup_errors=True)
            settings = _here(stack.enter_context(folder))
        else:
            settings = _there(name)
        started = stack.enter_context(_shut_down_at_the_end())
        with deferred():
            before = psutil.Process().children()
            try:
                _init(name, settings)
            finally:
                started += [one for one in psutil.Process().children() if one not in before]
        yield


def _address(name: str) -> str:
    """Empty where Ray looks for the cluster of this machine."""
    return os.environ.get("RAY_ADDRESS", "") if name == AUTO else name


def _require_address(name: str) -> None:
    address = _address(name)
    if name == LOCAL or (name == AUTO and not address):
        return
    host, _, port = address.removeprefix("ray://").rpartition(":")
    if not host or not port.isdecimal():
        raise InputError(
            f"--cluster: {printable(address)} is no cluster. Give local, auto (RAY_ADDRESS, or the "
            "cluster that runs on this machine), ray://host:port or host:port."
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=CONNECT_S).close()
    except (OSError, OverflowError, UnicodeError) as error:
        raise _not_there(address, str(error)) from error


def _not_there(address: str, why: str) -> InputError:
    return InputError(
        f"--cluster: cannot connect to a cluster of Ray at {printable(address)}: "
        f"{printable(' '.join(why.split())).rstrip('.')}. Check "
        "the address and that the cluster runs; a cluster with a token needs RAY_AUTH_MODE=token "
        "and RAY_AUTH_TOKEN here too."
    )


def _here(folder: str) -> dict[str, object]:
    # Read once per process, so the same for all clusters that it starts.
    os.environ.setdefault(TOKENS[0], secrets.token_hex(32))
    return {
        "address": LOCAL,
        "num_cpus": len(available_cpus()),
        "include_dashboard": False,
        "object_store_memory": OBJECTS_BYTES,
        "_temp_dir": folder,
    }


def _there(name: str) -> dict[str, object]:
    if any(os.environ.get(token) for token in TOKENS):
        os.environ.setdefault("RAY_AUTH_MODE", "token")  # without it, a token is not sent
    for key, value in BRIEF.items():
        os.environ.setdefault(key, value)
    return {"address": _address(name) or AUTO}


def _init(name: str, settings: Mapping[str, object]) -> None:
    for left in reversed(range(TRIES)):
        try:
            _connect(**settings)
            return
        except (OSError, RuntimeError, ValueError) as error:
            if not (left and isinstance(error, ConnectionAbortedError)):
                raise _not_there(_address(name) or name, _without_traceback(error)) from error


def _connect(**settings: object) -> None:
    import ray

    # Ray's thread prints to our stdout that a worker died; we say it ourselves.
    ray._private.worker.print_to_stdstream = _nothing
    with quiet_stderr():  # what Ray says beside its exception
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **settings)


def _without_traceback(error: Exception) -> str:
    """Of the head, which is in the text."""
    text = str(error)
    return text.strip().splitlines()[-1] if "\nTraceback" in text else text


def _nothing(data: object, ignore_prefix: bool) -> None: ...


@contextmanager
def _shut_down_at_the_end() -> Iterator[list[psutil.Process]]:
    """The list takes the processes that Ray starts here."""
    import ray

    started: list[psutil.Process] = []
    try:
        yield started
    finally:
        with deferred():
            family = [*started, *chain.from_iterable(map(_descendants, started))]
            ray.shutdown()
            _, alive = psutil.wait_procs(family, timeout=ENDING_S)
            for one in alive:  # some agents and idle workers take minutes
                with suppress(psutil.NoSuchProcess):
                    one.kill()


def _descendants(process: psutil.Process) -> list[psutil.Process]:
    try:
        found: list[psutil.Process] = process.children(recursive=True)
    except psutil.NoSuchProcess:
        return []
    return found
