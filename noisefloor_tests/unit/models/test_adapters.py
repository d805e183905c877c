"""Folders of adapters are read without pickle and without code, and leave a model as it was."""

import json
import pickle
import sys

import pytest
import torch

from noisefloor_tests.support.given_adapters import CONFIG, WEIGHTS, reconfigure, save_adapter
from pytest_noisefloor.errors import NoisefloorError
from pytest_noisefloor.models.adapters import attached, find_adapters
from pytest_noisefloor.models.applied import State, check_applied
from pytest_noisefloor.models.loading import open_base
from pytest_noisefloor.training.checks import digests

pytest.importorskip("peft", reason="pip install pytest-noisefloor[catalogue]")


@pytest.fixture
def adapter(tiny, tmp_path):
    """A good adapter, alone in a folder of users."""
    return save_adapter(tmp_path / "users" / "ann", tiny, "LoraConfig", target_modules=["q_proj"])


def refused(base, folder):
    with pytest.raises(NoisefloorError) as caught:
        [*check_applied(base, find_adapters(folder))]
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_an_adapter_is_found_by_its_folder_or_by_the_folder_of_all(adapter):
    (alone,), (one,) = find_adapters(adapter), find_adapters(adapter.parent)
    assert (alone.name, one.name) == ("ann", "ann")


def test_a_folder_without_adapters_is_one_line(tiny, tmp_path):
    said = "no adapters; expected adapter_config.json in it, or in a folder for each user"
    assert refused(tiny, tmp_path) == f"{tmp_path}: {said}"


def test_pickled_adapters_are_refused_and_never_read(tiny, adapter):
    (adapter / WEIGHTS).unlink()
    torch.save({"a": torch.ones(1)}, adapter / "adapter_model.bin")
    said = refused(tiny, adapter)
    assert said.startswith(f"{adapter}: expected adapter_model.safetensors beside adapter_config")
    (adapter / WEIGHTS).write_bytes(pickle.dumps({}))
    assert refused(tiny, adapter).startswith(f"{adapter / WEIGHTS}: no usable safetensors (")


def test_code_that_an_adapters_config_names_never_runs(tiny, adapter, tmp_path, monkeypatch):
    (tmp_path / "strangers_code.py").write_text("raise SystemExit('it ran')")
    monkeypatch.syspath_prepend(tmp_path)
    reconfigure(megatron_config={"a": 1}, megatron_core="strangers_code")(adapter)
    assert refused(tiny, adapter).startswith(f"{adapter / CONFIG}: it has a megatron_config; expe")
    assert "strangers_code" not in sys.modules


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("[]", "expected a JSON object (found list)"),
        ('{"peft_type": "PREFIX_TUNING"}', "peft_type is 'PREFIX_TUNING'; expected a type that"),
        ('{"peft_type": ["LORA"]}', "peft_type is ['LORA']; expected a type that changes modules"),
        ("{}", "peft_type is None; expected a type that changes modules of the base, such as LORA"),
    ],
)
def test_a_config_that_cannot_be_used_is_one_line(tiny, adapter, content, said):
    (adapter / CONFIG).write_text(content)
    assert refused(tiny, adapter).startswith(f"{adapter / CONFIG}: {said}")


def test_without_peft_it_is_said_what_to_install(tiny, adapter, monkeypatch):
    monkeypatch.setitem(sys.modules, "peft", None)
    said = refused(tiny, adapter)
    assert said.startswith(f"{adapter}: needs PEFT (")
    assert said.endswith("pip install 'pytest-noisefloor[catalogue]'")


def test_an_adapter_that_was_attached_leaves_the_model_as_it_was(tiny, adapter):
    model = tiny.model("cpu")
    before, modules = digests(model, skip={}), [*model.named_modules()]
    (given,) = find_adapters(adapter)
    with attached(model, given) as found:
        assert not any(module.training for module in model.modules())
        assert {*found.tensors} == {*given.tensors} == found.asked
        assert all((found.tensors[name] == tensor).all() for name, tensor in given.tensors.items())
    assert digests(model, skip={}) == before
    assert [*model.named_modules()] == modules


def test_an_adapter_that_makes_peft_change_the_base_leaves_the_next_one_the_base(tiny, adapter):
    """PiSSA takes its first factors out of the base's own weights."""
    reconfigure(init_lora_weights="pissa")(adapter)
    before = digests(tiny.shared_model("cpu"), skip={})
    [*check_applied(tiny, find_adapters(adapter))]
    assert digests(tiny.shared_model("cpu"), skip={}) == before
    model = tiny.model("cpu")
    with attached(model, *find_adapters(adapter)):
        pass
    assert digests(model, skip={}) != before  # so a copy is needed


@pytest.mark.parametrize(("same", "state"), [(True, State.OK), (False, State.FAILED)])
def test_a_base_that_the_config_names_by_its_folder_is_compared_by_its_weights(
    folder, tmp_path, same, state
):
    base = open_base(str(folder))
    adapter = save_adapter(tmp_path / "ann", base, "LoraConfig", target_modules=["q_proj"])
    named = tmp_path / "elsewhere" / folder.name  # the same name says nothing
    named.mkdir(parents=True)
    for file in folder.glob("*.json*"):
        (named / file.name).write_bytes(file.read_bytes())
    weights = (folder / "model.safetensors").read_bytes()
    (named / "model.safetensors").write_bytes(weights if same else weights[:-1] + b"\x01")
    reconfigure(base_model_name_or_path=str(named))(adapter)
    (only,) = check_applied(base, find_adapters(adapter))
    (of_base,) = (one for one in only.findings if one.check == "base")
    assert of_base.state is state
    others = "these" if same else "others"
    assert of_base.figure == f"trained on {named}, whose weights are {others}"


def test_a_name_that_differs_in_its_owner_alone_is_the_same_base(tiny, adapter):
    reconfigure(base_model_name_or_path="somebody/Tiny")(adapter)
    (only,) = check_applied(tiny, find_adapters(adapter))
    assert only.state is State.OK


def test_a_tokenizer_with_more_tokens_than_the_base_embeds_is_found(tiny, adapter):
    vocabulary = {f"w{number}": number for number in range(260)}
    (adapter / "tokenizer.json").write_text(json.dumps({"model": {"vocab": vocabulary}}))
    (only,) = check_applied(tiny, find_adapters(adapter))
    (failed,) = (one for one in only.findings if one.state is State.FAILED)
    assert failed.figure == "260 tokens in the tokenizer beside it, 257 in the base"
