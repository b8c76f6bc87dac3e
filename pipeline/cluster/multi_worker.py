"""A training stage on several workers: each runs the whole stage on its part of every batch.

The caller holds the store's lock. Worker 0 writes checkpoints and result, the others nothing.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

from pipeline.cluster.events import Board, Event
from pipeline.cluster.gang import Member, WorkerLostError, together
from pipeline.cluster.worker import Sender
from pipeline.engine.artifacts import Artifact
from pipeline.engine.graph import Stage
from pipeline.engine.job import Job
from pipeline.engine.progress import Console, SilentConsole
from pipeline.engine.store import Store
from pipeline.recipe.schema import Recipe


def run(
    stage: Stage, out: Path, *, job: Job, store: Store, upstream: Mapping[str, Artifact]
) -> Artifact:
    """Make the artifact of `stage` in the folder `out`, like `stage.run`."""
    recipe, board = job.recipe, Board(console=job.console, names=("",))

    def show(event: Event) -> None:
        board.show(0, event)

    share = Share(
        stage=stage,
        recipe=recipe,
        folder=Path.cwd(),
        scratch=job.scratch.absolute(),
        out=out.absolute(),
        upstream=upstream,
    )
    try:
        return together(
            share,
            workers=stage.workers(recipe),
            threads=recipe.threads,
            store=store,
            show=show,
            say=job.console.say,
        )
    finally:
        board.close()


@dataclass(frozen=True, kw_only=True)
class Share:
    """The stage as one of the workers runs it."""

    stage: Stage
    recipe: Recipe
    folder: Path
    """What the recipe's relative paths are from."""
    scratch: Path
    out: Path
    upstream: Mapping[str, Artifact]

    def __call__(self, member: Member) -> Artifact:
        from pipeline.training import session

        with suppress(OSError):  # without it, the paths are absolute, or not found
            os.chdir(self.folder)
        os.environ["TF_CONFIG"] = tf_config(member.number, member.addresses)
        session.start(seed=self.recipe.seed, threads=self.recipe.threads)
        with TemporaryDirectory() as unused, lost_workers():
            if member.number:
                return self._made(Path(unused), SilentConsole())
            sender = Sender(mailbox=member.mailbox, task=0)
            try:
                return self._made(self.out, sender)
            finally:
                sender.flush()

    def _made(self, out: Path, console: Console) -> Artifact:
        from pipeline.training.distribution import MultiWorker

        joined = MultiWorker.joined()
        job = Job(recipe=self.recipe, scratch=self.scratch, console=console, distribution=joined)
        return self.stage.run(self.stage.config(self.recipe), out, job=job, **self.upstream)


def tf_config(number: int, addresses: Sequence[str]) -> str:
    task = {"type": "worker", "index": number}
    return json.dumps({"cluster": {"worker": list(addresses)}, "task": task})


@contextmanager
def lost_workers() -> Iterator[None]:
    """`WorkerLostError` in place of the errors that TensorFlow raises where a worker is gone."""
    import tensorflow as tf

    from pipeline.training.distribution import WorkersDisagreeError

    losses = (
        *(tf.errors.UnavailableError, tf.errors.AbortedError, tf.errors.CancelledError),
        *(tf.errors.DeadlineExceededError, tf.errors.FailedPreconditionError),
    )
    try:
        yield
    except losses as error:
        raise WorkerLostError("a worker cannot reach another one") from error
    except WorkersDisagreeError as error:
        raise WorkerLostError(str(error)) from error
