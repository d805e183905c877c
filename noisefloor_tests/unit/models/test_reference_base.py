"""The shipped reference base: the registered object's size, from its config and from its file."""

import json

import pytest
from safetensors import safe_open
from safetensors.numpy import save

from pytest_noisefloor._files import resource_path
from pytest_noisefloor.models.loading import open_base
from pytest_noisefloor.training.methods.base import snapshot
from pytest_noisefloor.training.methods.norm_only import gain_names
from pytest_noisefloor.training.methods.registry import METHODS

PARAMETERS = 15_747_328
GAINS = 2_304  # 4 blocks × 2 norms × 256, and 256 behind the last block


@pytest.fixture(scope="module")
def shapes():
    """Name → shape of every stored tensor."""
    with safe_open(resource_path("bases", "reference", "model.safetensors"), "numpy") as file:
        return {name: file.get_slice(name).get_shape() for name in file.keys()}  # noqa: SIM118


def size(shape):
    total = 1
    for length in shape:
        total *= length
    return total


def test_the_config_says_the_registered_shape(build):
    config = json.loads(resource_path("bases", "reference", "config.json").read_text())
    assert config["vocab_size"] == 49_152
    assert config["tie_word_embeddings"] is True
    names = {"hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads"}
    model = build(
        "Llama",
        device="meta",
        vocab_size=config["vocab_size"],
        num_key_value_heads=config["num_key_value_heads"],
        tie_word_embeddings=True,
        **{name: config[name] for name in names},
    )
    assert sum(p.numel() for p in model.parameters()) == PARAMETERS
    assert sum(model.get_parameter(n).numel() for n in gain_names(model)) == GAINS


def test_the_file_holds_each_parameter_once_in_16_bits(shapes):
    path = resource_path("bases", "reference", "model.safetensors")
    assert sum(map(size, shapes.values())) == PARAMETERS
    assert 2 * PARAMETERS < path.stat().st_size < 2 * PARAMETERS + 10_000  # a header of names


def test_the_file_holds_the_registered_number_of_gains(shapes):
    gains = {name: shape for name, shape in shapes.items() if len(shape) == 1}
    assert sum(map(size, gains.values())) == GAINS


def test_an_adapter_of_it_takes_nine_kilobytes():
    model = open_base("reference").model("cpu")
    with METHODS["norm-only"].attached(model) as tensors:
        adapter = snapshot(tensors)
    assert sum(gain.nbytes for gain in adapter.values()) == 9_216
    # 1,284 bytes for nine names, offsets, and a key; PEFT's own file has 10,448 in all
    assert 9_216 < len(save(adapter, {"key": "0" * 64})) <= 10_500


def test_its_card_says_where_it_comes_from():
    card = resource_path("bases", "reference", "CARD.md").read_text()
    for said in ("licence", "13-gram", "perplexity", "train_reference_base.py"):
        assert said in card.lower()
