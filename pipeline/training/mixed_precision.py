"""Mixed precision: layers compute in bfloat16, their variables stay float32.

bfloat16 has float32's exponents, so that the loss needs no scaling (Kalamkar et al. 2019, arXiv
1905.12322).
"""

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def precision(*, mixed: bool) -> Iterator[None]:
    """Precision in which layers compute that are made until the end of the block."""
    from tf_keras import mixed_precision

    before = mixed_precision.global_policy()
    mixed_precision.set_global_policy("mixed_bfloat16" if mixed else "float32")
    try:
        yield
    finally:
        mixed_precision.set_global_policy(before)
