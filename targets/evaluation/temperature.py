"""Temperature scaling: softmax(logits / T), with one T for a file, fitted on labelled samples.

Guo et al. 2017, "On Calibration of Modern Neural Networks", arXiv 1706.04599. A temperature changes
how sure a network is, and no label. The negative log-likelihood is convex in 1/T.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

# Both decide the temperature, and so the bytes of a sidecar. An import of the submodules alone
# would leave scipy out of the keys of stored results (`pipeline.engine.code.HARMLESS`).
from scipy import optimize, special

from targets.evaluation.metrics import Labels, Logits

LEAST_SAMPLES = 50
"""Of fewer samples the fit would mostly follow chance."""
BOUNDS = (0.01, 100.0)
TOLERANCE = 1e-7
"""Of log T."""


@dataclass(frozen=True, kw_only=True)
class Temperature:
    value: float
    """To six digits."""
    note: str | None = None
    """Why it is 1 and not fitted; None: it is fitted."""


def fit(logits: Logits, labels: Labels) -> Temperature:
    """The temperature of least negative log-likelihood, for logits [samples, classes].

    It is 1, with a note, where the likelihood has no maximum: with every sample right it grows
    towards T = 0, and with logits that say nothing about the labels towards infinity.
    """
    if len(labels) < LEAST_SAMPLES:
        return Temperature(value=1.0, note=f"fewer than {LEAST_SAMPLES} validation samples")
    if (logits.argmax(axis=1) == labels).all():
        return Temperature(value=1.0, note="every validation sample is right")
    found = optimize.minimize_scalar(
        lambda log_t: negative_log_likelihood(logits, labels, temperature=float(np.exp(log_t))),
        bounds=np.log(BOUNDS),
        method="bounded",
        options={"xatol": TOLERANCE},
    )
    value = float(np.exp(found.x))
    if not BOUNDS[0] * 1.001 < value < BOUNDS[1] / 1.001 or np.ptp(logits, axis=1).max() == 0:
        return Temperature(value=1.0, note="the logits do not tell right from wrong")
    return Temperature(value=float(f"{value:.6g}"))


def negative_log_likelihood(logits: Logits, labels: Labels, *, temperature: float = 1.0) -> float:
    """Mean of -log softmax(logits / T) at the labels, in nats."""
    log_p = special.log_softmax(logits.astype(np.float64) / temperature, axis=1)
    return float(-log_p[np.arange(len(labels)), labels].mean())


def confidence(logits: Logits, *, temperature: float) -> npt.NDArray[np.float64]:
    """The largest probability of each sample, [samples]."""
    largest: npt.NDArray[np.float64] = probabilities(logits, temperature=temperature).max(axis=1)
    return largest


def probabilities(logits: Logits, *, temperature: float) -> npt.NDArray[np.float64]:
    """softmax(logits / T), [samples, classes]."""
    shares: npt.NDArray[np.float64] = special.softmax(
        logits.astype(np.float64) / temperature, axis=1
    )
    return shares
