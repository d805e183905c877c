"""Arms and methods that cheat, for ``test_cheats``."""

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import dataclass, replace

from noisefloor_tests.support.planted import FINAL
from pytest_noisefloor.data.arms import Real
from pytest_noisefloor.training.methods.registry import METHODS


class Generous(Real):
    """The real arm with a larger budget than the random arm has."""

    def __init__(self, **budget):
        self._budget = budget

    def batches(self, arm_input, recipe, seed):
        return super().batches(arm_input, replace(recipe, **self._budget), seed)


@dataclass
class Sly:
    """The gains of the final norm, and something that a method must not do to them."""

    trick: Callable
    name: str = "sly"
    version: int = 1

    @contextmanager
    def attached(self, model):
        with (
            METHODS["norm-only"].attached(model) as gains,
            gains[FINAL].register_hook(lambda gradient: self.trick(gradient, model)),
        ):
            yield {FINAL: gains[FINAL]}


class Halved:
    """The gains in half precision, put back in full."""

    name = "halved"
    version = 1

    @contextmanager
    def attached(self, model):
        gain = model.get_parameter(FINAL)
        before = gain.data
        gain.data = before.bfloat16()
        gain.requires_grad_(True)
        try:
            yield {FINAL: gain}
        finally:
            gain.requires_grad_(False)
            gain.data = before


class Apart:
    """Gains that no part of the model reads."""

    name = "apart"
    version = 1

    @contextmanager
    def attached(self, model):
        yield {FINAL: model.get_parameter(FINAL).clone().requires_grad_(True)}
