"""Gains: how many there are and what they weigh, by closed form and by enumeration."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import save

from noisefloor_tests.support.packed import packed_bytes
from noisefloor_tests.support.shapes import REFERENCE, shapes
from pytest_noisefloor.training.methods.norm_only import gain_names

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
    "DeepseekV2": (
        "model.layers",
        (*PRE, "self_attn.q_a_layernorm", "self_attn.kv_a_layernorm"),
        "model.norm",
    ),
    "Mamba": ("backbone.layers", ("norm",), "backbone.norm_f"),
}


@pytest.mark.parametrize("architecture", NORMS)
def test_every_norm_of_an_architecture_is_found_and_nothing_else(build, architecture):
    blocks, norms, last = NORMS[architecture]
    expected = {f"{blocks}.{i}.{norm}.weight" for i in (0, 1) for norm in norms}
    model = build(architecture, device="meta")
    found = gain_names(model)
    assert {*found} == {*expected, f"{last}.weight"}
    assert found == scale_vectors(model)


def scale_vectors(model):
    """Names of a model's vectors that are neither biases nor a mixer's: by their shape alone."""
    return [
        name
        for name, parameter in model.named_parameters()
        if parameter.ndim == 1 and not name.endswith(("bias", ".mixer.D"))
    ]


def sizes(model, names):
    return [model.get_parameter(name).numel() for name in names]


def pre_norm(drawn):
    """Two norms a block and one behind the last, each as wide as the model."""
    return drawn["hidden_size"] * (2 * drawn["num_hidden_layers"] + 1)


# What an architecture's description says of its norms, from which the number of gains follows.
DRAWN = {
    "Llama": (shapes(), pre_norm),
    "Mixtral": (shapes(num_local_experts=st.integers(1, 4)), pre_norm),
    "GPT2": (shapes(grouped=False), pre_norm),
    "Qwen3": (
        shapes(width_of_heads=True),
        lambda drawn: pre_norm(drawn) + 2 * drawn["num_hidden_layers"] * drawn["head_dim"],
    ),
    "Gemma3": (
        shapes(width_of_heads=True),
        lambda drawn: (
            drawn["hidden_size"] * (4 * drawn["num_hidden_layers"] + 1)
            + 2 * drawn["num_hidden_layers"] * drawn["head_dim"]
        ),
    ),
}

# Of a tensor in a safetensors file (https://github.com/huggingface/safetensors): its name, and
# {"":{"dtype":"F32","shape":[16],"data_offsets":[12345,12345]},} around it; of the file, eight
# bytes of length, a digest of the spec as its key, and spaces up to a multiple of eight.
ENTRY, FILE = 80, 110


@pytest.mark.parametrize("architecture", DRAWN)
@settings(max_examples=12)
@given(data=st.data())
def test_gains_and_bytes_of_any_configuration_by_closed_form_and_by_enumeration(
    build, architecture, data
):
    strategy, closed_form = DRAWN[architecture]
    drawn = data.draw(strategy)
    model = build(architecture, device="meta", **drawn)
    names = gain_names(model)
    assert names == scale_vectors(model)
    count = sum(sizes(model, names))
    assert count == closed_form(drawn)
    adapter = {name: np.zeros(model.get_parameter(name).shape, np.float32) for name in names}
    assert sum(array.nbytes for array in adapter.values()) == 4 * count
    header = len(save(adapter, {"key": "0" * 64})) - 4 * count
    assert 0 < header <= FILE + sum(ENTRY + len(name) for name in names)


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


@pytest.mark.parametrize(
    ("architecture", "settings", "packed"),
    [("Llama", REFERENCE, 3_158_355), ("Mixtral", CATALOGUE, 7_772_662)],
    ids=["reference", "catalogue"],
)
def test_the_ternary_sizes_are_what_every_matrix_at_five_trits_a_byte_takes(
    build, architecture, settings, packed
):
    """The catalogue's is above the 6 MB published, and so is the least that it could be."""
    model = build(architecture, device="meta", **settings)
    shapes = [p.shape for p in model.parameters() if p.ndim > 1]
    each = [int(np.prod(shape[-2:])) for shape in shapes for _ in range(int(np.prod(shape[:-2])))]
    assert packed_bytes(model) == sum(-(-size // 5) + 4 for size in each) + 4 * 2_304 == packed
    # 3 values a weight hold log₂ 3 bits: 7,690,000 bytes of the catalogue's 38,813,696 weights
    assert packed > sum(each) * np.log2(3) / 8
