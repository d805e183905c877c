"""norm-only: every gain and nothing else trains, and the base comes back bitwise."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save
from torch import nn

from pytest_noisefloor.methods import METHODS, MethodError, gain_names, restore, snapshot
from pytest_noisefloor.training import fingerprint

NORM_ONLY = METHODS["norm-only"]

REFERENCE = {
    "vocab_size": 49_152,
    "hidden_size": 256,
    "intermediate_size": 688,
    "num_hidden_layers": 4,
    "num_attention_heads": 4,
    "num_key_value_heads": 4,
    "tie_word_embeddings": True,
}
CATALOGUE = {
    "vocab_size": 49_152,
    "hidden_size": 256,
    "intermediate_size": 256,
    "num_hidden_layers": 4,
    "num_attention_heads": 32,
    "num_key_value_heads": 32,
    "num_local_experts": 16,
    "num_experts_per_tok": 1,
    "tie_word_embeddings": False,
}
SMOLLM2 = {
    "vocab_size": 49_152,
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "tie_word_embeddings": True,
}

PRE = ("input_layernorm", "post_attention_layernorm")
SANDWICH = (*PRE, "pre_feedforward_layernorm", "post_feedforward_layernorm")
POST = ("post_attention_layernorm", "post_feedforward_layernorm")
QK = ("self_attn.q_norm", "self_attn.k_norm")
# What the architectures' papers and documentation say a block normalises; (block, its norms,
# behind the last block).
NORMS = {
    "Llama": ("model.layers", PRE, "model.norm"),
    "Mistral": ("model.layers", PRE, "model.norm"),
    "Mixtral": ("model.layers", PRE, "model.norm"),
    "Granite": ("model.layers", PRE, "model.norm"),
    "Qwen2": ("model.layers", PRE, "model.norm"),
    "Qwen3": ("model.layers", (*PRE, *QK), "model.norm"),
    "Cohere": ("model.layers", PRE[:1], "model.norm"),
    "Gemma2": ("model.layers", SANDWICH, "model.norm"),
    "Gemma3": ("model.layers", (*SANDWICH, *QK), "model.norm"),
    "Olmo2": ("model.layers", (*POST, *QK), "model.norm"),
    "GPT2": ("transformer.h", ("ln_1", "ln_2"), "transformer.ln_f"),
    "GPTNeoX": ("gpt_neox.layers", PRE, "gpt_neox.final_layer_norm"),
    "OPT": (
        "model.decoder.layers",
        ("self_attn_layer_norm", "final_layer_norm"),
        "model.decoder.final_layer_norm",
    ),
    "Mamba": ("backbone.layers", ("norm",), "backbone.norm_f"),
}


@pytest.mark.parametrize("architecture", NORMS)
def test_every_norm_of_an_architecture_is_found_and_nothing_else(build, architecture):
    blocks, norms, last = NORMS[architecture]
    expected = {f"{blocks}.{i}.{norm}.weight" for i in (0, 1) for norm in norms}
    found = gain_names(build(architecture, device="meta"))
    assert {*found} == {*expected, f"{last}.weight"}
    assert len(found) == len({*found})


@settings(max_examples=10)
@given(layers=st.integers(1, 5), heads=st.integers(1, 4))
def test_a_llama_has_two_norms_a_block_and_one_behind(build, layers, heads):
    width = 16 * heads
    model = build(
        "Llama",
        device="meta",
        num_hidden_layers=layers,
        num_attention_heads=heads,
        num_key_value_heads=heads,
        hidden_size=width,
    )
    gains = [model.get_parameter(name).numel() for name in gain_names(model)]
    assert gains == [width] * (2 * layers + 1)


@pytest.mark.parametrize(
    ("architecture", "settings", "parameters", "gains", "vocabulary"),
    [
        ("Llama", REFERENCE, 15_747_328, 2_304, 49_152),
        ("Mixtral", CATALOGUE, 38_816_000, 2_304, 49_152),
        ("Llama", SMOLLM2, 134_515_008, 35_136, 49_152),
    ],
    ids=["reference", "catalogue", "smollm2-135m"],
)
def test_the_published_counts(build, architecture, settings, parameters, gains, vocabulary):
    model = build(architecture, device="meta", **settings)
    assert sum(parameter.numel() for parameter in model.parameters()) == parameters
    assert sum(model.get_parameter(name).numel() for name in gain_names(model)) == gains
    assert model.get_output_embeddings().weight.shape[0] == vocabulary


def test_an_adapter_of_the_reference_shape_is_nine_kilobytes(build):
    model = build("Llama", device="meta", **REFERENCE)
    zeros = {
        name: torch.zeros(model.get_parameter(name).shape).numpy() for name in gain_names(model)
    }
    assert sum(array.nbytes for array in zeros.values()) == 9_216
    # 1,284 bytes for nine names, offsets, and a key; PEFT's own file has 10,448 in all
    assert len(save(zeros, {"key": "0" * 64})) <= 10_500


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


def shift(tensors):
    with torch.no_grad():
        for number, tensor in enumerate(tensors.values()):
            tensor.add_(0.1 * (number + 1))


def test_detaching_gives_the_base_back_bitwise(model):
    before = fingerprint(model, skip={})
    with NORM_ONLY.attached(model) as gains:
        shift(gains)
        assert fingerprint(model, skip={}) != before
    assert fingerprint(model, skip={}) == before
    assert all(parameter.grad is None for parameter in model.parameters())


def interrupted(model):
    with NORM_ONLY.attached(model) as gains:
        shift(gains)
        raise KeyboardInterrupt


def test_the_base_comes_back_after_an_exception_too(model):
    before = fingerprint(model, skip={})

    with pytest.raises(KeyboardInterrupt):
        interrupted(model)
    assert fingerprint(model, skip={}) == before
    assert not any(parameter.requires_grad for parameter in model.parameters())


def test_attaching_again_starts_from_the_base(model):
    with NORM_ONLY.attached(model) as gains:
        first = snapshot(gains)
        shift(gains)
    with NORM_ONLY.attached(model) as gains:
        again = snapshot(gains)
    assert first.keys() == again.keys()
    assert all(first[name].tobytes() == again[name].tobytes() for name in first)


def test_a_snapshot_is_restored_bitwise_and_does_not_follow_the_tensors(model):
    with NORM_ONLY.attached(model) as gains:
        shift(gains)
        kept = snapshot(gains)
        bits = {name: array.tobytes() for name, array in kept.items()}
        shift(gains)
        restore(gains, kept)
        assert {name: array.tobytes() for name, array in snapshot(gains).items()} == bits


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
