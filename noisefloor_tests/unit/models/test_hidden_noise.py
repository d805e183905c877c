"""Noise at scoring: as large as said, the same for every adapter and batch, and gone afterwards."""

from contextlib import contextmanager, nullcontext

import numpy as np
import pytest
import torch
from torch import nn

from pytest_noisefloor.models import scoring
from pytest_noisefloor.models.head import hidden_states, lm_head
from pytest_noisefloor.models.hidden_noise import NoiseError, noisy_blocks
from pytest_noisefloor.models.scoring import score, windows
from pytest_noisefloor.specs import Scoring
from pytest_noisefloor.training.methods.base import restore
from pytest_noisefloor.training.methods.norm_only import gain_names
from pytest_noisefloor.training.methods.registry import METHODS
from pytest_noisefloor.training.stacking import score_stacked

TOKENS = np.random.default_rng(60).integers(256, size=100)
PREFIX = 256
PLAN = Scoring(window=32, stride=16, noise=0.1)
NORM_ONLY = METHODS["norm-only"]

# A sum of 1 and a tenth rounds by 2⁻²⁴ of up to 4, in units of that tenth: 2.4e-6; rms and products
# round by less, and a share ten times smaller is seen ten times less exactly.
ROUNDING = 5e-5

OUTPUTS = 6 * 32 * 16  # of each block of tiny: 6 windows of 32 tokens of 16 numbers


def plan(share):
    return Scoring(window=32, stride=16, noise=share)


@contextmanager
def adapted(model, seed):
    """The model under an adapter that somebody's text might have left."""
    rng = np.random.default_rng(seed)
    with NORM_ONLY.attached(model) as gains:
        values = {name: rng.uniform(0.5, 2, gain.shape) for name, gain in gains.items()}
        restore(gains, {name: value.astype(np.float32) for name, value in values.items()})
        yield


def draws(model, head, share=0.1):
    """What was added to each token's vector, in units of its RMS and the share: (2, OUTPUTS)."""
    clean, noisy = ([], []), ([], [])
    blocks, behind = model.model.layers, (model.model.layers[1], model.model.norm)
    hooks = [
        hook
        for at in (0, 1)
        for hook in (
            blocks[at].register_forward_hook(lambda _, __, out, at=at: clean[at].append(out)),
            behind[at].register_forward_pre_hook(
                lambda _, given, at=at: noisy[at].append(given[0])
            ),
        )
    ]
    score(model, head, TOKENS, PREFIX, plan(share))
    for hook in hooks:
        hook.remove()
    found = []
    for before, after in zip(clean, noisy, strict=True):
        rows = [
            (b - a) / (share * a.square().mean(-1, keepdim=True).sqrt())
            for a, b in zip(before, after, strict=True)
        ]
        found.append(torch.cat([row.flatten() for row in rows]).numpy())
    return np.stack(found)


def test_the_draws_are_what_anybody_can_write_down(model, head):
    """By the window's first token and the block's number alone."""
    expected = [
        np.concatenate(
            [
                np.random.default_rng([first, block])
                .standard_normal((end - first, 16), dtype=np.float32)
                .ravel()
                for first, _, end in windows(100, PLAN)
            ]
        )
        for block in (0, 1)
    ]
    np.testing.assert_allclose(draws(model, head), expected, rtol=0, atol=ROUNDING)


def test_the_noise_is_as_large_as_said_and_independent_between_blocks(model, head):
    """Each of the 5 assertions allows 5 standard errors, a false alarm of 6e-7 for other draws.

    RMS and correlation of n normal numbers have standard errors of 1/√(2n) and 1/√n.
    """
    one, other = draws(model, head)
    assert len(one) == OUTPUTS
    for found in (one, other):
        assert np.sqrt((found**2).mean()) == pytest.approx(1, rel=0, abs=5 / np.sqrt(2 * OUTPUTS))
        assert found.mean() == pytest.approx(0, rel=0, abs=5 / np.sqrt(OUTPUTS))
    assert np.corrcoef(one, other)[0, 1] == pytest.approx(0, rel=0, abs=5 / np.sqrt(OUTPUTS))
    # the nearest wrong size, a share of the mean of the absolute values, would be seen
    assert 1 - np.sqrt(2 / np.pi) > 2 * 5 / np.sqrt(2 * OUTPUTS)


@pytest.mark.parametrize("batch", [1, 64, 10**6])
def test_no_batch_changes_the_draws(model, head, monkeypatch, batch):
    usual = draws(model, head)
    monkeypatch.setattr(scoring, "BATCH_TOKENS", batch)
    np.testing.assert_allclose(draws(model, head), usual, rtol=0, atol=ROUNDING)


@pytest.mark.parametrize("batch", [1, 64, 10**6])
def test_no_batch_changes_the_scores_by_more_than_rounding(model, head, monkeypatch, batch):
    """Rounding as without noise, 1.6e-5; the noise itself moves scores by far more."""
    usual = score(model, head, TOKENS, PREFIX, PLAN)
    monkeypatch.setattr(scoring, "BATCH_TOKENS", batch)
    np.testing.assert_allclose(score(model, head, TOKENS, PREFIX, PLAN), usual, rtol=0, atol=1.6e-5)
    quiet = score(model, head, TOKENS, PREFIX, plan(0.0))
    assert np.abs(usual - quiet).max() > 100 * 1.6e-5


def test_every_adapter_and_every_share_has_the_same_draws(model, head):
    usual = draws(model, head)
    with adapted(model, 1):
        np.testing.assert_allclose(draws(model, head), usual, rtol=0, atol=ROUNDING)
    np.testing.assert_allclose(draws(model, head, 0.01), usual, rtol=0, atol=10 * ROUNDING)


def test_scores_with_noise_are_bitwise_repeatable(model, head):
    first = score(model, head, TOKENS, PREFIX, PLAN)
    np.testing.assert_array_equal(score(model, head, TOKENS, PREFIX, PLAN), first)


def test_no_noise_is_bitwise_what_it_is_without_any(model, head, monkeypatch):
    def refuse(*_):
        raise AssertionError("hooked")

    monkeypatch.setattr(nn.Module, "register_forward_hook", refuse)
    found = score(model, head, TOKENS, PREFIX, plan(0.0))
    with pytest.raises(AssertionError, match="hooked"):
        score(model, head, TOKENS, PREFIX, PLAN)
    monkeypatch.setattr(scoring, "noisy_blocks", lambda *_: nullcontext())
    np.testing.assert_array_equal(score(model, head, TOKENS, PREFIX, PLAN), found)


# --- architectures -------------------------------------------------------------------------------


def hooked(model):
    return [path for path, module in model.named_modules() if module._forward_hooks]


@pytest.mark.parametrize("kind", ["Llama", "Mixtral", "Bloom", "OPT", "Mamba"])
def test_the_blocks_of_an_architecture_are_hooked_and_let_go(build, kind):
    """Bloom's blocks put out a tuple."""
    model, ids = build(kind), torch.arange(16).view(2, 8)
    before = hooked(model)
    with torch.no_grad():
        quiet = hidden_states(model, ids)
        with noisy_blocks(model, 0.1, [0, 8]):
            assert len(hooked(model)) == len(before) + 2
            noisy = hidden_states(model, ids)
        assert hooked(model) == before
        assert torch.equal(hidden_states(model, ids), quiet)
    assert (noisy - quiet).abs().max() > 0.01 * quiet.abs().max()


@pytest.mark.parametrize("kind", ["Llama", "Mixtral"])
def test_stacked_adapters_have_the_scores_of_each_alone(build, kind):
    model = build(kind)
    head, tokens = lm_head(model), TOKENS % 64
    rng = np.random.default_rng(1)
    adapters = [
        {
            name: rng.uniform(0.5, 4, model.get_parameter(name).shape).astype(np.float32)
            for name in gain_names(model)
        }
        for _ in range(3)
    ]
    found = score_stacked(model, head, NORM_ONLY, adapters, tokens, 0, PLAN)
    quiet = score_stacked(model, head, NORM_ONLY, adapters, tokens, 0, plan(0.0))
    for at, adapter in enumerate(adapters):
        with NORM_ONLY.attached(model) as gains:
            restore(gains, adapter)
            expected = score(model, head, tokens, 0, PLAN)
        # sums of 16 and 64 terms in fp32, through gains of up to 4: below 1e-5 of 10 nats
        np.testing.assert_allclose(found[at], expected, rtol=0, atol=1e-4)
    assert np.abs(found - quiet).max(axis=1).min() > 1e-2
    assert not hooked(model)


def test_the_hooks_are_gone_after_an_error_too(model, head):
    found = []

    def fails(*_):
        found.extend(hooked(model))
        raise ZeroDivisionError

    hook = model.model.norm.register_forward_pre_hook(fails)
    with pytest.raises(ZeroDivisionError):
        score(model, head, TOKENS, PREFIX, PLAN)
    hook.remove()
    assert found == ["model.layers.0", "model.layers.1"]
    assert not hooked(model)


def test_a_model_whose_blocks_are_not_found_is_refused(model, head):
    model.more = nn.ModuleList([nn.Identity(), nn.Identity()])
    with pytest.raises(NoiseError, match=r"Llama.*: lists of 2 blocks: model\.layers, more; expe"):
        score(model, head, TOKENS, PREFIX, PLAN)
    del model.more
    model.config.num_hidden_layers = 3
    with pytest.raises(NoiseError, match=r"Llama.*: lists of 3 blocks: none; expected one"):
        score(model, head, TOKENS, PREFIX, PLAN)
    score(model, head, TOKENS, PREFIX, plan(0.0))  # which needs none


def test_a_list_inside_a_block_is_no_list_of_blocks(model, head):
    usual = score(model, head, TOKENS, PREFIX, PLAN)
    model.model.layers[0].experts = nn.ModuleList([nn.Identity(), nn.Identity()])
    np.testing.assert_array_equal(score(model, head, TOKENS, PREFIX, PLAN), usual)
