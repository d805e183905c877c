"""A tensor that has no gradient at first, as an expert that no token goes to, resumes bitwise."""

from contextlib import contextmanager

import numpy as np
import pytest
import torch

from noisefloor_tests.support.tensors import bits
from pytest_noisefloor.data.arms import ARMS, ArmInput
from pytest_noisefloor.runs.checkpoint import pack, unpack
from pytest_noisefloor.specs import Recipe
from pytest_noisefloor.training.loop import train

RECIPE = Recipe(lr=0.01, steps=6, batch=2, sequence=16)
TEXT = np.random.default_rng(60).integers(256, size=400)
LATE = 3


class Experts:
    """Two shifts of the last hidden states, of which the second has a gradient from a step on."""

    name, version = "experts", 1

    def __init__(self, done=0, late=LATE):
        self.done, self.late = done, late

    @contextmanager
    def attached(self, model):
        early, late = (torch.zeros(16, requires_grad=True) for _ in range(2))

        def add(_, __, output):
            self.done += 1
            return output + early + (late if self.done > self.late else 0.0)

        hook = model.model.norm.register_forward_hook(add)
        try:
            yield {"early": early, "late": late}
        finally:
            hook.remove()


def trained(model, head, method, *, start=None, stop=None):
    """Train on a stream; give the state, or that after a number of steps."""
    seen = {}

    def on_step(step, _, states):
        seen[step] = states()["ann"]

    stream = ARMS["real"].batches(ArmInput("ann", 257, TEXT, np.arange(256)), RECIPE, seed=0)
    starts = {"ann": start} if start else None
    done = train(model, head, method, {"ann": stream}, RECIPE, starts=starts, on_step=on_step)
    return seen[stop] if stop else done["ann"]


@pytest.mark.parametrize("stop", [1, LATE, LATE + 1, 5])
def test_a_training_goes_on_bitwise_wherever_it_was_stopped(model, head, stop):
    whole = trained(model, head, Experts())
    assert whole.tensors["late"].any()
    start = unpack(pack(trained(model, head, Experts(), stop=stop)))
    assert ("late/exp_avg" in start.moments) == (stop > LATE)
    assert ("late/step" in start.moments) == (stop > LATE)
    resumed = trained(model, head, Experts(done=stop), start=start)
    assert bits(resumed.tensors) == bits(whole.tensors)
    assert resumed.losses == whole.losses
