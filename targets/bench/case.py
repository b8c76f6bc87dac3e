"""A benchmark case: a model file, and how it is executed."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from targets.bench.agent.job import InputSpec
from targets.formats.model_io import ModelIO
from targets.formats.record import ExportedModel
from targets.runtimes import Runtime, runtime_for
from targets.runtimes.native import NativeTool


@dataclass(frozen=True, kw_only=True)
class BenchCase:
    name: str
    format: str
    path: Path
    runtime: Runtime | None = None
    """Runtime of the case; None: the default of the format."""
    threads: int = 1
    affinity: tuple[int, ...] | None = None
    """The CPUs that it may use; None: those that the system gives."""
    options: Mapping[str, str] | None = None
    """Configuration entries of the runtime's session."""
    exported: ExportedModel | None = None
    """What a run recorded about its file; None: the agent describes the file."""
    adapter: ModelIO | None = None
    """Conversion between raw samples and a file from elsewhere."""
    samples: Path | None = None
    """.npy that it is queried with in place of the bench's: the same samples at another size."""
    batch: int = 1
    """Samples of one query."""
    inputs: Mapping[str, InputSpec] | None = None
    """What each input is given (`targets.bench.inputs`); None: the samples, to the only input."""
    output_index: int = 0
    native: NativeTool | None = None
    """A native tool in place of the runtime: it times itself and gives no outputs."""

    @property
    def executed_by(self) -> Runtime:
        return self.runtime or runtime_for(self.format)
