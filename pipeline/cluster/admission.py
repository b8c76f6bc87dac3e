"""Which machines of a cluster may train: those with our versions, that use our store."""

from collections.abc import Mapping
from typing import Any

import ray
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from pipeline.cluster import worker
from pipeline.cluster.landmarks import Landmark
from pipeline.cluster.signals import deferred
from pipeline.cluster.versions import differences, versions
from targets.errors import InputError, listed, printable

ANSWER_S = 120.0
POLL_S = 0.5
PROBE = ray.remote(num_cpus=0, max_retries=0)(worker.probe)


def admitted(landmark: Landmark) -> list[int]:
    """The CPUs of each machine. Raises `InputError` where one of them cannot make our results, or
    does not use the store of `landmark`."""
    nodes = {
        node["NodeID"]: node
        for node in ray.nodes()
        if node["Alive"] and node["Resources"].get("CPU", 0) >= 1
    }
    if not nodes:
        raise InputError("--cluster: no machine of the cluster has a CPU to offer. Add a worker.")
    for node, found in _probed(nodes, landmark).items():
        _require_ours(found, nodes[node]["NodeManagerHostname"])
    return [int(node["Resources"]["CPU"]) for node in nodes.values()]


def _probed(nodes: Mapping[str, Any], landmark: Landmark) -> dict[str, "worker.Worker | RayError"]:
    """By node: what a worker there sees."""
    refs = {}
    for node in nodes:
        there = NodeAffinitySchedulingStrategy(node_id=node, soft=False)
        refs[PROBE.options(scheduling_strategy=there).remote(landmark)] = node
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


def _require_ours(found: "worker.Worker | RayError", host: str) -> None:
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
    if found.fault is not None:
        raise InputError(f"{place} {found.fault}")
