"""What the session decides about the bytes of a training."""

import subprocess
import sys

STEPS = """
import sys
from pipeline.training import session

def threads(threading, count):
    threading.set_intra_op_parallelism_threads(count)
    threading.set_inter_op_parallelism_threads(int(sys.argv[1]))

session._set_threads = threads
session.start(seed=0, threads=2)
import hashlib
import numpy as np
import tensorflow as tf
from pipeline.models.network import NetworkSpec, build
from targets.formats.input_spec import image_input

random = np.random.default_rng(0)
images = random.normal(size=(32, 24, 24, 3)).astype(np.float32)
labels = np.arange(32) % 5
model = build(NetworkSpec(role="student", family="mobilenet_v2", settings={"width_multiplier": 0.5},
                          input=image_input(24, 24, 3), classes=5))

@tf.function
def step():
    with tf.GradientTape() as tape:
        logits = model(images, training=True)
        loss = tf.nn.sparse_softmax_cross_entropy_with_logits(labels, logits)
    variables = model.trainable_variables
    for variable, gradient in zip(variables, tape.gradient(loss, variables)):
        variable.assign_sub(0.05 * gradient)

before = model.get_weights()[0].copy()
for _ in range(8):
    step()
assert np.abs(model.get_weights()[0] - before).max() > 0
print(hashlib.sha256(b"".join(w.tobytes() for w in model.get_weights())).hexdigest())
"""


def test_kernels_beside_each_other_give_the_bytes_of_one_after_the_other() -> None:
    digests = {
        subprocess.run(
            [sys.executable, "-c", STEPS, inter_op], capture_output=True, text=True, check=True
        ).stdout
        for inter_op in ("1", "2", "2")
    }
    assert len(digests) == 1
