"""What a method could do near its start: the gradient, steps down it, and where that misleads."""

from contextlib import contextmanager

import numpy as np
import pytest
import torch

from noisefloor_tests.support.cheating import Apart
from noisefloor_tests.support.tensors import bits
from pytest_noisefloor.models.scoring import score
from pytest_noisefloor.specs import Scoring
from pytest_noisefloor.training.checks import TrainingError, digests
from pytest_noisefloor.training.first_order import (
    distance,
    gradient,
    has_first_order,
    l1_norm,
    sign_step,
)
from pytest_noisefloor.training.methods.base import restore, snapshot
from pytest_noisefloor.training.methods.registry import METHODS

TOKENS = np.random.default_rng(60).integers(256, size=200)
PREFIX, PLAN = 256, Scoring(window=32, stride=16)
NORM_ONLY, TEMPERATURE = METHODS["norm-only"], METHODS["temperature"]
LORA = pytest.mark.parametrize("method", ["lora-r4"], indirect=True)


def differentiated(model, head, method):
    return gradient(model, head, method, [TOKENS], PREFIX, PLAN)


def nll(model, head, method, values):
    with method.attached(model) as tensors:
        restore(tensors, values)
        return score(model, head, TOKENS, PREFIX, PLAN).mean(dtype=np.float64)


def gains(model, head, method, *sizes):
    """What a step of each size gains, in nats per token."""
    found = differentiated(model, head, method)
    with method.attached(model) as tensors:
        before = nll_at_start = score(model, head, TOKENS, PREFIX, PLAN).mean(dtype=np.float64)
        initial = snapshot(tensors)
    assert nll(model, head, method, initial) == nll_at_start
    return [before - nll(model, head, method, sign_step(model, method, found, s)) for s in sizes]


@pytest.mark.parametrize("method", ["norm-only", "full", "temperature"], indirect=True)
def test_a_small_step_gains_what_the_first_order_says(model, head, method):
    """A step of 1e-3 has a second-order part of some per cent; a step the other way loses."""
    norm = l1_norm(differentiated(model, head, method))
    forth, back = gains(model, head, method, 1e-3, -1e-3)
    assert forth == pytest.approx(1e-3 * norm, rel=0.1)
    assert back == pytest.approx(-1e-3 * norm, rel=0.1)


def test_a_step_moves_every_value_by_its_size_against_the_sign(model, head):
    found = differentiated(model, head, NORM_ONLY)
    moved = sign_step(model, NORM_ONLY, found, 0.25)
    with NORM_ONLY.attached(model) as tensors:
        for name, start in snapshot(tensors).items():
            np.testing.assert_array_equal(moved[name], start - 0.25 * np.sign(found[name]))
    assert distance(model, NORM_ONLY, moved) == 0.25


def test_how_far_an_adapter_moved_is_the_farthest_of_its_values(model):
    with NORM_ONLY.attached(model) as tensors:
        values = snapshot(tensors)
    assert distance(model, NORM_ONLY, values) == 0
    *_, last = values.values()
    last[3] -= 0.75
    assert distance(model, NORM_ONLY, values) == 0.75


def test_nothing_of_the_base_moves(model, head):
    before = digests(model, skip={})
    differentiated(model, head, METHODS["full"])
    assert digests(model, skip={}) == before
    assert all(p.grad is None and not p.requires_grad for p in model.parameters())


def test_it_is_the_same_each_time(model, head):
    one, other = (bits(differentiated(model, head, NORM_ONLY)) for _ in range(2))
    assert one == other


# --- closed form --------------------------------------------------------------------------------


@torch.no_grad()
def test_the_gradient_of_a_temperature_is_the_mean_logit_less_the_targets(model, head):
    """d(−log softmax(f·z)[t]) / df at 1 is the mean of z under the softmax, less z[t]."""
    document, slopes = [PREFIX, *map(int, TOKENS)], []
    whole = Scoring(window=len(TOKENS), stride=len(TOKENS))
    logits = model(input_ids=torch.tensor([document[:-1]])).logits[0].double()
    mean = (logits.softmax(-1) * logits).sum(-1)
    slopes = mean - logits.gather(1, torch.tensor(TOKENS)[:, None])[:, 0]
    with torch.enable_grad():
        found = gradient(model, head, TEMPERATURE, [TOKENS], PREFIX, whole)
    # logits of at most 1 in fp32, whose means round by less than 1e-6
    assert found["temperature"][0] == pytest.approx(float(slopes.mean()), abs=1e-6)


def test_no_step_of_a_temperature_gains_more_than_its_ceiling(model, head):
    """Its NLL is convex, so here the first-order estimate is a bound."""
    norm = l1_norm(differentiated(model, head, TEMPERATURE))
    sizes = (0.01, 0.1, 0.5, 2.0)
    for size, gain in zip(sizes, gains(model, head, TEMPERATURE, *sizes), strict=True):
        assert gain < size * norm


# --- where it has no meaning --------------------------------------------------------------------


@LORA
def test_loras_first_order_is_refused_by_its_word_and_by_what_is_measured(model, head, method):
    """B starts at 0, so the gradient to A is 0 to the last bit."""
    found = differentiated(model, head, method)
    assert not has_first_order(method, found)
    assert not has_first_order(Silent(method), found)
    zero = {name for name, values in found.items() if not values.any()}
    assert zero == {name for name in found if ".lora_A." in name}


class Silent:
    """A method of one's own, which does not say whether its gradient has a meaning."""

    def __init__(self, method):
        self.name, self.version, self.attached = "silent", 1, method.attached


def test_a_method_that_does_not_say_is_measured(model, head):
    found = differentiated(model, head, NORM_ONLY)
    assert has_first_order(Silent(NORM_ONLY), found)
    name, *_ = found
    assert not has_first_order(Silent(NORM_ONLY), found | {name: 0 * found[name]})
    assert has_first_order(NORM_ONLY, found | {name: 0 * found[name]})


def test_a_loss_that_depends_on_none_of_the_tensors_is_refused(model, head):
    with pytest.raises(TrainingError, match="the loss depends on none of the tensors"):
        differentiated(model, head, Apart())


class OneMore:
    """The gains, and a tensor that nothing reads."""

    name, version = "one-more", 1

    @contextmanager
    def attached(self, model):
        with NORM_ONLY.attached(model) as tensors:
            yield {**tensors, "unread": torch.ones(3, requires_grad=True)}


def test_a_tensor_that_nothing_reads_has_a_gradient_of_0(model, head):
    found = differentiated(model, head, OneMore())
    assert not found["unread"].any()
    assert not has_first_order(OneMore(), found)


def test_a_gradient_that_is_not_finite_is_refused(model, head):
    model.get_parameter("model.norm.weight").fill_(float("inf"))
    with pytest.raises(TrainingError, match=r"norm-only: the gradient to .* is not finite"):
        differentiated(model, head, NORM_ONLY)
