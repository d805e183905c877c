"""A fingerprint is of whatever decides a text's tokens, and which of them random text may have."""

import pytest

from noisefloor_tests.support.base_folders import edit, tokenizer
from pytest_noisefloor.errors import BaseError
from pytest_noisefloor.models.loading import fingerprints_at_hand, open_base


def fingerprint(folder):
    return open_base(str(folder)).fingerprint


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
    made = tokenizer("<end>")
    made.add_special_tokens(["w5", "w6"])  # a role of theirs changes nothing but the prefix
    made.save(str(folder / "tokenizer.json"))
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
    seen = {fingerprint(folder)}
    edit(folder / "added_tokens.json", w98=64, w99=65)
    seen.add(fingerprint(folder))
    for changes in SAVED_BESIDE.values():
        for file in folder.iterdir():
            file.unlink()
        for file, content in kept.items():
            file.write_bytes(content)
        for name, change in changes.items():
            edit(folder / name, **change)
        seen.add(fingerprint(folder))
    assert len(seen) == 2 + len(SAVED_BESIDE)


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
