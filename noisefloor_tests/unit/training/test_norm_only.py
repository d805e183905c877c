"""norm-only: every gain and nothing else trains, and the base comes back bitwise."""

import numpy as np
import pytest
import torch
from torch import nn

from noisefloor_tests.support.tensors import shift
from pytest_noisefloor.errors import MethodError
from pytest_noisefloor.models.head import lm_head
from pytest_noisefloor.models.scoring import score
from pytest_noisefloor.specs import Scoring
from pytest_noisefloor.training.checks import digests
from pytest_noisefloor.training.methods.base import restore, snapshot
from pytest_noisefloor.training.methods.norm_only import gain_names
from pytest_noisefloor.training.methods.registry import METHODS

NORM_ONLY = METHODS["norm-only"]


class ScaleNorm(nn.Module):
    """A norm whose gain is not called weight."""

    def __init__(self):
        super().__init__()
        self.scale = nn.Parameter(torch.ones(4))


class Gate(nn.Module):
    """A vector called weight, outside any norm."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(4))


class MatrixNorm(nn.Module):
    """A norm with a weight that is no vector."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.ones(4, 4))


@pytest.mark.parametrize("lookalike", [ScaleNorm, Gate, MatrixNorm])
def test_a_lookalike_is_refused_by_the_name_of_its_module(model, lookalike):
    model.model.layers[1].mlp.odd = lookalike()
    with pytest.raises(MethodError, match=rf"^model\.layers\.1\.mlp\.odd \({lookalike.__name__}\)"):
        gain_names(model)


def test_a_norm_without_parameters_has_no_gain_and_is_no_lookalike(model):
    before = gain_names(model)
    model.model.odd = nn.LayerNorm(4, elementwise_affine=False)
    assert gain_names(model) == before


def test_a_model_without_norms_is_refused():
    with pytest.raises(MethodError, match="Linear: no normalisation layer with a gain"):
        gain_names(nn.Linear(2, 2, device="meta"))


def test_the_gains_train_and_the_rest_is_frozen(build):
    model = build("GPT2")  # its norms have biases
    with NORM_ONLY.attached(model) as gains:
        training = {name for name, p in model.named_parameters() if p.requires_grad}
        assert training == gains.keys() == {*gain_names(model)}
        assert all(name.endswith(".weight") for name in training)
    assert not any(parameter.requires_grad for parameter in model.parameters())


# Norms as RMSNorm, LayerNorm with a bias, 1 + weight, per head, and in a model without attention.
KINDS = pytest.mark.parametrize("kind", ["Mixtral", "GPT2", "Gemma3", "Qwen3", "Mamba"])


@KINDS
def test_attaching_detaching_and_attaching_again_is_the_identity(build, kind):
    model = build(kind)
    before = digests(model, skip={})
    with NORM_ONLY.attached(model) as gains:
        first = snapshot(gains)
        shift(gains)
        assert digests(model, skip={}) != before
    assert digests(model, skip={}) == before
    with NORM_ONLY.attached(model) as gains:
        assert list(gains) == list(first)
        assert bits(snapshot(gains)) == bits(first)
        assert digests(model, skip={}) == before


@KINDS
def test_no_step_is_the_base_bitwise(build, kind):
    """An adapter as it is before its first step changes no score, whatever was on in between."""
    model = build(kind, initializer_range=0.2)
    head, tokens = lm_head(model), np.arange(40) % 64
    plan = Scoring(window=16, stride=8)
    untrained = score(model, head, tokens, 0, plan)
    with NORM_ONLY.attached(model) as gains:
        unmoved = snapshot(gains)
        shift(gains)
        assert (score(model, head, tokens, 0, plan) != untrained).any()
    with NORM_ONLY.attached(model) as gains:
        restore(gains, unmoved)
        np.testing.assert_array_equal(score(model, head, tokens, 0, plan), untrained)


def bits(tensors):
    return {name: array.tobytes() for name, array in tensors.items()}


def test_a_snapshot_is_restored_bitwise_and_does_not_follow_the_tensors(model):
    with NORM_ONLY.attached(model) as gains:
        shift(gains)
        kept = snapshot(gains)
        before = bits(kept)
        shift(gains)
        restore(gains, kept)
        assert bits(snapshot(gains)) == before


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=str)
def test_gains_in_half_precision_are_refused(model, dtype):
    assert torch.ones(1, dtype=dtype) + 5e-5 == 1  # which is why: a registered step is lost
    model.model.layers[0].input_layernorm.to(dtype)
    with (
        pytest.raises(MethodError, match=rf"input_layernorm.weight: {dtype}; .* float32"),
        NORM_ONLY.attached(model),
    ):
        pass
    assert not any(parameter.requires_grad for parameter in model.parameters())


@pytest.mark.parametrize("change", ["missing", "strange", "shape"])
def test_an_adapter_of_another_base_is_refused_and_changes_nothing(model, change):
    with NORM_ONLY.attached(model) as gains:
        before = snapshot(gains)
        other = {name: array + 1 for name, array in before.items()}
        name = "model.norm.weight"
        if change == "missing":
            del other[name]
        elif change == "strange":
            other["model.norm2.weight"] = other.pop(name)
        else:
            other[name] = other[name][:1]  # would broadcast
        with pytest.raises(MethodError, match=r"does not fit the base: .* model\.norm2?\.weight"):
            restore(gains, other)
        assert all((snapshot(gains)[name] == before[name]).all() for name in before)
