"""Proposals that come out the same where a search goes on in the middle of one."""

from typing import TYPE_CHECKING, Any
from zlib import crc32

from optuna.samplers import BaseSampler, RandomSampler, TPESampler

if TYPE_CHECKING:
    from optuna.distributions import BaseDistribution
    from optuna.study import Study
    from optuna.trial import FrozenTrial


class Repeatable(BaseSampler):
    """Draws each value with a seed of its own. A kill can leave some values of a trial drawn; one
    generator for all would then give the others what it gave these."""

    def __init__(self, seed: int, *, learns: bool) -> None:
        self._seed, self._learns = seed, learns

    def infer_relative_search_space(
        self, study: "Study", trial: "FrozenTrial"
    ) -> "dict[str, BaseDistribution]":
        return self._sampler().infer_relative_search_space(study, trial)

    def sample_relative(
        self, study: "Study", trial: "FrozenTrial", search_space: "dict[str, BaseDistribution]"
    ) -> dict[str, Any]:
        return self._sampler().sample_relative(study, trial, search_space)

    def sample_independent(
        self,
        study: "Study",
        trial: "FrozenTrial",
        param_name: str,
        param_distribution: "BaseDistribution",
    ) -> Any:
        sampler = self._sampler(param_name)
        return sampler.sample_independent(study, trial, param_name, param_distribution)

    def _sampler(self, name: str = "") -> BaseSampler:
        seed = crc32(f"{self._seed} {name}".encode())
        if self._learns:
            return TPESampler(seed=seed, n_startup_trials=0)
        return RandomSampler(seed=seed)
