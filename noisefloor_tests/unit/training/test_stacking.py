"""Adapters that share a batch: each as if it were alone, or refused by name."""

import re
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from noisefloor_tests.support.stacks import NORM_ONLY, USERS, stream, together
from pytest_noisefloor.errors import MethodError
from pytest_noisefloor.models import scoring
from pytest_noisefloor.models.head import lm_head
from pytest_noisefloor.models.loading import open_base
from pytest_noisefloor.models.scoring import ScoringError, score
from pytest_noisefloor.specs import Recipe, Scoring
from pytest_noisefloor.training.checks import digests
from pytest_noisefloor.training.loop import train
from pytest_noisefloor.training.methods.base import restore
from pytest_noisefloor.training.methods.norm_only import gain_names
from pytest_noisefloor.training.stacking import StackError, score_stacked

# What two ways to one adapter may differ by, in every gain. Sums over a batch are taken in another
# order, which moves a gradient by some 1e-7 of itself and a gain near 1 by its last bit or two
# (2.4e-7 measured); one wrong step of the smallest rate below moves it by 5e-5.
CLOSE = 1e-6


def alone(model, head, users, recipe, seed=0):
    vocabulary = head.weight.shape[0]
    done = {}
    for user in users:
        streams = {user: stream(user, recipe, vocabulary, seed=seed)}
        done |= train(model, head, NORM_ONLY, streams, recipe)
    return done


def assert_close(found, expected):
    for user, progress in found.items():
        assert progress.tensors.keys() == expected[user].tensors.keys()
        for name, gain in progress.tensors.items():
            np.testing.assert_allclose(
                gain, expected[user].tensors[name], rtol=0, atol=CLOSE, err_msg=f"{user} {name}"
            )
        # fp32 means of 62 losses of 6 nats
        np.testing.assert_allclose(
            progress.losses, expected[user].losses, rtol=0, atol=62 * 2**-24 * 6
        )


# A gain whose first gradient is mere rounding, 1e-7 of the usual, may step the other way: some
# 3e-5 an example, so a false alarm in 1,000 sessions.
@pytest.mark.parametrize("architecture", ["Llama", "Qwen3", "Gemma3", "GPT2", "Mixtral"])
@settings(max_examples=5)
@given(
    users=st.permutations(USERS).flatmap(lambda all_: st.integers(1, 4).map(lambda n: all_[:n])),
    seed=st.integers(0, 2**32),
    # at the larger eps the size of a gradient shows: a mean over the group would be seen
    eps=st.sampled_from([1e-8, 1e-3]),
)
def test_each_adapter_is_that_of_a_run_of_its_own(build, architecture, users, seed, eps):
    model = build(architecture)
    head = lm_head(model)
    recipe = Recipe(steps=4, batch=2, sequence=16, eps=eps)
    assert_close(
        together(model, head, users, recipe, seed), alone(model, head, users, recipe, seed)
    )


@pytest.mark.slow
def test_each_adapter_of_the_reference_base_is_that_of_a_run_of_its_own():
    model = open_base("reference").model("cpu")
    head, recipe = lm_head(model), Recipe(steps=4)
    users = USERS[:3]
    assert_close(together(model, head, users, recipe), alone(model, head, users, recipe))


def test_adapters_that_share_a_batch_do_differ(model, head, recipe):
    """By far more than is called equal above."""
    done = together(model, head, USERS, recipe)
    gains = [np.concatenate([*progress.tensors.values()]) for progress in done.values()]
    assert (
        min(np.abs(gains[i] - gains[j]).max() for i in range(len(gains)) for j in range(i))
        > 1000 * CLOSE
    )


def test_who_shares_the_batch_changes_nothing(model, head, recipe):
    usual = together(model, head, USERS, recipe)
    assert_close(together(model, head, USERS[::-1], recipe), usual)
    assert_close(together(model, head, USERS[1:3], recipe), usual)


def test_the_base_does_not_move_and_comes_back_whole(model, head, recipe):
    before, modules = digests(model, skip={}), [*model.named_modules()]
    together(model, head, USERS, recipe)
    assert digests(model, skip={}) == before
    assert [*model.named_modules()] == modules
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_a_group_is_bitwise_repeatable_and_draws_nothing(model, head, recipe):
    state = torch.random.get_rng_state()
    first, second = (together(model, head, USERS, recipe) for _ in range(2))
    assert bits(first) == bits(second)
    assert torch.equal(torch.random.get_rng_state(), state)


def bits(done):
    return {
        (user, name): array.tobytes()
        for user, progress in done.items()
        for name, array in (progress.tensors | progress.moments).items()
    }


# --- interrupted ------------------------------------------------------------------------------


@pytest.mark.parametrize("stopped", [1, 3])
def test_a_resumed_group_is_bitwise_the_uninterrupted_one(model, head, recipe, stopped):
    recipe, taken, told = replace(recipe, steps=4), {}, []

    def take(step, losses, progress):
        told.append(losses)
        taken[step] = progress()

    whole = together(model, head, USERS, recipe, on_step=take)
    part = taken[stopped]
    for _ in range(2):  # a snapshot may be gone on from more than once
        rest = together(model, head, USERS, recipe, starts=part)
        assert bits(rest) == bits(whole)
        for user in USERS:
            assert rest[user].losses == whole[user].losses == tuple(step[user] for step in told)
            assert rest[user].seconds >= part[user].seconds > 0
    # and each may go on alone, or with others
    vocabulary = head.weight.shape[0]
    streams = {"bob": stream("bob", recipe, vocabulary)}
    assert_close(train(model, head, NORM_ONLY, streams, recipe, starts=part), whole)
    assert_close(together(model, head, ("bob", "dee"), recipe, starts=part), whole)


def test_trainings_of_unequal_age_do_not_share_a_batch(model, head, recipe):
    taken = {}
    together(
        model, head, USERS, recipe, on_step=lambda n, _, progress: taken.update({n: progress()})
    )
    mixed = {user: taken[1 + (user == "cem")][user] for user in USERS}
    with pytest.raises(StackError, match=re.escape("after [1, 2] steps; expected equally many")):
        together(model, head, USERS, recipe, starts=mixed)


# --- scores -----------------------------------------------------------------------------------

TOKENS = np.random.default_rng(60).integers(64, size=50)
PLAN = Scoring(window=32, stride=16)


@pytest.mark.parametrize("architecture", ["Llama", "Qwen3", "Gemma3", "GPT2", "Mixtral"])
def test_scores_under_many_adapters_are_those_under_each(build, monkeypatch, architecture):
    model = build(architecture)
    head = lm_head(model)
    rng = np.random.default_rng(5)
    adapters = [
        {
            name: rng.uniform(0.5, 4, model.get_parameter(name).shape).astype(np.float32)
            for name in gain_names(model)
        }
        for _ in range(5)
    ]
    expected = []
    for adapter in adapters:
        with NORM_ONLY.attached(model) as gains:
            restore(gains, adapter)
            expected.append(score(model, head, TOKENS, 0, PLAN))
    assert all(np.abs(a - b).max() > 1e-2 for a, b in combinations(expected, 2))
    for count, batch in [(1, 4096), (5, 4096), (5, 320), (5, 1)]:
        monkeypatch.setattr(scoring, "BATCH_TOKENS", batch)
        found = score_stacked(model, head, NORM_ONLY, adapters[:count], TOKENS, 0, PLAN)
        assert found.shape == (count, 50)
        # sums of 16 and 64 terms in fp32, through gains of up to 4: below 1e-5 of 10 nats
        np.testing.assert_allclose(found, expected[:count], rtol=0, atol=1e-4)


def test_scoring_refuses_what_it_refuses_of_one(model, head):
    sound = {name: np.ones(16, np.float32) for name in gain_names(model)}
    broken = {name: gain * np.nan for name, gain in sound.items()}
    with pytest.raises(ScoringError, match="token 0 of 50 scored nan"):
        score_stacked(model, head, NORM_ONLY, [sound, broken], TOKENS, 0, PLAN)
    with pytest.raises(MethodError, match="adapter does not fit the base: 1 tensors"):
        score_stacked(
            model,
            head,
            NORM_ONLY,
            [sound, {"model.norm.weight": sound["model.norm.weight"]}],
            TOKENS,
            0,
            PLAN,
        )
    with pytest.raises(ScoringError, match="no tokens to score"):
        score_stacked(model, head, NORM_ONLY, [sound], TOKENS[:0], 0, PLAN)
