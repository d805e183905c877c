"""Bases: loaded as what they are said to be, known by a fingerprint, and never run as code."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models, pre_tokenizers

from pytest_noisefloor.errors import BaseError
from pytest_noisefloor.models.loading import open_base

KEPT = "model.safetensors"


@pytest.fixture(scope="module")
def saved(build, tmp_path_factory):
    """The files of a base, by name."""
    folder = tmp_path_factory.mktemp("saved")
    model = build("Llama", tie_word_embeddings=True)
    model.config.save_pretrained(folder)
    weights = {n: t for n, t in model.state_dict().items() if n != "lm_head.weight"}
    save_file(weights, folder / KEPT, {"format": "pt"})
    tokenizer("<|endoftext|>").save(str(folder / "tokenizer.json"))
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def tokenizer(end_of_text):
    """Words w2, w3 … as tokens 2, 3 …"""
    vocabulary = {end_of_text: 0, "<unknown>": 1, **{f"w{n}": n for n in range(2, 64)}}
    made = Tokenizer(models.WordLevel(vocabulary, unk_token="<unknown>"))  # noqa: S106
    made.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return made


@pytest.fixture
def folder(saved, tmp_path):
    """A base as anybody would have it in a folder."""
    for name, content in saved.items():
        (tmp_path / name).write_bytes(content)
    return tmp_path


def edit(file, **changes):
    content = json.loads(file.read_text()) if file.exists() else {}
    file.write_text(json.dumps({**content, **changes}))


def reweigh(file, **changes):
    weights = {**load_file(file), **changes}
    save_file({n: t for n, t in weights.items() if t is not None}, file, {"format": "pt"})


def fingerprint(folder):
    return open_base(str(folder)).fingerprint


# --- tiny -----------------------------------------------------------------------------------


def test_tiny_is_a_model_of_a_few_thousand_frozen_parameters(model):
    count = sum(parameter.numel() for parameter in model.parameters())
    assert count == 257 * 16 + 2 * (4 * 16 * 16 + 3 * 16 * 32 + 2 * 16) + 16
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert not model.training


def test_tiny_has_bytes_for_tokens_and_one_more_for_the_end_of_text(tiny):
    assert tiny.tokenizer.encode("né\n").tolist() == [*"né\n".encode()]
    assert tiny.tokenizer.prefix == 256


def test_every_model_of_a_base_is_a_fresh_copy_of_the_same_weights(tiny):
    one, other = tiny.model("cpu"), tiny.model("cpu")
    for (name, a), b in zip(one.named_parameters(), other.parameters(), strict=True):
        assert a.data_ptr() != b.data_ptr(), name
        assert torch.equal(a, b), name


def test_runs_share_one_model_and_each_text_is_encoded_once(tiny):
    assert tiny.shared_model("cpu") is tiny.shared_model("cpu")
    assert tiny.encode("né") is tiny.encode("né")
    assert tiny.encode("né").tolist() == [*"né".encode()]


def test_opening_tiny_again_gives_the_same_base_whatever_was_drawn_before(tiny):
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(1)
        assert open_base("tiny").fingerprint == tiny.fingerprint


# --- a folder -------------------------------------------------------------------------------


def test_a_folder_holds_a_base(folder, saved):
    state = torch.random.get_rng_state()
    base = open_base(str(folder))
    model = base.model("cpu")
    assert base.tokenizer.encode("w3 w63 stranger").tolist() == [3, 63, 1]
    assert base.tokenizer.prefix == 0
    for name, weight in load_file(folder / KEPT).items():
        assert torch.equal(model.get_parameter(name), weight), name
    assert model.lm_head.weight is model.model.embed_tokens.weight
    assert not model.training
    assert not any(parameter.requires_grad for parameter in model.parameters())
    assert torch.equal(torch.random.get_rng_state(), state)


def test_weights_in_half_precision_are_loaded_in_full(folder):
    halved = {n: t.bfloat16() for n, t in load_file(folder / KEPT).items()}
    save_file(halved, folder / KEPT, {"format": "pt"})
    edit(folder / "config.json", dtype="bfloat16")
    model = open_base(str(folder)).model("cpu")
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_a_text_can_have_neither_special_tokens_nor_entries_that_no_merge_leads_to(folder):
    words = {"a": 0, "b": 1, "ab": 2, "ba": 3, "aba": 4, "<end>": 5}
    made = Tokenizer(models.BPE(words, [("a", "b"), ("b", "a")]))
    made.add_special_tokens(["<end>"])
    made.save(str(folder / "tokenizer.json"))
    edit(folder / "tokenizer_config.json", eos_token="<end>")  # noqa: S106
    found = open_base(str(folder)).tokenizer
    assert found.text_ids.tolist() == [0, 1, 2, 3]
    assert found.encode("aba").tolist() == [2, 0]


def test_a_text_on_the_tiny_base_has_the_bytes_of_utf_8(tiny):
    every = "".join(map(chr, [*range(0x800), 0xFFFF, 0x10FFFF, *range(0x800, 0xD800, 64)]))
    assert {*tiny.tokenizer.encode(every).tolist()} <= {*tiny.tokenizer.text_ids.tolist()}
    assert tiny.tokenizer.text_ids.size == 256 - 2 - 11  # C0, C1 and F5 to FF are in no UTF-8


CHANGES = {
    "weight": lambda f: reweigh(f / KEPT, **{"model.norm.weight": torch.full((16,), 1 + 2**-23)}),
    "config": lambda f: edit(f / "config.json", rms_norm_eps=1e-5),
    "tokenizer": lambda f: (f / "tokenizer.json").write_text(
        (f / "tokenizer.json").read_text().replace('"w62"', '"w99"')
    ),
    "another file of weights": lambda f: save_file({"a": torch.ones(1)}, f / "more.safetensors"),
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


def test_what_a_tokenizer_rebuilds_from_its_config_is_part_of_the_fingerprint(folder):
    """With a space before it a text's first word is another token, for some tokenizers."""
    bare = fingerprint(folder)
    config = folder / "tokenizer_config.json"
    edit(config, tokenizer_class="TokenizersBackend", eos_token="w5", is_local=True)  # noqa: S106
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


# --- what is refused ------------------------------------------------------------------------

SPOILED = {
    "expected config.json and .*safetensors weights": lambda f: (f / "config.json").unlink(),
    "config.json: expected a JSON object .Expecting": lambda f: (f / "config.json").write_text("{"),
    "config.json: expected a JSON object .found list": lambda f: (f / "config.json").write_text(
        "[]"
    ),
    "tokenizer.json: expected a JSON object .'utf-8'": lambda f: (f / "tokenizer.json").write_bytes(
        b"<|endoftext|>\xff"
    ),
    "no tokenizer files; expected tokenizer.json": lambda f: (f / "tokenizer.json").unlink(),
    "no usable tokenizer": lambda f: (f / "tokenizer.json").write_text('{"<|endoftext|>": 0}'),
    "no usable tokenizer .*Sequence": lambda f: edit(
        f / "tokenizer_config.json", tokenizer_class="T5Tokenizer"
    ),
    "no end-of-text token": lambda f: tokenizer("<end>").save(str(f / "tokenizer.json")),
    "not loadable .*header": lambda f: (f / KEPT).write_bytes((f / KEPT).read_bytes()[:2000]),
    "not loadable .*sizes": lambda f: edit(f / "config.json", vocab_size=80),
    "not loadable .*optimum": lambda f: edit(
        f / "config.json", quantization_config={"quant_method": "gptq", "bits": 4}
    ),
    "not loadable .*recognize": lambda f: edit(f / "config.json", model_type="unheard-of"),
    "1 weights are missing, model.norm.weight": lambda f: reweigh(
        f / KEPT, **{"model.norm.weight": None}
    ),
}


def use(folder):
    base = open_base(str(folder))
    base.model("cpu")
    return base.tokenizer


def test_a_mistyped_folder_is_one_error_and_is_not_asked_for_at_the_hub():
    with pytest.raises(BaseError, match=r"^base '\./nowhere': neither a folder here nor available"):
        open_base("./nowhere")


@pytest.mark.parametrize("message", SPOILED)
def test_a_spoiled_folder_is_one_clear_error(folder, message):
    SPOILED[message](folder)
    with pytest.raises(BaseError, match=message) as caught:
        use(folder)
    assert str(caught.value).startswith(str(folder))
    assert "\n" not in str(caught.value)


class Trap:
    """What leaves a file behind when it is unpickled."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return type(self.marker).touch, (self.marker,)


def test_pickled_weights_are_refused_and_never_read(folder):
    marker = folder / "unpickled"
    torch.save({"model.norm.weight": Trap(marker)}, folder / "pytorch_model.bin")
    open_base(str(folder)).model("cpu")  # beside safetensors they do no harm
    (folder / KEPT).unlink()
    with pytest.raises(BaseError, match="pickled weights are never read"):
        open_base(str(folder)).model("cpu")
    assert not marker.exists()
    torch.load(folder / "pytorch_model.bin", weights_only=False)
    assert marker.exists()  # the trap works


@pytest.mark.parametrize("kind", ["llama", "unheard-of"])
def test_code_that_comes_with_a_base_never_runs(folder, kind, monkeypatch):
    marker = folder / "ran"
    (folder / "strange.py").write_text(f"open({str(marker)!r}, 'w').close()\n")
    edit(
        folder / "config.json",
        model_type=kind,
        auto_map={"AutoConfig": "strange.Config", "AutoModelForCausalLM": "strange.Model"},
    )
    monkeypatch.setattr("builtins.input", lambda *_: "y")  # nobody is asked
    base = open_base(str(folder))
    if kind == "llama":
        assert type(base.model("cpu")).__module__.startswith("transformers.")
    else:
        with pytest.raises(BaseError, match="contains custom code"):
            base.model("cpu")
    edit(
        folder / "tokenizer_config.json",
        tokenizer_class="Strange",
        auto_map={"AutoTokenizer": ["strange.Strange", "strange.Strange"]},
    )
    with pytest.raises(BaseError, match="contains custom code"):
        assert open_base(str(folder)).tokenizer
    assert not marker.exists()


@pytest.mark.parametrize("name", ["tinny", "no/such/folder", "two words", ""])
def test_an_unknown_base_is_one_clear_error(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BaseError, match="expected") as caught:
        open_base(name)
    assert "\n" not in str(caught.value)
