"""A fingerprint is of the files that load and of no others; what cannot be so is refused."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from noisefloor_tests.support.base_folders import (
    FORMAT,
    INDEX,
    KEPT,
    edit,
    reweigh,
    shard,
    tokenizer,
)
from noisefloor_tests.support.ordinary_folders import write_ordinary
from pytest_noisefloor._files.validation import shown
from pytest_noisefloor.errors import BaseError
from pytest_noisefloor.models.loading import _from_folder, fingerprints_at_hand, open_base

ONE, TWO = "model-1.safetensors", "model-2.safetensors"


def fingerprint(folder):
    return open_base(str(folder)).fingerprint


@pytest.mark.parametrize(
    ("base", "model", "whole"),
    [
        ("reference", "900736657978", "b6c657461b5c"),
        ("reference+ternary", "dec77e9ed6da", "6ba8349de226"),
        pytest.param("smollm2-135m", None, "26907c8f0f4e", marks=pytest.mark.slow),
    ],
)
def test_the_fingerprints_of_the_shipped_bases_stay_what_they_are(base, model, whole):
    """Evidence names them."""
    opened = open_base(base)
    assert opened.fingerprint.startswith(whole)
    assert model is None or opened.model_fingerprint.startswith(model)
    assert fingerprints_at_hand(base) == (opened.model_fingerprint, opened.fingerprint)


@pytest.mark.parametrize(
    ("name", "whole"),
    [
        ("GPT-2", "7cd7a1e43c64"),
        ("BERT", "e8ee22fd1826"),
        ("Llama", "60482e4e2118"),
        ("a slow tokenizer", "46ab33b9bd46"),
    ],
)
def test_the_fingerprints_of_ordinary_folders_stay_what_they_are(tmp_path, name, whole):
    """As they were before ids, roles and tables of added tokens counted."""
    write_ordinary(tmp_path, name)
    assert fingerprints_at_hand(str(tmp_path))[1].startswith(whole)


CHANGES = {
    "weight": lambda f: reweigh(f / KEPT, **{"model.norm.weight": torch.full((16,), 1 + 2**-23)}),
    "config": lambda f: edit(f / "config.json", rms_norm_eps=1e-5),
    "tokenizer": lambda f: (f / "tokenizer.json").write_text(
        (f / "tokenizer.json").read_text().replace('"w62"', '"w99"')
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_the_base_changes_its_fingerprint(folder, change):
    before = fingerprint(folder)
    CHANGES[change](folder)
    assert fingerprint(folder) != before


def test_saving_again_with_another_version_leaves_the_fingerprint_alone(folder):
    before = fingerprint(folder)
    edit(folder / "config.json", transformers_version="5.99.0", _name_or_path="/elsewhere")
    content = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(dict(reversed(content.items())), indent=7))
    assert fingerprint(folder) == before


# --- the files that load ----------------------------------------------------------------------


def test_a_base_in_one_file_and_in_shards_has_the_same_model_and_another_fingerprint(folder):
    one, before = open_base(str(folder)), load_file(folder / KEPT)
    shard(folder)
    two = open_base(str(folder))
    loaded = two.model("cpu")
    assert all(torch.equal(loaded.get_parameter(n), weight) for n, weight in before.items())
    assert two.fingerprint != one.fingerprint
    reweigh(folder / TWO, **{"model.norm.weight": torch.full((16,), 2.0)})
    assert fingerprint(folder) != two.fingerprint


UNREAD = {
    "weights that nothing names": lambda f: save_file({"a": torch.ones(1)}, f / "more.safetensors"),
    "weights of an earlier kind": lambda f: (f / "pytorch_model.bin").write_bytes(b"pickled"),
    "weights in a folder below": lambda f: (
        (f / "onnx").mkdir(),
        save_file({"a": torch.ones(1)}, f / "onnx" / KEPT),
    ),
    "a description": lambda f: (f / "README.md").write_text("words"),
    "tokens that the tokenizer has": lambda f: edit(
        f / "special_tokens_map.json",
        pad_token="<|endoftext|>",  # noqa: S106
        unk_token={"content": "<unknown>"},
    ),
}


@pytest.mark.parametrize("change", UNREAD)
def test_a_file_that_loading_does_not_read_leaves_the_fingerprint_alone(folder, change):
    before = fingerprint(folder)
    UNREAD[change](folder)
    assert fingerprint(folder) == before


MEANWHILE = {
    "weights": (
        lambda f: reweigh(f / KEPT, **{"model.norm.weight": torch.full((16,), 2.0)}),
        lambda base: base.model("cpu"),
    ),
    "tokenizer": (CHANGES["tokenizer"], lambda base: base.tokenizer),
    "a role": (
        lambda f: edit(f / "tokenizer_config.json", pad_token="w5"),  # noqa: S106
        lambda base: base.facts,
    ),
    "a new file": (
        lambda f: edit(f / "added_tokens.json", w98=64),
        lambda base: base.encode("w3"),
    ),
}


@pytest.mark.parametrize("change", MEANWHILE)
def test_a_base_whose_files_change_after_it_was_opened_is_refused(folder, change):
    base = open_base(str(folder))
    alter, use = MEANWHILE[change]
    alter(folder)
    with pytest.raises(BaseError, match="its files changed since it was opened; run again"):
        use(base)


def test_a_tokenizer_of_another_folder_that_changes_is_refused(folder, tmp_path):
    other = tmp_path / "tokenizer"
    other.mkdir()
    (folder / "tokenizer.json").rename(other / "tokenizer.json")
    base = _from_folder("base", folder, other)
    CHANGES["tokenizer"](other)
    with pytest.raises(BaseError, match="its files changed since it was opened; run again"):
        assert base.tokenizer


# --- what cannot be so ------------------------------------------------------------------------


def place(folder, name):
    """Let the index name another file for its first weights."""
    shard(folder)
    content = json.loads((folder / INDEX).read_text())
    content["weight_map"] = {n: name if f == ONE else f for n, f in content["weight_map"].items()}
    (folder / INDEX).write_text(json.dumps(content))
    return folder / INDEX


REFUSED = {
    "two sets of weights": lambda f: (shard(f), save_file({}, f / KEPT, FORMAT)),
    "adapter_config.json: an adapter": lambda f: edit(f / "adapter_config.json", peft_type="LORA"),
    "transformers_weights is 'other.safetensors'": lambda f: edit(
        f / "config.json", transformers_weights="other.safetensors"
    ),
    "configuration_files is \\['config.9.0.json'\\]": lambda f: edit(
        f / "config.json", configuration_files=["config.9.0.json"]
    ),
    "fast_tokenizer_files is \\['tokenizer.9.0.json'\\]": lambda f: edit(
        f / "tokenizer_config.json", fast_tokenizer_files=["tokenizer.9.0.json"]
    ),
    "fast_tokenizer_files is 'a'": lambda f: (
        tokenizer("<end>").save(str(f / "tokenizer.json")),
        edit(f / "tokenizer_config.json", fast_tokenizer_files="a"),
    ),
    "vocab is '/other/vocab.json'": lambda f: edit(
        f / "tokenizer_config.json", vocab="/other/vocab.json", tokenizer_class="GPT2Tokenizer"
    ),
    "merges is '/other/m.txt'": lambda f: edit(f / "tokenizer_config.json", merges="/other/m.txt"),
    "weight_map": lambda f: (shard(f), edit(f / INDEX, weight_map={})),
    "weight_map with a file": lambda f: (shard(f), edit(f / INDEX, weight_map=["a"])),
    "expected a JSON object": lambda f: (shard(f), (f / INDEX).write_text("[")),
    "expected config.json and model.safetensors": lambda f: (f / KEPT).rename(f / "w.safetensors"),
}


@pytest.mark.parametrize("message", REFUSED)
def test_a_folder_that_would_load_something_else_is_refused_by_name(folder, message):
    REFUSED[message](folder)
    with pytest.raises(BaseError, match=message) as caught:
        open_base(str(folder))
    assert str(caught.value).startswith(str(folder))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "name",
    ["../w.safetensors", "sub/w.safetensors", "w.bin", "absent.safetensors", "..", "9" * 5000],
    ids=lambda name: name[:20],
)
def test_an_index_that_names_anything_but_a_file_beside_it_is_refused(folder, name):
    for there in (folder.parent / "w.safetensors", folder / "sub" / "w.safetensors"):
        there.parent.mkdir(exist_ok=True)
        there.write_bytes((folder / KEPT).read_bytes())
    (folder / "w.bin").write_bytes(b"pickled")
    index = place(folder, name)
    with pytest.raises(BaseError) as refused:
        open_base(str(folder))
    said = f"{index}: names {shown(name)}; expected the name of a safetensors file beside it"
    assert str(refused.value) == said
