"""Which machines of a cluster may train: those with our versions, that see our store."""

import secrets
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from pipeline.cluster import worker
from pipeline.cluster.signals import deferred
from pipeline.cluster.versions import differences, versions
from pipeline.engine.store import WORK, Store
from targets.errors import InputError, listed, printable

ANSWER_S = 120.0
POLL_S = 0.5
PROBE = ray.remote(num_cpus=0, max_retries=0)(worker.probe)


def admitted(store: Store) -> list[int]:
    """The CPUs of each machine. Raises `InputError` where one of them cannot make our results."""
    nodes = {
        node["NodeID"]: node
        for node in ray.nodes()
        if node["Alive"] and node["Resources"].get("CPU", 0) >= 1
    }
    if not nodes:
        raise InputError("--cluster: no machine of the cluster has a CPU to offer. Add a worker.")
    with _marker(store) as marker:
        for node, found in _probed(nodes, marker).items():
            _require_ours(found, nodes[node]["NodeManagerHostname"], marker)
    return [int(node["Resources"]["CPU"]) for node in nodes.values()]


@contextmanager
def _marker(store: Store) -> Iterator[Path]:
    """A file that only this store has, with contents that only this process knows."""
    folder = store.root / WORK
    folder.mkdir(parents=True, exist_ok=True)
    with NamedTemporaryFile("w", prefix="cluster-", dir=folder, encoding="utf-8") as file:
        file.write(secrets.token_hex(16))
        file.flush()
        yield Path(file.name)


def _probed(nodes: Mapping[str, Any], marker: Path) -> dict[str, "worker.Worker | RayError"]:
    """By node: what a worker there sees."""
    refs = {}
    for node in nodes:
        there = NodeAffinitySchedulingStrategy(node_id=node, soft=False)
        refs[PROBE.options(scheduling_strategy=there).remote(marker)] = node
    left = list(refs)
    with deferred() as heed:
        for _ in range(int(ANSWER_S / POLL_S)):
            _, left = ray.wait(left, num_returns=len(left), timeout=POLL_S)
            heed()
            if not left:
                break
    if left:
        hosts = [nodes[refs[ref]]["NodeManagerHostname"] for ref in left]
        raise InputError(
            f"--cluster: no worker started within {ANSWER_S:.0f} s on {listed(hosts)}. See the "
            "logs of Ray there, or take the machine out of the cluster."
        )
    return {node: _result(ref) for ref, node in refs.items()}


def _result(ref: Any) -> "worker.Worker | RayError":
    try:
        found: worker.Worker = ray.get(ref)
    except RayError as error:
        return error
    return found


def _require_ours(found: "worker.Worker | RayError", host: str, marker: Path) -> None:
    place, ours = f"--cluster: the worker on {printable(host)}", versions()
    if isinstance(found, RayError):
        last_line = str(found).strip().splitlines()[-1]
        raise InputError(
            f"{place} cannot load edge-distill {ours['edge-distill']}: {printable(last_line)}. "
            f"Install it there: pip install 'edge-distill[ray]=={ours['edge-distill']}'."
        )
    if other := differences(ours, found.versions):
        raise InputError(
            f"{place} has other versions, which make other results: {listed(other, most=5)}. "
            "Install the same there and here."
        )
    root = marker.parent.parent
    if found.marker != marker.read_text(encoding="utf-8"):
        raise InputError(
            f"{place} does not see the store {printable(str(root))} of this machine. Give a folder "
            "that all machines share, under the same path, with --store."
        )
    if not found.writable:
        raise InputError(
            f"{place} cannot write to the store {printable(str(root))}. Give its user the right to."
        )
