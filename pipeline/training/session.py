"""TensorFlow, set up once per process so that the same seed gives the same bytes."""

import logging
import os

from targets.errors import InputError, missing_package
from targets.quiet import quiet_stderr


def start(*, seed: int, threads: int) -> None:
    """Import TensorFlow quietly, with `threads` threads, deterministic kernels and this seed.

    Called at the start of every training stage: the names that Keras counts up and the state of
    its random numbers must not depend on which stages this process has run before.
    """
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        with quiet_stderr():
            import tensorflow as tf
            import tf_keras
    except ModuleNotFoundError as error:
        raise missing_package(error.name or "tensorflow", needed_for="training") from error
    logging.getLogger("tensorflow").setLevel(logging.ERROR)
    _set_threads(tf.config.threading, threads)
    tf.config.experimental.enable_op_determinism()
    tf_keras.backend.clear_session()
    tf_keras.utils.set_random_seed(seed)


def _set_threads(threading: object, threads: int) -> None:
    # Kernels that split badly, such as the gradients of depthwise convolutions, run beside each
    # other. The bytes are those of one after the other.
    wanted = {"intra_op": threads, "inter_op": threads}
    for pool, count in wanted.items():
        if getattr(threading, f"get_{pool}_parallelism_threads")() == count:
            continue
        try:
            getattr(threading, f"set_{pool}_parallelism_threads")(count)
        except RuntimeError as error:
            raise InputError(
                f"threads: TensorFlow already runs in this process with another number than "
                f"{threads}; start a new process."
            ) from error
