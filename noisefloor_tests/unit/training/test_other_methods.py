"""full, temperature, lora-r4: what each trains and how much; and the base comes back from all."""

import sys
from importlib import import_module

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load, save

from noisefloor_tests.support.habits import forked
from noisefloor_tests.support.shapes import REFERENCE, shapes
from noisefloor_tests.support.tensors import shift
from pytest_noisefloor.data.arms import ARMS, ArmInput
from pytest_noisefloor.errors import MethodError
from pytest_noisefloor.models.head import lm_head
from pytest_noisefloor.models.scoring import score
from pytest_noisefloor.specs import Recipe, Scoring
from pytest_noisefloor.training.loop import train
from pytest_noisefloor.training.methods.base import restore, snapshot
from pytest_noisefloor.training.methods.registry import METHODS

EACH = pytest.mark.parametrize("method", ["full", "temperature", "lora-r4"], indirect=True)
ALL = pytest.mark.parametrize("method", METHODS, indirect=True)
LORA = pytest.mark.parametrize("method", ["lora-r4"], indirect=True)
# matrices as nn.Linear has them, and GPT-2's transposed ones
KINDS = pytest.mark.parametrize("kind", ["Llama", "GPT2"])


def state(model):
    """All of a model that a method could leave changed."""
    values = model.state_dict(keep_vars=True)
    return {
        "modules": [(path, id(module)) for path, module in model.named_modules()],
        "values": {n: (id(t), t.detach().numpy().tobytes()) for n, t in values.items()},
        "training": [n for n, p in model.named_parameters() if p.requires_grad],
        "gradients": [n for n, p in model.named_parameters() if p.grad is not None],
        "hooks": [n for n, m in model.named_modules() if m._forward_hooks],
        "attributes": sorted(vars(model)),
    }


def interrupted(model, method):
    with method.attached(model) as tensors:
        shift(tensors)
        model(torch.tensor([[1, 2, 3]])).logits.sum().backward()
        raise KeyboardInterrupt


@ALL
@KINDS
def test_the_base_comes_back_module_by_module_and_bitwise(build, kind, method):
    model = build(kind)
    before = state(model)
    with method.attached(model) as tensors:
        assert all(tensor.requires_grad and tensor.is_leaf for tensor in tensors.values())
        shift(tensors)
        assert state(model) != before
    assert state(model) == before
    with pytest.raises(KeyboardInterrupt):
        interrupted(model, method)
    assert state(model) == before


@EACH
@KINDS
def test_no_step_changes_no_score_and_what_was_saved_scores_the_same(build, kind, method):
    model = build(kind, initializer_range=0.2)
    head, tokens, plan = lm_head(model), np.arange(40) % 64, Scoring(window=16, stride=8)
    untrained = score(model, head, tokens, 0, plan)
    with method.attached(model) as tensors:
        np.testing.assert_array_equal(score(model, head, tokens, 0, plan), untrained)
        shift(tensors)
        kept, trained = save(snapshot(tensors)), score(model, head, tokens, 0, plan)
    assert (trained != untrained).any()
    with method.attached(model) as tensors:
        restore(tensors, load(kept))
        np.testing.assert_array_equal(score(model, head, tokens, 0, plan), trained)
    np.testing.assert_array_equal(score(model, head, tokens, 0, plan), untrained)


@EACH
@KINDS
def test_two_steps_move_every_tensor_of_it(build, kind, method):
    """Two, since A of a low-rank adapter has no gradient while B is 0."""
    model, recipe = build(kind), Recipe(lr=0.01, steps=2, batch=2, sequence=16)
    before = state(model)
    with method.attached(model) as tensors:
        initial = snapshot(tensors)
    stream = ARMS["random"].batches(ArmInput("ann", 64, None, np.arange(64)), recipe, seed=0)
    done = train(model, lm_head(model), method, {"ann": stream}, recipe)["ann"]
    assert state(model) == before
    for name, values in initial.items():
        assert (done.tensors[name] != values).any(), name
        assert done.moments[f"{name}/exp_avg"].any(), name


# --- how much ---------------------------------------------------------------------------------


def llama(drawn, intermediate=32):
    """All parameters, and those of rank 4 beside queries and values."""
    d, blocks = drawn["hidden_size"], drawn["num_hidden_layers"]
    keys = d // drawn["num_attention_heads"] * drawn["num_key_value_heads"]
    block = 2 * d * d + 2 * d * keys + 3 * d * intermediate + 2 * d
    embeddings = drawn["vocab_size"] * d * (1 if drawn["tie_word_embeddings"] else 2)
    return embeddings + blocks * block + d, blocks * 4 * ((d + d) + (d + keys))


def gpt2(drawn, positions=64, intermediate=32):
    """The same; queries, keys and values are one matrix, and everything but the head has biases."""
    d, blocks = drawn["hidden_size"], drawn["num_hidden_layers"]
    block = (3 * d * d + 3 * d) + (d * d + d) + (2 * d * intermediate + intermediate + d) + 4 * d
    embeddings = drawn["vocab_size"] * d * (1 if drawn["tie_word_embeddings"] else 2)
    return embeddings + positions * d + blocks * block + 2 * d, blocks * 4 * (d + 3 * d)


def trained(model, method):
    """How many values an adapter has; its bytes are four times as many and a header."""
    with method.attached(model) as tensors:
        adapter = snapshot(tensors)
    count = sum(values.size for values in adapter.values())
    assert all(values.dtype == np.float32 for values in adapter.values())
    assert sum(values.nbytes for values in adapter.values()) == 4 * count
    file = save(adapter)
    assert len(file) == 8 + int.from_bytes(file[:8], "little") + 4 * count
    return count


@EACH
@pytest.mark.parametrize(
    ("kind", "drawn", "closed_form"),
    [("Llama", shapes(), llama), ("GPT2", shapes(grouped=False), gpt2)],
    ids=["Llama", "GPT2"],
)
@settings(max_examples=6)
@given(data=st.data())
def test_values_and_bytes_of_any_configuration_by_closed_form(
    build, method, kind, drawn, closed_form, data
):
    drawn = data.draw(drawn)
    every, low_rank = closed_form(drawn)
    expected = {"full": every, "temperature": 1, "lora-r4": low_rank}
    assert trained(build(kind, **drawn), method) == expected[method.name]


def test_closed_forms_of_the_reference_shape():
    assert llama(REFERENCE, REFERENCE["intermediate_size"]) == (15_747_328, 16_384)


# --- temperature ------------------------------------------------------------------------------


@pytest.mark.parametrize(("kind", "settings"), [("Llama", {}), ("Cohere", {"logit_scale": 0.25})])
def test_temperature_multiplies_the_models_own_logits(build, kind, settings):
    model, ids = build(kind, **settings), torch.tensor([[1, 2, 3]])
    with torch.no_grad():
        untrained = model(ids).logits
        with METHODS["temperature"].attached(model) as tensors:
            tensors["temperature"].fill_(2.0)
            assert torch.equal(model(ids).logits, 2 * untrained)  # a power of two rounds nothing


@pytest.mark.parametrize(
    ("kind", "settings", "part"),
    [("Phi", {}, "bias"), ("Gemma2", {"final_logit_softcapping": 30.0}, "cap")],
)
def test_temperature_refuses_a_head_whose_logits_it_would_not_multiply(build, kind, settings, part):
    model = build(kind, **settings)
    before = state(model)
    message = f"{kind}ForCausalLM: its head has a {part}, so that"
    with pytest.raises(MethodError, match=message), METHODS["temperature"].attached(model):
        pass
    assert state(model) == before


# --- lora-r4 ----------------------------------------------------------------------------------


def first(model, method):
    with method.attached(model) as tensors:
        return snapshot(tensors)


@LORA
def test_low_rank_adapters_begin_alike_whatever_was_drawn_before(build, method):
    one = first(build("Llama"), method)
    with forked():
        torch.manual_seed(1)
        before = torch.random.get_rng_state()
        other = first(build("Llama"), method)
        assert torch.equal(torch.random.get_rng_state(), before)
    assert {n: t.tobytes() for n, t in one.items()} == {n: t.tobytes() for n, t in other.items()}
    factors = {id_: [t for n, t in one.items() if f".lora_{id_}." in n] for id_ in "AB"}
    assert not any(b.any() for b in factors["B"])
    # uniform within 1/√16, as nn.Linear's: 256 values stay all below nine tenths of it, or have a
    # mean beyond a quarter of it, with a probability of 1e-11 and 1e-11; the seed is fixed
    drawn = np.concatenate([a.ravel() for a in factors["A"]])
    assert len(drawn) == len({*drawn.tolist()}) == 256
    assert 0.225 < np.abs(drawn).max() <= 0.25
    assert abs(drawn.mean()) < 0.0625


@LORA
@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("Mamba", "lora-r4: PEFT .* names no matrices for 'mamba' .MambaForCausalLM."),
        ("Llama", "lora-r4: LlamaForCausalLM: Target modules .* not found"),
        ("Mistral", "lora-r4: MistralForCausalLM: Target module .*RMSNorm.* is not supported"),
    ],
)
def test_an_architecture_that_peft_has_no_place_in_is_refused(
    build, method, kind, message, monkeypatch
):
    """The second has no such modules; the third has one that comes behind two that fit."""
    places = import_module("peft.utils").TRANSFORMERS_MODELS_TO_LORA_TARGET_MODULES_MAPPING
    monkeypatch.setitem(places, "llama", ["c_attn"])
    monkeypatch.setitem(places, "mistral", ["q_proj", "v_proj", "norm"])
    monkeypatch.delitem(places, "mamba", raising=False)
    model = build(kind)
    before = state(model)
    with pytest.raises(MethodError, match=f"^{message}"), method.attached(model):
        pass
    assert state(model) == before


def test_without_peft_the_extra_is_named(model, monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    message = r"lora-r4: needs PEFT .*: pip install 'pytest-noisefloor\[catalogue\]"
    with pytest.raises(MethodError, match=message), METHODS["lora-r4"].attached(model):
        pass
