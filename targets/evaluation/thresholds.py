"""The least confidence at which a wanted precision is promised from a finite sample.

A classifier that may answer "unknown" accepts the predictions whose confidence reaches a threshold
(Chow 1970; Geifman and El-Yaniv 2017, arXiv 1705.08500). Every threshold of a grid that is fixed in
advance is tested, with Bonferroni's correction: the procedure of "Learn then Test" (Angelopoulos et
al. 2021, arXiv 2110.01052). For new samples of the same kind the precision is below the wanted one
with a probability of at most 1 - `LEVEL`, over the choice of the samples that it is fitted on.

That is exact for a confidence that does not depend on these samples. The pipeline fits its one
temperature on them too: with it the promise is not proved but simulated (tests/test_confidence.py).
"""

import numpy as np
import numpy.typing as npt
from scipy import stats  # decides a threshold: see `temperature`

Shares = npt.NDArray[np.float64]
Right = npt.NDArray[np.bool_]

LEVEL = 0.95
GRID = (
    *(0.0, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9),
    *(0.925, 0.95, 0.96, 0.97, 0.98, 0.99, 0.995, 0.999),
)
"""Fixed: a grid that is chosen after a look at the samples would void the promise."""


def threshold(confidence: Shares, right: Right, *, precision: float) -> float | None:
    """The lowest threshold of `GRID` with the promise; None where no threshold has it.

    0 accepts every prediction. `confidence`, `right`: of each sample, [samples].
    """
    for limit in GRID:
        accepted = confidence >= limit
        bound = lower_bound(int(right[accepted].sum()), int(accepted.sum()), tests=len(GRID))
        if bound >= precision:
            return limit
    return None


def lower_bound(right: int, accepted: int, *, tests: int = 1) -> float:
    """One-sided bound of a precision, which `tests` bounds keep together with probability `LEVEL`.

    Clopper and Pearson 1934, Biometrika 26(4): exact for every number of samples.
    """
    if right == 0:
        return 0.0
    return float(stats.beta.ppf((1 - LEVEL) / tests, right, accepted - right + 1))
