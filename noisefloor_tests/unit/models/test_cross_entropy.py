"""Linear + cross-entropy in tiles: the same numbers as in one piece, without the big tensor."""

from dataclasses import replace
from typing import get_args

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from pytest_noisefloor.models import cross_entropy as loss
from pytest_noisefloor.models.cross_entropy import mean_loss, token_losses
from pytest_noisefloor.models.head import LMHead, kernels
from pytest_noisefloor.specs import Kernel


def drawn(rows, width, vocabulary, *, bias=False, scale=1.0, softcap=None, dtype=torch.float64):
    """Hidden states, targets and a head, their logits a few units wide."""
    rng = torch.Generator().manual_seed(60)

    def normal(*shape):
        return torch.randn(*shape, generator=rng, dtype=dtype)

    head = LMHead(normal(vocabulary, width), normal(vocabulary) if bias else None, scale, softcap)
    return normal(rows, width), torch.randint(vocabulary, (rows,), generator=rng), head


def in_one_piece(hidden, targets, head):
    """torch's own cross-entropy of each target, on all logits at once."""
    logits = functional.linear(hidden, head.weight, head.bias) * head.scale
    if head.softcap:
        logits = head.softcap * torch.tanh(logits / head.softcap)
    return functional.cross_entropy(logits, targets, reduction="none")


HEADS = st.fixed_dictionaries(
    {
        "bias": st.booleans(),
        "scale": st.sampled_from([1.0, 0.0625, 2.5]),
        "softcap": st.sampled_from([None, 0.5, 30.0]),
    }
)


@settings(max_examples=50)
@given(
    rows=st.integers(1, 40),
    width=st.integers(1, 12),
    vocabulary=st.integers(2, 70),
    tile=st.tuples(st.integers(1, 50), st.integers(1, 80)),
    head=HEADS,
    upstream=st.sampled_from([1.0, -3.0]),
)
@pytest.mark.parametrize("kernel", get_args(Kernel))
def test_value_and_gradient_are_those_of_the_loss_in_one_piece(
    kernel, rows, width, vocabulary, tile, head, upstream
):
    dtype = torch.float32 if kernel == "tiles-onednn/1" else torch.float64
    if kernel == "attention/1":
        head |= {"bias": False, "softcap": None}  # all that it can compute
    hidden, targets, head = drawn(rows, width, vocabulary, **head, dtype=dtype)
    if kernel not in (*kernels(head), "tiles-wide/1"):  # the wide tiles any device can compute
        pytest.skip(f"{kernel}: not in this torch")
    head = replace(head, kernel=kernel)
    ours, theirs = (hidden.clone().requires_grad_(True) for _ in range(2))
    expected = in_one_piece(theirs, targets, head).mean()
    (expected * upstream).backward()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loss, "CPU_TILE", tile)
        patch.setattr(loss, "WIDER_TILE_ELEMENTS", tile[0] * vocabulary)
        found = mean_loss(ours, targets, head)
        (found * upstream).backward()
    # float64: 70 terms round to 70 × 2⁻⁵³ of a logit of some tens, below 1e-12, and float32 (all
    # that oneDNN has) to 2²⁹ times as much; a term that is missing or doubled moves the mean by a
    # fortieth of it and more
    close = 1e-12 if dtype == torch.float64 else 1e-4
    torch.testing.assert_close(found, expected, rtol=close, atol=close)
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=close, atol=close)


@settings(max_examples=50)
@given(
    rows=st.integers(1, 40),
    vocabulary=st.integers(2, 70),
    tile=st.tuples(st.integers(1, 50), st.integers(1, 80)),
    head=HEADS,
    onednn=st.booleans(),
)
def test_token_losses_are_those_of_all_logits_whatever_the_tile(
    rows, vocabulary, tile, head, onednn
):
    hidden, targets, head = drawn(rows, 8, vocabulary, **head, dtype=torch.float32)
    if onednn and "tiles-onednn/1" in kernels(head):
        head = replace(head, kernel="tiles-onednn/1")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loss, "CPU_TILE", tile)
        found = token_losses(hidden, targets, head)
    # fp32: logits of some tens round to 2⁻²⁴ of themselves in each of 8 + 70 sums
    torch.testing.assert_close(found, in_one_piece(hidden, targets, head), rtol=1e-5, atol=1e-5)


class Largest(TorchDispatchMode):
    """Elements of the largest tensor that any operation gave back."""

    elements = 0

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        result = func(*args, **(kwargs or {}))
        for tensor in result if isinstance(result, tuple | list) else [result]:
            if isinstance(tensor, torch.Tensor):
                self.elements = max(self.elements, tensor.numel())
        return result


@pytest.mark.parametrize("trains", [False, True], ids=["frozen", "trains"])
def test_no_tensor_of_tokens_times_vocabulary_is_ever_made(monkeypatch, trains):
    rows, vocabulary, width = 256, 128, 4
    monkeypatch.setattr(loss, "CPU_TILE", (16, 32))
    monkeypatch.setattr(loss, "WIDE_TILE_ELEMENTS", 16 * vocabulary)
    hidden, targets, head = drawn(rows, width, vocabulary, bias=True, softcap=30.0)
    hidden.requires_grad_(True)
    head.weight.requires_grad_(trains)

    with Largest() as ours:
        mean_loss(hidden, targets, head).backward()
        token_losses(hidden.detach(), targets, head)
    # hidden states, the head's matrix and a tile of logits; nothing larger
    tile = 16 * (vocabulary if trains else 32)
    assert ours.elements == max(tile, rows * width, vocabulary * width)

    with Largest() as theirs:
        in_one_piece(hidden, targets, head).mean().backward()
    assert theirs.elements == rows * vocabulary  # the counting sees what is avoided


@settings(max_examples=50)
@given(
    rows=st.integers(1, 40),
    width=st.integers(1, 12),
    vocabulary=st.integers(2, 70),
    tile=st.integers(1, 50),
    head=HEADS,
    trains=st.sampled_from([("weight",), ("bias",), ("weight", "bias")]),
    upstream=st.sampled_from([1.0, -3.0]),
)
def test_a_head_that_trains_gets_the_gradients_of_the_loss_in_one_piece(
    rows, width, vocabulary, tile, head, trains, upstream
):
    head["bias"] |= "bias" in trains
    hidden, targets, head = drawn(rows, width, vocabulary, **head)

    def gradients(loss_of):
        """Of the loss, to the hidden states and to what trains; None to what is frozen."""
        own = replace(
            head, weight=head.weight.clone(), bias=None if head.bias is None else head.bias.clone()
        )
        for name in trains:
            getattr(own, name).requires_grad_(True)
        mine = hidden.clone().requires_grad_(True)
        value = loss_of(mine, targets, own)
        (value * upstream).backward()
        found = {"loss": value.detach(), "hidden": mine.grad, "weight": own.weight.grad}
        return found | ({} if own.bias is None else {"bias": own.bias.grad})

    expected = gradients(lambda *given: in_one_piece(*given).mean())
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(loss, "WIDE_TILE_ELEMENTS", tile * vocabulary)
        found = gradients(mean_loss)
    for name, gradient in expected.items():
        assert (found[name] is None) == (gradient is None), name
        if gradient is not None:  # float64, as above
            torch.testing.assert_close(found[name], gradient, rtol=1e-12, atol=1e-12)


def test_a_frozen_head_gets_no_gradient():
    hidden, targets, head = drawn(5, 4, 9, bias=True)
    hidden.requires_grad_(True)
    mean_loss(hidden, targets, head).backward()
    assert hidden.grad is not None
    assert head.weight.grad is None
    assert head.bias.grad is None
