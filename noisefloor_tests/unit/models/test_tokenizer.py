"""What stands in front of a document, and special tokens' names in a user's text."""

import json
from dataclasses import replace

import pytest

from noisefloor_tests.support.base_folders import bytes_and, edit
from pytest_noisefloor.data.users import Slice, User
from pytest_noisefloor.errors import BaseError
from pytest_noisefloor.models.loading import open_base
from pytest_noisefloor.models.tokenizer import TokenFacts
from pytest_noisefloor.runs.request import Request

END = "<|endoftext|>"


def opened(folder):
    return open_base(str(folder))


FRONT = {
    "end of text, whatever else there is": (
        ("<s>", "</s>", END),
        {"bos_token": "<s>", "eos_token": "</s>"},
        (258, "end-of-text"),
    ),
    "BOS": (("<s>", "</s>"), {"bos_token": "<s>", "eos_token": "</s>"}, (256, "bos")),
    "EOS without a BOS": (("</s>",), {"eos_token": "</s>"}, (256, "end-of-text")),
}


@pytest.mark.parametrize("case", FRONT)
def test_a_document_stands_behind_end_of_text_or_bos_or_eos(folder, case):
    names, roles, expected = FRONT[case]
    bytes_and(folder, *names, **roles)
    base = opened(folder)
    assert (base.tokenizer.prefix, base.facts.prefix) == expected


def test_a_tokenizer_without_any_of_them_is_refused(folder):
    bytes_and(folder)
    with pytest.raises(BaseError, match="the tokenizer has no end-of-text token to score behind; "):
        assert opened(folder).tokenizer


def test_a_text_that_the_tokenizer_cannot_encode_is_refused_in_one_line(folder):
    file = folder / "tokenizer.json"
    file.write_text(file.read_text().replace('"<unknown>":', '"<other>":'))
    base = opened(folder)
    assert base.encode("w3 w9").tolist() == [3, 9]
    with pytest.raises(BaseError) as refused:
        base.encode("w3 stranger\n" * 9)
    said = "its tokenizer cannot encode the text 'w3 stranger\\nw3 stranger\\nw3 str'…"
    why = "WordLevel error: Missing [UNK] token from the vocabulary"
    assert str(refused.value) == f"{folder}: {said} ({why})"


def add_tokens(folder, tokens):
    edit(folder / "tokenizer.json", added_tokens=tokens)


MALFORMED = {
    "tokenizer_config.json: added_tokens_decoder; expected a table with a table for each id": [
        lambda f: edit(f / "tokenizer_config.json", added_tokens_decoder=["w5"]),
        lambda f: edit(f / "tokenizer_config.json", added_tokens_decoder={"5": "w5"}),
    ],
    "tokenizer_config.json: additional_special_tokens is 5; expected a list or a table": [
        lambda f: edit(f / "tokenizer_config.json", additional_special_tokens=5)
    ],
    "special_tokens_map.json: extra_special_tokens is 'w5'; expected a list or a table": [
        lambda f: edit(f / "special_tokens_map.json", extra_special_tokens="w5")
    ],
    "special_tokens_map.json: expected a JSON object": [
        lambda f: (f / "special_tokens_map.json").write_text("[]"),
        lambda f: (f / "special_tokens_map.json").write_bytes(b"\xff"),
    ],
    "tokenizer.json: no usable tokenizer; expected added_tokens, a list of tokens each with": [
        lambda f: add_tokens(f, [{"content": 5, "id": 5}]),
        lambda f: add_tokens(f, [{"content": ["w5"], "id": 5}]),
        lambda f: add_tokens(f, [{"id": 5}]),
        lambda f: add_tokens(f, ["w5"]),
        lambda f: add_tokens(f, 5),
    ],
}


@pytest.mark.parametrize("message", MALFORMED)
def test_a_list_of_special_tokens_of_another_form_is_one_line(folder, message):
    kept = {file.name: file.read_bytes() for file in folder.iterdir()}
    for change in MALFORMED[message]:
        for file in folder.iterdir():
            file.unlink()
        for name, content in kept.items():
            (folder / name).write_bytes(content)
        change(folder)
        with pytest.raises(BaseError) as refused:
            assert opened(folder).facts
        assert str(refused.value).startswith(f"{folder}/{message}")
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize("end", [END, "</s>"])
def test_the_name_of_a_special_token_in_a_text_is_text(folder, end):
    bytes_and(folder, end, "<|user|>", eos_token=end)
    base = opened(folder)
    text = f"before {end}<|user|> after"
    tokens = base.encode(text)
    assert tokens.max() < 256
    assert len(tokens) == len(text)
    assert base.facts.has_special(f"x{end}")
    assert base.facts.has_special("x<|USER|>")  # whatever a tokenizer makes of its case
    assert not base.facts.has_special("before after <|> user")


def test_facts_that_stand_in_files_are_those_of_the_loaded_tokenizer(folder):
    bytes_and(folder, END, "<|user|>", "<pad>", eos_token=END, pad_token="<pad>")  # noqa: S106
    base = opened(folder)
    assert base.facts == TokenFacts("end-of-text", ("<pad>", "<|endoftext|>", "<|user|>"))
    assert base.facts == base.tokenizer.facts


def test_the_shipped_tokenizer_keeps_its_prefix_and_loads_nothing_to_say_it():
    base = open_base("reference")
    assert base.facts.prefix == "end-of-text"
    assert END in base.facts.special
    assert "tokenizer" not in vars(base)
    assert base.tokenizer.prefix == 0
    assert base.facts == base.tokenizer.facts


def test_only_keys_of_texts_that_are_read_otherwise_now_have_changed(new_runner, tiny, tmp_path):
    """``plain`` is as before; ``marked`` has a special token's name in all of its texts."""
    plain = User("ann", "words to train on", (Slice("one", "words held out"),))
    marked = User("ann", "words <s> to train on", (Slice("one", "words <s> held out"),))
    specials = TokenFacts(special=("<s>",))
    known = new_runner(tmp_path)
    knowing = new_runner(tmp_path, base=replace(tiny, _load_facts=lambda: specials))
    for arm in ("real", "oracle", "random"):
        same = [runner.run_spec(Request(plain, arm)).key for runner in (known, knowing)]
        other = [runner.run_spec(Request(marked, arm)).key for runner in (known, knowing)]
        assert same[0] == same[1]
        assert (other[0] == other[1]) == (arm == "random")  # which reads no text
    (piece,) = marked.heldout
    found = [one.score_spec(Request(marked, "untrained"), piece).slice for one in (known, knowing)]
    assert found == [piece.sha256, f"{piece.sha256}/plain"]


def test_scores_behind_bos_have_keys_of_their_own(new_runner, tiny, ann, tmp_path):
    behind = replace(tiny, _load_facts=lambda: TokenFacts("bos"))
    specs = [
        new_runner(tmp_path, **more).score_spec(Request(ann, "untrained"), ann.heldout[0])
        for more in ({}, {"base": behind})
    ]
    assert [spec.prefix for spec in specs] == ["end-of-text", "bos"]
    assert specs[0].key != specs[1].key


@pytest.mark.parametrize("prefix", ["end-of-text", "bos"])
def test_a_result_says_what_stood_in_front_unless_it_was_end_of_text(
    planted_experiment, monkeypatch, without_reach, prefix
):
    base = planted_experiment.runner.base
    monkeypatch.setitem(vars(base), "facts", TokenFacts(prefix))
    vars(planted_experiment).pop("verdict", None)
    assert planted_experiment.verdict
    content = json.loads(planted_experiment.result_path.read_text("utf-8"))
    vars(planted_experiment).pop("verdict")
    assert content["base"].get("prefix") == (prefix if prefix == "bos" else None)
