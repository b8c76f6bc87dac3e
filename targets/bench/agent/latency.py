"""The time of single queries: host array in, host array out, every input and one output."""

from __future__ import annotations

import gc
import random

from targets.bench.agent.conditions import environment, usage, used
from targets.bench.agent.inputs import Inputs
from targets.bench.agent.job import AgentJob, clock, phase
from targets.bench.agent.session import Session

POOL = 256  # samples made ready before anything is timed
POOL_BYTES = 64 << 20  # all of them together: small devices have 512 MB


def latency(job: AgentJob, model: Session, inputs: Inputs, _: object) -> dict[str, object]:
    """Warm up for `warmup_runs` and `warmup_ns`, then query samples in seeded random order until
    `min_queries` and `min_duration_ns` are met or `max_duration_ns` is over, which ends a warm-up
    too.
    """
    choose, query, reset = random.Random(job["seed"]), model.query(job["output_index"]), model.reset
    places, feeds = pool(choose, model, inputs)

    def timed() -> tuple[int, int, int | None]:
        at = choose.randrange(len(feeds))
        reset()
        _, ns, invoke_ns = query(feeds[at])
        return at, ns, invoke_ns

    before = environment()
    _, first_ns, _ = timed()
    warmup: list[int] = []
    begun = clock()
    while len(warmup) < job["warmup_runs"] or clock() - begun < job["warmup_ns"]:
        if warmup and clock() - begun >= job["max_duration_ns"]:
            break
        warmup.append(timed()[1])
    gc.collect()
    gc.disable()  # a collection walks all of numpy and the runtime: milliseconds
    measured: list[tuple[int, int, int | None]] = []
    started, begun = usage(), clock()
    while True:
        spent = clock() - begun
        if len(measured) >= job["min_queries"] and spent >= job["min_duration_ns"]:
            stop = "min_met"
            break
        if measured and spent >= job["max_duration_ns"]:
            stop = "max_duration"
            break
        measured.append(timed())
    ended = usage()
    gc.enable()
    return {
        "first_inference_ns": first_ns,
        "warmup_ns": warmup,
        "samples_ns": [ns for _, ns, _ in measured],
        "invoke_only_ns": None if measured[0][2] is None else [ns for _, _, ns in measured],
        "sample_index": [] if inputs.samples is None else [places[at] for at, _, _ in measured],
        "stop_reason": stop,
        **used(started, ended),
        "env_before": before,
        "env_after": environment(),
    }


def pool(
    choose: random.Random, model: Session, inputs: Inputs, *, most_bytes: int = POOL_BYTES
) -> tuple[list[int], list[object]]:
    """(indices of samples, the feed of each): as many as memory allows."""
    with phase("input"):
        places, first = list(inputs.places()), inputs.arrays(0)
        size = sum(first[tensor["name"]].nbytes for tensor in inputs.sampled)
        most = min(POOL, len(places), max(1, most_bytes // max(1, size)))
        places = choose.sample(places, most)
        return places, [model.feed(inputs.arrays(place)) for place in places]
