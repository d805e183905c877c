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


def test_the_token_to_score_behind_is_part_of_the_fingerprint(folder):
    """Where no token says it is the end of a text, a second file names the one that is."""
    tokenizer("<end>").save(str(folder / "tokenizer.json"))
    seen = {}
    for name, expected in {"<end>": 0, "w5": 5}.items():
        edit(folder / "tokenizer_config.json", eos_token=name)
        base = open_base(str(folder))
        assert base.tokenizer.prefix == expected
        seen[base.fingerprint] = name
    assert len(seen) == 2


def test_the_name_of_the_end_of_text_in_another_token_is_not_that_token(folder):
    """So the token to score behind is the EOS that a second file names."""
    tokenizer("<end>").save(str(folder / "tokenizer.json"))
    file = folder / "tokenizer.json"
    file.write_text(file.read_text().replace('"w62"', '"x<|endoftext|>"'))
    seen = set()
    for name in ("w5", "w6"):
        edit(folder / "tokenizer_config.json", eos_token=name)
        base = open_base(str(folder))
        assert base.tokenizer.prefix == int(name[1])
        seen.add(base.fingerprint)
    assert len(seen) == 2


@pytest.mark.parametrize("file", ["tokenizer_config.json", "special_tokens_map.json"])
def test_a_role_that_makes_a_word_special_is_part_of_the_fingerprint(folder, file):
    """Random text has no special tokens in it, so it is another text then."""
    before = open_base(str(folder))
    ids = {*before.tokenizer.text_ids}
    edit(folder / file, pad_token="w5")  # noqa: S106
    after = open_base(str(folder))
    assert ids - {*after.tokenizer.text_ids} == {5}
    assert after.fingerprint != before.fingerprint


@pytest.mark.parametrize(
    "name",
    ["emoji.json", "bpe.codes", "dict.txt", "source.spm", "normalizer.json", "tekken.json"],
)
def test_whatever_a_tokenizer_without_tokenizer_json_may_read_is_part_of_the_fingerprint(
    folder, name
):
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.txt").write_text("a\nb\n")
    before = fingerprints_at_hand(str(folder))
    for other in ("README.md", "generation_config.json", "chat_template.jinja", "rust_model.ot"):
        (folder / other).write_text("{}")
    assert fingerprints_at_hand(str(folder)) == before
    seen = {before}
    for content in ("{}", '{"a": 1}'):
        (folder / name).write_text(content)
        seen.add(fingerprints_at_hand(str(folder)))
    assert len(seen) == 3
    assert len({model for model, _ in seen}) == 1


SAVED_BESIDE = {
    "ids": {"added_tokens.json": {"w98": 65, "w99": 64}},
    "a name that a config may have": {"added_tokens.json": {"dtype": 64}},
    "a table of roles": {"special_tokens_map.json": {"extra_special_tokens": {"image": "w5"}}},
    "another table": {"special_tokens_map.json": {"extra_special_tokens": {"image": "w6"}}},
    "a version, where it is obeyed": {
        "tokenizer_config.json": {"fix_mistral_regex": True},
        "config.json": {"transformers_version": "4.50.0"},
    },
    "another version": {
        "tokenizer_config.json": {"fix_mistral_regex": True},
        "config.json": {"transformers_version": "5.23.0"},
    },
}


def test_whatever_changes_tokens_from_beside_is_part_of_the_fingerprint(folder):
    kept = {file: file.read_bytes() for file in folder.iterdir()}
    edit(folder / "added_tokens.json", w98=64, w99=65)
    seen = {fingerprint(folder)}
    for changes in SAVED_BESIDE.values():
        for file in folder.iterdir():
            file.unlink()
        for file, content in kept.items():
            file.write_bytes(content)
        for name, change in changes.items():
            edit(folder / name, **change)
        seen.add(fingerprint(folder))
    assert len(seen) == 1 + len(SAVED_BESIDE)


def test_files_of_others_beside_a_tokenizer_without_tokenizer_json_change_nothing(folder):
    (folder / "tokenizer.json").unlink()
    (folder / "vocab.txt").write_text("a\nb\n")
    before = fingerprints_at_hand(str(folder))
    for name in ("license.txt", "run.log", "train.jsonl", "trainer_log.json", "eval_results.json"):
        (folder / name).write_text("[1]")
    assert fingerprints_at_hand(str(folder)) == before
    (folder / "pieces.json").write_text("[1]")
    assert fingerprints_at_hand(str(folder)) != before


def test_a_key_for_other_files_that_names_none_is_no_fault(folder):
    before = fingerprint(folder)
    edit(folder / "tokenizer_config.json", fast_tokenizer_files=[])
    assert fingerprint(folder)
    edit(folder / "config.json", configuration_files=[])
    assert fingerprint(folder) != before


def test_a_tokenizer_that_does_not_read_the_tokenizer_json_beside_it_is_refused(folder):
    edit(folder / "tokenizer_config.json", tokenizer_class="ByT5Tokenizer")
    with pytest.raises(BaseError) as refused:
        assert open_base(str(folder)).tokenizer
    said = "ByT5Tokenizer does not read it; expected the files of one tokenizer"
    assert str(refused.value) == f"{folder}/tokenizer.json: {said}"


def test_what_a_tokenizer_rebuilds_from_its_config_is_part_of_the_fingerprint(folder):
    """With a space before it a text's first word is another token, for some tokenizers."""
    bare = fingerprint(folder)
    config = folder / "tokenizer_config.json"
    edit(config, tokenizer_class="TokenizersBackend", eos_token="<unknown>", is_local=True)  # noqa: S106
    assert fingerprint(folder) == bare
    seen = {bare}
    for change in (
        {"split_special_tokens": True},
        {"extra_special_tokens": ["w7"]},
        {"tokenizer_class": "GPT2Tokenizer", "add_prefix_space": False},
        {"add_prefix_space": True},
    ):
        edit(config, **change)
        seen.add(fingerprint(folder))
    assert len(seen) == 5


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


@pytest.mark.parametrize(
    "beside",
    [
        {"added_tokens.json": {"w99": 64}},
        {"special_tokens_map.json": {"additional_special_tokens": ["w98"]}},
        {"special_tokens_map.json": {"eos_token": {"content": "w97"}}},
    ],
    ids=str,
)
def test_a_token_that_only_an_older_file_adds_is_part_of_the_fingerprint(folder, beside):
    before = fingerprint(folder)
    for name, content in beside.items():
        edit(folder / name, **content)
    assert fingerprint(folder) != before


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
