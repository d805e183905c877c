"""Scores: every held-out token once, with the context it was promised, whatever the batches."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_noisefloor.models import cross_entropy, scoring
from pytest_noisefloor.models.head import LMHead, lm_head
from pytest_noisefloor.models.scoring import ScoringError, score, windows
from pytest_noisefloor.specs import Scoring

TOKENS = np.random.default_rng(60).integers(256, size=100)
PREFIX = 256

# Two ways to one score differ by fp32 rounding: sums of 16 and 257 terms round to less than
# 273 × 2⁻²⁴ of logits of about 1, that is 1.6e-5 nats.
ROUNDING = 1.6e-5


def sharpened(tiny):
    """Tiny, with an output sharp enough for contexts to matter."""
    model = tiny.model("cpu")
    model.model.norm.weight.fill_(8.0)
    return model


@pytest.fixture
def model(tiny):
    return sharpened(tiny)


@pytest.fixture(scope="module")
def sharp(tiny):
    """The same for drawn plans, with its head."""
    model = sharpened(tiny)
    return model, lm_head(model)


def plan(window, stride):
    return Scoring(window=window, stride=stride)


@st.composite
def plans(draw):
    window = draw(st.integers(1, 40))
    return plan(window, draw(st.integers(1, window)))


@given(length=st.integers(0, 300), scoring=plans())
def test_each_token_is_scored_once_and_in_order(length, scoring):
    scored = [i for _, start, end in windows(length, scoring) for i in range(start, end)]
    assert scored == [*range(length)]


@given(length=st.integers(1, 300), scoring=plans())
def test_each_token_has_the_context_that_window_and_stride_promise(length, scoring):
    for first, start, end in windows(length, scoring):
        assert 0 <= first <= start < end <= length
        assert end - first <= scoring.window
        assert end - start <= (scoring.stride if start else scoring.window)
        # whatever fits into the window is context
        assert first == 0 or end - first == scoring.window
        # so that behind the first window no token has less than this
        assert not start or start - first >= min(start, scoring.window - scoring.stride)


@torch.no_grad()
def negative_log_likelihoods(model, ids):
    """Of each token behind the first, by the model's own logits."""
    logits = model(input_ids=torch.tensor([ids])).logits[0, :-1].double()
    return -logits.log_softmax(-1).gather(1, torch.tensor(ids[1:])[:, None])[:, 0].numpy()


def one_window_at_a_time(model, tokens, scoring):
    """Sliding-window scores as a loop that any reader can check."""
    document, scores = [PREFIX, *map(int, tokens)], []
    while len(scores) < len(tokens):
        new = scoring.stride if scores else scoring.window
        end = min(len(scores) + new, len(tokens))
        seen = document[max(0, end - scoring.window) : end + 1]
        scores += [*negative_log_likelihoods(model, seen)[len(scores) - end :]]
    return np.array(scores)


PLANS = pytest.mark.parametrize(
    ("window", "stride"), [(32, 16), (32, 32), (20, 7), (5, 2), (200, 50)]
)


@PLANS
def test_scores_are_those_of_one_window_at_a_time(model, head, window, stride):
    found = score(model, head, TOKENS, PREFIX, plan(window, stride))
    assert found.dtype == np.float32
    naive = one_window_at_a_time(model, TOKENS, plan(window, stride))
    np.testing.assert_allclose(found, naive, rtol=0, atol=ROUNDING)
    # the nearest wrong context, one token less, is a thousand times further away
    if stride < window < len(TOKENS):
        wrong = one_window_at_a_time(model, TOKENS, plan(window - 1, stride))
        assert np.abs(found - wrong).max() > 1000 * ROUNDING


@PLANS
@pytest.mark.parametrize(
    ("batch", "tile"), [(1, (1, 257)), (64, (7, 100)), (10**6, (10**6, 10**6))]
)
def test_batches_and_tiles_change_scores_by_rounding_at_most(
    model, head, monkeypatch, window, stride, batch, tile
):
    usual = score(model, head, TOKENS, PREFIX, plan(window, stride))
    monkeypatch.setattr(scoring, "BATCH_TOKENS", batch)
    monkeypatch.setattr(cross_entropy, "CPU_TILE", tile)
    found = score(model, head, TOKENS, PREFIX, plan(window, stride))
    np.testing.assert_allclose(found, usual, rtol=0, atol=ROUNDING)


@given(data=st.data(), length=st.integers(1, 100), scoring_=plans())
@settings(max_examples=15)
def test_no_batch_and_no_tile_changes_the_scores_of_any_plan(sharp, data, length, scoring_):
    model, head = sharp
    usual = score(model, head, TOKENS[:length], PREFIX, scoring_)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(scoring, "BATCH_TOKENS", data.draw(st.integers(1, 400)))
        patch.setattr(
            cross_entropy, "CPU_TILE", data.draw(st.tuples(st.integers(1, 40), st.integers(9, 300)))
        )
        found = score(model, head, TOKENS[:length], PREFIX, scoring_)
    np.testing.assert_allclose(found, usual, rtol=0, atol=ROUNDING)


@pytest.mark.parametrize(("batch", "passes"), [(4096, [1, 4, 1]), (64, [1, 2, 2, 1]), (1, [1] * 6)])
def test_windows_of_one_shape_share_forward_passes(model, head, monkeypatch, batch, passes):
    """As many as the batch has tokens for: a first window, four alike, and a shorter last one."""
    monkeypatch.setattr(scoring, "BATCH_TOKENS", batch)
    found = []
    model.model.register_forward_pre_hook(
        lambda _, __, given: found.append(len(given["input_ids"])), with_kwargs=True
    )
    score(model, head, TOKENS, PREFIX, plan(32, 16))
    assert found == passes


@torch.no_grad()
def padded(model, tokens, scoring):
    """Sliding-window scores from one batch of all windows, padded in front and masked."""
    document = np.array([PREFIX, *tokens])
    plan = [*windows(len(tokens), scoring)]
    width = max(end - first for first, _, end in plan)
    ids, mask = np.zeros((2, len(plan), width), np.int64)
    for row, (first, _, end) in enumerate(plan):
        ids[row, width - (end - first) :] = document[first:end]
        mask[row, width - (end - first) :] = 1
    positions = (mask.cumsum(1) - 1).clip(0)
    logits = model(
        input_ids=torch.from_numpy(ids),
        attention_mask=torch.from_numpy(mask),
        position_ids=torch.from_numpy(positions),
    ).logits.double()
    found = np.zeros(len(tokens))
    for row, (_, start, end) in enumerate(plan):
        picked = logits[row, -(end - start) :].log_softmax(-1).numpy()
        found[start:end] = -picked[np.arange(end - start), tokens[start:end]]
    return found


@PLANS
def test_padding_changes_scores_by_rounding_at_most(model, head, window, stride):
    """Nothing here is ever padded; whoever pads and masks finds the same."""
    found = score(model, head, TOKENS, PREFIX, plan(window, stride))
    other = padded(model, TOKENS, plan(window, stride))
    np.testing.assert_allclose(found, other, rtol=0, atol=ROUNDING)


def rolling_log_likelihood(model, tokens, window):
    """What lm-evaluation-harness calls loglikelihood_rolling, written from its description.

    Disjoint stretches of ``window`` tokens are predicted, the first behind the prefix, each later
    one behind the token before it; a shorter last stretch is fed with as many tokens in front as
    fill the window. The log-likelihoods are summed.
    """
    document = [PREFIX, *map(int, tokens)]
    total = 0.0
    for start in range(0, len(tokens), window):
        stop = min(start + window, len(tokens))
        fed = document[max(0, stop - window) : stop + 1]
        total -= negative_log_likelihoods(model, fed)[start - stop :].sum()
    return total


@pytest.mark.parametrize("length", [5, 32, 33, 64, 100])
def test_at_stride_window_the_total_is_the_rolling_log_likelihood(model, head, length):
    tokens = TOKENS[:length]
    total = -score(model, head, tokens, PREFIX, plan(32, 32)).sum(dtype=np.float64)
    # each token rounds by ROUNDING at most
    assert total == pytest.approx(
        rolling_log_likelihood(model, tokens, 32), rel=0, abs=length * ROUNDING
    )


def test_the_first_token_is_predicted_from_the_prefix_alone(model, head):
    usual = score(model, head, TOKENS, PREFIX, plan(32, 16))
    (expected,) = negative_log_likelihoods(model, [PREFIX, int(TOKENS[0])])
    assert usual[0] == pytest.approx(expected, rel=0, abs=ROUNDING)
    other = score(model, head, TOKENS, 0, plan(32, 16))
    assert abs(other[0] - usual[0]) > 1000 * ROUNDING


def test_a_slice_is_a_document_of_its_own(model, head):
    alone = score(model, head, TOKENS[50:], PREFIX, plan(32, 16))
    score(model, head, TOKENS[:50], PREFIX, plan(32, 16))  # leaves nothing behind
    np.testing.assert_array_equal(alone, score(model, head, TOKENS[50:], PREFIX, plan(32, 16)))
    behind = score(model, head, TOKENS, PREFIX, plan(32, 16))[50:]
    assert np.abs(behind - alone).max() > 1000 * ROUNDING


def test_scoring_leaves_the_model_as_it_was(model, head):
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    score(model, head, TOKENS, PREFIX, plan(32, 16))
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_a_model_that_trains_is_scored_as_one_that_does_not_and_without_a_graph(model, head):
    usual = score(model, head, TOKENS, PREFIX, plan(32, 16))
    model.model.norm.weight.requires_grad_(True)
    built = []
    model.model.register_forward_hook(lambda *_: built.append(torch.is_grad_enabled()))
    np.testing.assert_array_equal(score(model, head, TOKENS, PREFIX, plan(32, 16)), usual)
    assert built
    assert not any(built)


def test_a_score_that_is_not_finite_is_refused_by_its_place(model, head):
    unlikely = torch.zeros(257)
    unlikely[int(TOKENS[40])] = float("-inf")
    head = LMHead(head.weight, unlikely, 1.0, None)
    first = TOKENS.tolist().index(TOKENS[40])
    with pytest.raises(ScoringError, match=f"token {first} of 100 scored inf"):
        score(model, head, TOKENS, PREFIX, plan(32, 16))


def test_nothing_to_score_is_refused(model, head):
    with pytest.raises(ScoringError, match="no tokens to score"):
        score(model, head, TOKENS[:0], PREFIX, plan(32, 16))
