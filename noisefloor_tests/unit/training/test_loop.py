"""The training loop: what it trains, what it refuses, and that it is AdamW on the model's loss."""

import re
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import torch

from noisefloor_tests.support.tensors import bits
from pytest_noisefloor.data.arms import ARMS, ArmInput
from pytest_noisefloor.specs import Recipe
from pytest_noisefloor.training.checks import TrainingError, digests
from pytest_noisefloor.training.loop import train
from pytest_noisefloor.training.methods.base import snapshot
from pytest_noisefloor.training.methods.registry import METHODS

NORM_ONLY = METHODS["norm-only"]
LONGER = Recipe(lr=0.01, steps=20, batch=2, sequence=16)
TEXT = np.random.default_rng(60).integers(256, size=400)


def blocks(recipe, arm="real"):
    return ARMS[arm].batches(ArmInput("ann", 257, TEXT, np.arange(256)), recipe, seed=0)


def train_one(model, head, method, stream, recipe, *, start=None, **rest):
    """Train a single adapter."""
    starts = {"ann": start} if start else None
    return train(model, head, method, {"ann": stream}, recipe, starts=starts, **rest)["ann"]


@pytest.mark.parametrize(
    ("method", "eps"),
    [("norm-only", 1e-8), ("temperature", 1e-8), ("lora-r4", 1e-3), ("full", 1e-3)],
    indirect=["method"],
)
def test_training_is_adamw_on_the_models_own_loss(model, head, tiny, method, eps):
    """Some gradients of a whole base, or of A while B is small, are nothing but rounding, which a
    small eps would blow up into steps of full size.
    """
    recipe = replace(LONGER, eps=eps)
    plain, losses = tiny.model("cpu"), []
    with method.attached(plain) as tensors:
        optimizer = torch.optim.AdamW(
            tensors.values(), lr=recipe.lr, betas=(0.9, 0.999), eps=eps, weight_decay=0.01
        )
        for block in blocks(recipe):
            ids = torch.from_numpy(block)
            optimizer.zero_grad()
            loss = plain(input_ids=ids, labels=ids).loss
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
        expected = snapshot(tensors)

    done = train_one(model, head, method, blocks(recipe), recipe)
    assert done.tensors.keys() == expected.keys()
    # The two ways round differently by some 2⁻²⁴ of a gradient, and AdamW divides that out of
    # most steps of 0.01: 20 × 0.01 × 2⁻²⁴ is 1e-8, two orders below this.
    for name, tensor in expected.items():
        np.testing.assert_allclose(done.tensors[name], tensor, rtol=0, atol=1e-6, err_msg=name)
    # fp32 means of 30 losses of 5.5 nats
    np.testing.assert_allclose(done.losses, losses, rtol=0, atol=30 * 2**-24 * 5.5)


@pytest.mark.parametrize(
    "change",
    [{"lr": 0.0101}, {"beta1": 0.91}, {"beta2": 0.99}, {"eps": 1e-4}, {"weight_decay": 0.02}],
    ids=lambda change: next(iter(change)),
)
def test_every_hyper_parameter_reaches_the_optimiser(model, head, change):
    """By more than the tolerance above, so that a plain loop with another value would be seen."""
    recipe = replace(LONGER, steps=5)
    usual = train_one(model, head, NORM_ONLY, blocks(recipe), recipe)
    other = train_one(model, head, NORM_ONLY, blocks(recipe), replace(recipe, **change))
    assert max(np.abs(usual.tensors[n] - other.tensors[n]).max() for n in usual.tensors) > 1e-5


@pytest.mark.parametrize("arm", ARMS)
def test_training_is_bitwise_repeatable_and_draws_nothing(model, head, recipe, arm):
    state = torch.random.get_rng_state()
    first = train_one(model, head, NORM_ONLY, blocks(recipe, arm), recipe)
    assert bits(first.tensors) == bits(
        train_one(model, head, NORM_ONLY, blocks(recipe, arm), recipe).tensors
    )
    assert torch.equal(torch.random.get_rng_state(), state)


def test_what_trained_before_changes_nothing(tiny, model, head, recipe):
    train_one(model, head, NORM_ONLY, blocks(recipe, "random"), recipe)
    behind = train_one(model, head, NORM_ONLY, blocks(recipe), recipe)
    fresh = train_one(tiny.model("cpu"), head, NORM_ONLY, blocks(recipe), recipe)
    assert bits(behind.tensors) == bits(fresh.tensors)
    assert behind.losses == fresh.losses


@pytest.mark.parametrize("stopped", [1, 2, 4, 5])
def test_a_resumed_training_is_bitwise_the_uninterrupted_one(model, head, stopped):
    recipe = replace(LONGER, steps=5)
    taken = {}

    def take(step, losses, states):
        taken[step] = states()["ann"]

    whole = train_one(model, head, NORM_ONLY, blocks(recipe), recipe, on_step=take)
    part = taken[stopped]
    for _ in range(2):  # a snapshot may be gone on from more than once
        rest = train_one(model, head, NORM_ONLY, blocks(recipe), recipe, start=part)
        assert bits(rest.tensors) == bits(whole.tensors)
        assert bits(rest.moments) == bits(whole.moments)
        assert rest.losses == whole.losses
        assert rest.seconds >= part.seconds


def test_the_hook_is_called_after_every_step(model, head, recipe):
    told = []
    done = train_one(
        model,
        head,
        NORM_ONLY,
        blocks(recipe),
        recipe,
        on_step=lambda step, losses, states: told.append(
            (step, losses, len(states()["ann"].losses))
        ),
    )
    assert told == [(n, {"ann": loss}, n) for n, loss in enumerate(done.losses, start=1)]
    assert len(told) == recipe.steps


# --- what is refused ------------------------------------------------------------------------


class Altered:
    """norm-only, and something that it does not say."""

    name = "altered"
    version = 1

    def __init__(self, extra):
        self._extra = extra

    @contextmanager
    def attached(self, model):
        with NORM_ONLY.attached(model) as gains:
            handle = model.model.register_forward_hook(lambda *_: self._extra(model))
            try:
                yield gains
            finally:
                handle.remove()


@torch.no_grad()
def nudge_the_embeddings(model):
    model.model.embed_tokens.weight[0, 0] += 1e-3


def test_a_method_that_trains_more_than_it_names_is_an_error(model, head, recipe):
    message = "altered: tensors of the base moved that the method does not name"
    with pytest.raises(TrainingError, match=message):
        train_one(model, head, Altered(nudge_the_embeddings), blocks(recipe), recipe)


@pytest.mark.parametrize("change", [{"lr": 0.0}, {"lr": 1e-12}], ids=str)
def test_a_run_whose_gains_did_not_move_is_an_error(model, head, recipe, change):
    recipe = replace(recipe, **change)  # 1e-12 is below half a unit in the last place of 1
    message = f"no tensor moved in 3 steps at lr {recipe.lr:g}"
    with pytest.raises(TrainingError, match=re.escape(message)):
        train_one(model, head, NORM_ONLY, blocks(recipe), recipe)


def spoiled(recipe, change):
    """The real arm's blocks, the second of them changed."""
    for number, block in enumerate(blocks(recipe)):
        yield change(block) if number == 1 else block


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda block: block[:1], "step 2: .* int64 tokens of shape (1, 16); expected .* (2, 16)"),
        (lambda block: block[:, 1:], "step 2: .* of shape (2, 15); expected int64 of (2, 16)"),
        (lambda block: block.astype(np.int32), "step 2: the arm gave int32 tokens"),
        (lambda block: block + 257, "step 2: token ids from .*; expected 0 to 256"),
        (lambda block: block * 0 + 257, "step 2: token ids from 257 to 257; expected 0 to 256"),
        (lambda block: block * 0 - 1, "step 2: token ids from -1 to -1; expected 0 to 256"),
    ],
    ids=["rows", "length", "dtype", "ids", "first id too many", "negative id"],
)
def test_blocks_that_are_not_the_recipes_are_an_error(model, head, recipe, change, message):
    pattern = re.escape(message).replace(r"\.\*", ".*")
    with pytest.raises(TrainingError, match=pattern):
        train_one(model, head, NORM_ONLY, spoiled(recipe, change), recipe)


def test_an_arm_with_more_steps_than_its_budget_is_an_error(model, head, recipe):
    longer = blocks(replace(recipe, steps=4))
    with pytest.raises(TrainingError, match="offers more than its budget of 3 steps"):
        train_one(model, head, NORM_ONLY, longer, recipe)


@pytest.mark.parametrize("steps", [0, 2])
def test_an_arm_with_fewer_steps_than_its_budget_is_an_error(model, head, recipe, steps):
    shorter = iter([*blocks(recipe)][:steps])
    with pytest.raises(TrainingError, match=f"the arm ended after {steps} of 3 steps"):
        train_one(model, head, NORM_ONLY, shorter, recipe)


def test_a_loss_that_is_not_finite_is_an_error_at_its_step(model, head, recipe):
    @torch.no_grad()
    def spoil(model):
        model.model.layers[0].input_layernorm.weight.fill_(float("nan"))

    with pytest.raises(TrainingError, match="step 2 of 3: loss is nan"):
        train_one(model, head, Altered(spoil), blocks(recipe), recipe)


def test_an_error_in_mid_training_gives_the_base_back(model, head, recipe):
    before = digests(model, skip={})
    with pytest.raises(TrainingError):
        train_one(model, head, NORM_ONLY, spoiled(recipe, lambda block: block * 0 - 1), recipe)
    assert digests(model, skip={}) == before
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_bfloat16_rounds_the_bases_products_and_nothing_else(model, head, recipe):
    usual = train_one(model, head, NORM_ONLY, blocks(recipe), recipe)
    low = train_one(model, head, NORM_ONLY, blocks(recipe), replace(recipe, matmul="bfloat16"))
    assert all(gain.dtype == np.float32 for gain in (*low.tensors.values(), *low.moments.values()))
    assert bits(low.tensors) != bits(usual.tensors)
    # 8 bits of operands move a loss of 5.5 nats by less than 2⁻⁸ of it; a float16 overflow or a
    # head that stayed unrounded in one arm alone would not stay this close and yet differ
    np.testing.assert_allclose(low.losses, usual.losses, rtol=2**-8)
    assert low.losses != usual.losses


def test_a_head_that_trains_is_refused_in_bfloat16(model, head, recipe):
    low = replace(recipe, matmul="bfloat16")
    with pytest.raises(TrainingError, match="'bfloat16': the head trains; expected float32"):
        train_one(model, head, METHODS["full"], blocks(low), low)
