"""The gradient of held-out NLL: that of the plain loss, each scored token counted once."""

import numpy as np
import pytest
import torch

from pytest_noisefloor.models import gradient
from pytest_noisefloor.models.gradient import add_gradients
from pytest_noisefloor.models.hidden_noise import noisy_blocks
from pytest_noisefloor.models.scoring import ScoringError, windows
from pytest_noisefloor.specs import Scoring
from pytest_noisefloor.training.methods.registry import METHODS

DRAWS = np.random.default_rng(60)
TEXTS = [DRAWS.integers(256, size=n) for n in (100, 37)]
PREFIX = 256
PLAN = Scoring(window=32, stride=16)

# fp32 sums of some hundred terms of 0.01 nats a unit round by less than 1e-7. A token that is left
# out or counted twice moves the gradient by about its hundredth part, 1e-4.
ROUNDING = 1e-6


def by_hand(model, texts, scoring):
    """The sum of the plain losses of every token over their number, one window at a time."""
    losses = []
    for tokens in texts:
        document = torch.tensor([PREFIX, *map(int, tokens)])
        for first, start, end in windows(len(tokens), scoring):
            with noisy_blocks(model, scoring.noise, [first]):
                logits = model(input_ids=document[None, first:end]).logits[0]
            found = torch.nn.functional.cross_entropy(
                logits, document[first + 1 : end + 1], reduction="none"
            )
            losses.append(found[start - first :])
    return torch.cat(losses).sum() / sum(map(len, texts))


def found_and_expected(model, head, method, scoring=PLAN, also=TEXTS):
    """Ours on the texts, and that of the plain loss on them or on others."""
    with method.attached(model) as tensors:
        by_hand(model, also, scoring).backward()
        expected = {name: tensor.grad.clone() for name, tensor in tensors.items()}
        for tensor in tensors.values():
            tensor.grad = None
        assert add_gradients(model, head, TEXTS, PREFIX, scoring)
        return {name: tensor.grad for name, tensor in tensors.items()}, expected


@pytest.mark.parametrize("method", ["norm-only", "full", "temperature"], indirect=True)
def test_it_is_the_gradient_of_the_plain_loss_of_all_scored_tokens(model, head, method):
    found, expected = found_and_expected(model, head, method)
    for name, values in expected.items():
        torch.testing.assert_close(found[name], values, rtol=0, atol=ROUNDING, msg=name)
    # the nearest wrong one, of a text that lacks its last token, is a hundred times further away
    _, other = found_and_expected(model, head, method, also=[TEXTS[0][:-1], TEXTS[1]])
    apart = max(float((other[name] - values).abs().max()) for name, values in found.items())
    assert apart > 100 * ROUNDING


def test_noise_on_hidden_states_is_differentiated_too(model, head):
    method = METHODS["norm-only"]
    found, expected = found_and_expected(
        model, head, method, Scoring(window=32, stride=16, noise=0.5)
    )
    plain, _ = found_and_expected(model, head, method)
    for name, values in expected.items():
        torch.testing.assert_close(found[name], values, rtol=0, atol=ROUNDING, msg=name)
    assert any((plain[name] - values).abs().max() > 1e-4 for name, values in expected.items())


@pytest.mark.parametrize("batch", [1, 64, 10**6])
def test_batches_change_it_by_rounding_at_most(model, head, monkeypatch, batch):
    monkeypatch.setattr(gradient, "BATCH_TOKENS", batch)
    found, expected = found_and_expected(model, head, METHODS["norm-only"])
    for name, values in expected.items():
        torch.testing.assert_close(found[name], values, rtol=0, atol=ROUNDING, msg=name)


def test_it_tells_how_many_tokens_are_done(model, head):
    done = []
    with METHODS["temperature"].attached(model):
        add_gradients(model, head, TEXTS, PREFIX, PLAN, done.append)
    assert sum(done) == sum(map(len, TEXTS))


def test_a_loss_that_depends_on_nothing_that_trains_is_told(model, head):
    assert not add_gradients(model, head, TEXTS, PREFIX, PLAN)


def test_a_text_without_tokens_is_refused(model, head):
    with pytest.raises(ScoringError, match="no tokens to score"):
        add_gradients(model, head, [np.array([], dtype=np.int64)], PREFIX, PLAN)
