"""Weights that do not load as the config says are refused, with how many and which."""

import pytest
import torch

from noisefloor_tests.support.base_folders import KEPT, edit, reweigh
from pytest_noisefloor.errors import BaseError
from pytest_noisefloor.models.loading import open_base

SPOILED = {
    "9 weights have no place in the model that config.json describes, model.layers.1": (
        lambda f: edit(f / "config.json", num_hidden_layers=1)
    ),
    "2 weights have no place .*, model.layers.0.self_attn.k_proj.bias": (
        lambda f: reweigh(
            f / KEPT,
            **{f"model.layers.0.self_attn.{name}_proj.bias": torch.ones(16) for name in "kq"},
        )
    ),
    "1 weights have no place .*, strange among": lambda f: reweigh(f / KEPT, strange=torch.ones(2)),
    "2 weights are missing, model.layers.0.input_layernorm.weight among": lambda f: reweigh(
        f / KEPT, **{"model.norm.weight": None, "model.layers.0.input_layernorm.weight": None}
    ),
    "1 of 16 values of model.norm.weight are not finite; expected numbers": lambda f: reweigh(
        f / KEPT, **{"model.norm.weight": torch.tensor([1.0] * 15 + [float("nan")])}
    ),
    "16 of 16 values of model.norm.weight are not finite": lambda f: reweigh(
        f / KEPT, **{"model.norm.weight": torch.full((16,), float("inf"))}
    ),
    "not loadable .*vocab_size": lambda f: edit(f / "config.json", vocab_size="64"),
    "not loadable .*hidden_size": lambda f: edit(f / "config.json", hidden_size=16.0),
    "not loadable .*rms_norm_eps": lambda f: edit(f / "config.json", rms_norm_eps=None),
    "not loadable .*heads": lambda f: edit(f / "config.json", num_attention_heads=3, head_dim=None),
}


@pytest.mark.parametrize("message", SPOILED)
def test_what_does_not_load_as_its_files_say_is_one_line(folder, message):
    SPOILED[message](folder)
    with pytest.raises(BaseError, match=message) as caught:
        open_base(str(folder)).model("cpu")
    assert str(caught.value).startswith(str(folder))
    assert "\n" not in str(caught.value)


def test_a_head_that_is_stored_though_it_is_tied_is_harmless(folder):
    embedding = open_base(str(folder)).model("cpu").model.embed_tokens.weight
    reweigh(folder / KEPT, **{"lm_head.weight": embedding.clone()})
    model = open_base(str(folder)).model("cpu")
    assert model.lm_head.weight is model.model.embed_tokens.weight


def test_positions_that_older_versions_stored_are_harmless(folder):
    name = "model.layers.0.self_attn.rotary_emb.inv_freq"
    own = open_base(str(folder)).model("cpu").get_buffer(name.replace("layers.0.self_attn.", ""))
    reweigh(folder / KEPT, **{name: torch.ones(4)})
    model = open_base(str(folder)).model("cpu")
    assert torch.equal(model.model.rotary_emb.inv_freq, own)
    assert not torch.equal(own, torch.ones_like(own))


@pytest.mark.parametrize("error", [RuntimeError("a\nb"), AssertionError(), RecursionError("x")])
def test_whatever_loading_raises_is_one_line(folder, monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr("transformers.AutoModelForCausalLM.from_pretrained", fail)
    said = str(error).partition("\n")[0] or type(error).__name__
    with pytest.raises(BaseError, match=rf"^{folder}: not loadable \({said}\)$"):
        open_base(str(folder)).model("cpu")
