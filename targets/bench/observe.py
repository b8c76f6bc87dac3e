"""The passes over all models of one device; each in processes of its own, so that none disturbs."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace

from targets.bench import scores
from targets.bench.agent.session import Description
from targets.bench.case import BenchCase
from targets.bench.inputs import batch_of, require_known, resolve
from targets.bench.model_files import ModelFiles, files_of
from targets.bench.plan import Bench, Say
from targets.bench.record import Block, MemoryPass, ProfilePass
from targets.bench.request import BenchRequest
from targets.bench.runner import AgentResult, AgentRunner, Array
from targets.devices.contract import LinkLost
from targets.errors import EdgeDistillError, InputError
from targets.evaluation import metrics


@dataclass(kw_only=True)
class Observations:
    """What was measured on one device, by the cases' names."""

    cases: dict[str, BenchCase]
    files: dict[str, ModelFiles] = field(default_factory=dict)
    described: dict[str, Description] = field(default_factory=dict)
    blocks: list[Block] = field(default_factory=list)
    memory: dict[str, MemoryPass] = field(default_factory=dict)
    profiles: dict[str, ProfilePass] = field(default_factory=dict)
    outputs: dict[str, Array | None] = field(default_factory=dict)
    """Outputs, [samples, ...]; None where the shapes differ."""
    undecided: dict[str, str] = field(default_factory=dict)
    """Why no output of a model can be judged."""
    records: dict[str, AgentResult] = field(default_factory=dict)
    """Records of the passes that gave `outputs`."""
    errors: dict[str, EdgeDistillError] = field(default_factory=dict)

    def failed(self, case: BenchCase, error: EdgeDistillError) -> None:
        if case.exported is not None:  # a run is delivered whole
            raise error
        self.errors[case.name] = error

    @property
    def left(self) -> list[BenchCase]:
        """Cases that did not fail."""
        return [case for name, case in self.cases.items() if name not in self.errors]

    @property
    def by_agent(self) -> list[BenchCase]:
        """Cases that did not fail and that the agent measures."""
        return [case for case in self.left if case.native is None]

    @property
    def foreign(self) -> list[BenchCase]:
        """Cases that did not fail and whose file no run has described."""
        return [case for case in self.left if case.exported is None]


def observe(
    request: BenchRequest, cases: dict[str, BenchCase], runner: AgentRunner, *, cpus: int, say: Say
) -> Observations:
    """Run every pass; a model that fails takes part in no further one."""
    observed = Observations(cases=cases)
    _pass(observed, observed.foreign, lambda case: _find_files(case, observed))
    samples = request.samples
    path = None if samples is None else samples.path
    bench = Bench(runner=runner, plan=request.plan, samples=path, cpus=cpus)
    if observed.foreign and observed.by_agent:
        _prepare(bench, request, observed, say)
    if not observed.left:
        return observed
    observed.blocks = bench.latency(observed.left, say=say, failed=observed.failed)
    say("bench     memory")
    _pass(observed, observed.by_agent, lambda case: _memory(case, bench, observed))
    if request.profile:
        say("bench     operators")
        _pass(observed, observed.by_agent, lambda case: _profile(case, bench, observed))
    if samples is not None and observed.by_agent:
        say(f"bench     accuracy over {samples.count} samples")
        _pass(observed, observed.by_agent, lambda case: _outputs(case, bench, observed))
    return observed


def _pass(
    observed: Observations, cases: Sequence[BenchCase], step: Callable[[BenchCase], None]
) -> None:
    for case in cases:
        try:
            step(case)
        except LinkLost:  # of the device, not of one model
            raise
        except EdgeDistillError as error:
            observed.failed(case, error)


def _find_files(case: BenchCase, observed: Observations) -> None:
    observed.files[case.name] = files_of(case.path)


def _memory(case: BenchCase, bench: Bench, observed: Observations) -> None:
    record = bench.once(case, "memory")
    observed.memory[case.name] = MemoryPass.model_validate({"model": case.name, **record})


def _profile(case: BenchCase, bench: Bench, observed: Observations) -> None:
    record = bench.once(case, "profile")
    observed.profiles[case.name] = ProfilePass.model_validate({"model": case.name, **record})


def _outputs(case: BenchCase, bench: Bench, observed: Observations) -> None:
    if case.exported is None:
        output = observed.described[case.name]["outputs"][case.output_index]
        if not scores.is_number(output["dtype"]):
            raise InputError(
                f"{case.path}: its output {scores.shown(output)} holds no numbers, so that nothing "
                "is known of its accuracy. Name another (--output NAME), or leave --data out."
            )
    values, observed.records[case.name] = bench.outputs(case)
    observed.outputs[case.name] = values
    if case.exported is not None and values is not None:
        metrics.require_finite(values, model=case.name)


def _prepare(bench: Bench, request: BenchRequest, observed: Observations, say: Say) -> None:
    """Find what each file takes, and decide what each of its inputs is given."""
    say(f"bench     reading {len(observed.cases)} models")
    _pass(observed, observed.foreign, lambda case: _describe(case, bench, observed))
    if not observed.errors:  # a name may be that of a model that could not be read
        require_known([one["inputs"] for one in observed.described.values()], request.given)
        scores.require_named(
            [one["outputs"] for one in observed.described.values()], request.outputs
        )
    _pass(observed, observed.foreign, lambda case: _resolve(case, request, observed))
    _choose(request, observed)


def _describe(case: BenchCase, bench: Bench, observed: Observations) -> None:
    result = bench.once(case, "describe")
    observed.described[case.name] = {
        "inputs": result["inputs"], "outputs": result["outputs"], "operators": result["operators"],
    }  # fmt: skip


def _resolve(case: BenchCase, request: BenchRequest, observed: Observations) -> None:
    described, known = observed.described[case.name], request.known.get(case.path)
    inputs = (
        resolve(described["inputs"], request.given, case.path)
        if known is None
        else {one["name"]: known.spec for one in described["inputs"]}
    )
    batch = batch_of(inputs, described["outputs"])
    observed.cases[case.name] = replace(case, inputs=inputs, batch=batch)


def _choose(request: BenchRequest, observed: Observations) -> None:
    """The output of each model that is judged, with as many classes as the baseline has, which
    comes first, else as the labels need."""
    labels = None if request.samples is None else request.samples.labels
    classes = None if labels is None else int(labels.max()) + 1
    baselines = set(request.baselines.values())
    like = None
    for case in sorted(observed.foreign, key=lambda one: one.path not in baselines):
        if (known := request.known.get(case.path)) is not None:
            observed.cases[case.name] = replace(case, output_index=known.output_index)
            continue
        outputs, offset = observed.described[case.name]["outputs"], request.offset_of(case.path)
        choice = scores.choose(
            outputs,
            named=request.outputs,
            classes=None if classes is None else classes + offset,
            like=like,
            batch=case.batch,
        )
        observed.cases[case.name] = replace(case, output_index=choice.index)
        if choice.undecided is not None:
            observed.undecided[case.name] = choice.undecided
        elif case.path in baselines:
            width = scores.width(outputs[choice.index], case.batch)
            classes = classes if width is None else width - offset
            like = outputs[choice.index]["name"]
