"""One training in one process, or in several that each take a part of every batch.

`tf.distribute.MultiWorkerMirroredStrategy` joins the processes and reduces their gradients; model
and optimizer stay outside its scope. Every worker holds plain variables and makes the same update,
so that building, evaluation, calibration and checkpoints are those of one process. With mirrored
variables each read of a batch norm statistic is a collective, at which every worker must meet, and
tfmot cannot calibrate outside a replica.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

import numpy as np
import numpy.typing as npt

from targets.untyped import KerasModel, Tensor

Batched = TypeVar("Batched", bound=np.generic)
Gradients = list[Tensor]
Differentiate = Callable[[], tuple[Tensor, Gradients]]
"""To the loss and its gradients; moves the statistics of batch norm and of fake quantization."""


class WorkersDisagreeError(Exception):
    """The workers continue from different epochs: one of them has read an older checkpoint."""


class Distribution(Protocol):
    @property
    def is_chief(self) -> bool:
        """Whether this process writes the checkpoints."""

    def share(self, batch: npt.NDArray[Batched]) -> npt.NDArray[Batched]:
        """This worker's part of a batch, along its first axis."""

    def begin(self, variables: Sequence[Tensor], *, epoch: int) -> None:
        """Make `variables` those of the chief, before the first step.

        Raises `WorkersDisagreeError` unless all workers begin with the same epoch.
        """

    def averaged(self, model: KerasModel, differentiate: Differentiate) -> tuple[Tensor, Gradients]:
        """Loss and gradients of the whole batch, from those of the workers' parts.

        Moves the statistics of `model` alike on all workers. Called while a step is traced.
        """


class Alone:
    """All of the training in this process."""

    is_chief = True

    def share(self, batch: npt.NDArray[Batched]) -> npt.NDArray[Batched]:
        return batch

    def begin(self, variables: Sequence[Tensor], *, epoch: int) -> None: ...

    def averaged(self, model: KerasModel, differentiate: Differentiate) -> tuple[Tensor, Gradients]:
        return differentiate()


@dataclass(frozen=True, kw_only=True)
class MultiWorker:
    """A process of several. Needs `TF_CONFIG`, and TensorFlow set up but not used yet."""

    strategy: Tensor
    workers: int
    number: int
    """From 0; 0 is the chief."""

    @classmethod
    def joined(cls) -> "MultiWorker":
        """Wait until all workers of `TF_CONFIG` are there."""
        import tensorflow as tf

        # A worker is one replica: further GPUs are for further workers.
        tf.config.set_visible_devices(tf.config.list_physical_devices("GPU")[:1], "GPU")
        options = tf.distribute.experimental.CommunicationOptions(
            implementation=tf.distribute.experimental.CommunicationImplementation.RING
        )
        strategy = tf.distribute.MultiWorkerMirroredStrategy(communication_options=options)
        return cls(
            strategy=strategy,
            workers=strategy.num_replicas_in_sync,
            number=strategy.cluster_resolver.task_id,
        )

    @property
    def is_chief(self) -> bool:
        return self.number == 0

    def share(self, batch: npt.NDArray[Batched]) -> npt.NDArray[Batched]:
        size = len(batch) // self.workers
        return batch[self.number * size :][:size]

    def begin(self, variables: Sequence[Tensor], *, epoch: int) -> None:
        import tensorflow as tf

        mean = self._mean([tf.constant(epoch, tf.float64)])[0]
        if mean != epoch:
            raise WorkersDisagreeError(f"worker {self.number} begins with epoch {epoch + 1}")
        for variable, value in zip(variables, self._of_chief(variables), strict=True):
            variable.assign(value)

    def averaged(self, model: KerasModel, differentiate: Differentiate) -> tuple[Tensor, Gradients]:
        import tensorflow as tf

        moving = [one for one in model.non_trainable_variables if _moves(one)]
        before = [tf.identity(one) for one in moving]
        loss, gradients = differentiate()
        # Of changes, not of values: what did not move stays as it is, to the last bit.
        moves = [one - old for one, old in zip(moving, before, strict=True)]
        mean = self._mean([loss, *gradients, *moves])
        for one, old, move in zip(moving, before, mean[1 + len(gradients) :], strict=True):
            one.assign(old + move)
        return mean[0], mean[1 : 1 + len(gradients)]

    def _of_chief(self, variables: Sequence[Tensor]) -> list[Tensor]:
        import tensorflow as tf

        own = [tf.identity(one) if self.is_chief else tf.zeros_like(one) for one in variables]
        return self._reduced("SUM", own)

    def _mean(self, tensors: list[Tensor]) -> list[Tensor]:
        return self._reduced("MEAN", tensors)

    def _reduced(self, how: str, tensors: list[Tensor]) -> list[Tensor]:
        import tensorflow as tf

        def reduce(own: list[Tensor]) -> list[Tensor]:
            here = [tf.identity(one) for one in own]  # it needs tensors with a device
            reduced: list[Tensor] = tf.distribute.get_replica_context().all_reduce(how, here)
            return reduced

        result: list[Tensor] = self.strategy.run(reduce, args=(tensors,))
        return result


def _moves(variable: Tensor) -> bool:
    """Whether a step can move a variable without a gradient: no weight of a frozen layer."""
    return bool(variable.dtype.is_floating and not variable.trainable)
