"""Bases: loaded as what they are said to be, known by a fingerprint, and never run as code."""

import pytest
import torch
from safetensors.torch import load_file, save_file
from tokenizers import Tokenizer, models

from noisefloor_tests.support.base_folders import KEPT, edit, reweigh, tokenizer
from pytest_noisefloor.errors import BaseError
from pytest_noisefloor.models.loading import open_base

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
