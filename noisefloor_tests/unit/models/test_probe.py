"""A model that sees later tokens, or fewer than a window, is refused before anything trains."""

import io
from dataclasses import replace

import pytest
import torch

from pytest_noisefloor.errors import BaseError, NoisefloorError
from pytest_noisefloor.models.head import HeadError, lm_head
from pytest_noisefloor.models.probe import check_causal, check_positions
from pytest_noisefloor.runs.progress import ProgressBar
from pytest_noisefloor.runs.request import Request


@pytest.mark.parametrize("architecture", ["Llama", "GPT2", "Mamba", "Mixtral", "Gemma2"])
def test_a_causal_model_is_one(build, architecture):
    check_causal(build(architecture, initializer_range=0.5), 64)


def test_a_model_that_sees_the_future_is_refused(build):
    model = build("Llama", initializer_range=0.5)
    for block in model.model.layers:
        block.self_attn.is_causal = False
    model.config.is_causal = False
    with pytest.raises(BaseError, match=r"LlamaForCausalLM: its states of earlier tokens move by"):
        check_causal(model, 64)


def test_a_model_that_sees_one_token_ahead_is_refused(build):
    """A bug in one block of four is enough."""
    model = build("Llama", initializer_range=0.5, num_hidden_layers=4)

    def peep(_, __, output):
        return output + 0.01 * output.roll(-1, dims=1)

    model.model.layers[3].register_forward_hook(peep)
    with pytest.raises(BaseError, match=r"expected at most 0\.0001, as in a causal model"):
        check_causal(model, 64)


def test_states_that_are_no_numbers_are_no_proof(build):
    model = build("Llama")
    model.model.norm.weight.fill_(float("nan"))
    with pytest.raises(BaseError, match="move by nan"):
        check_causal(model, 64)


@pytest.mark.parametrize("architecture", ["Llama", "GPT2"])
def test_a_window_may_be_as_long_as_the_positions_and_not_longer(build, architecture):
    model = build(architecture)
    check_positions(model, {"windows": 64, "sequences": 16})
    with pytest.raises(BaseError, match="sequences of 65 tokens; expected at most 64, the posit"):
        check_positions(model, {"windows": 64, "sequences": 65})


def test_a_model_without_positions_takes_any_window(build):
    model = build("Mamba")
    vars(model.config).pop("max_position_embeddings", None)
    check_positions(model, {"windows": 10**6})


# --- heads of another shape -------------------------------------------------------------------


def test_a_model_whose_backbone_is_itself_is_refused_in_one_line(build):
    """As Llama 4's text model was seen to be."""
    model = build("Llama")
    model.base_model_prefix = ""
    with pytest.raises(HeadError, match=r"logits of 8 tokens cannot be computed .*last_hid") as e:
        lm_head(model)
    assert "\n" not in str(e.value)


def test_a_model_without_output_embeddings_is_refused(build):
    model = build("Llama")
    model.set_output_embeddings(torch.nn.Identity())
    with pytest.raises(HeadError, match="has no output embeddings; expected a causal language"):
        lm_head(model)


def test_a_head_of_zeros_is_said_to_be_that(build):
    model = build("Llama", tie_word_embeddings=False)
    model.lm_head.weight.zero_()
    with pytest.raises(HeadError, match="all logits are 0; expected output embeddings with values"):
        lm_head(model)


def test_a_model_that_embeds_fewer_tokens_than_it_predicts_is_refused(build):
    model = build("Llama", tie_word_embeddings=False)
    model.model.embed_tokens = torch.nn.Embedding(63, 16, _weight=torch.ones(63, 16))
    with pytest.raises(HeadError, match="embeds 63 tokens and predicts 64; expected as many"):
        lm_head(model)


# --- before anything trains -------------------------------------------------------------------


class Naming:
    """The tiny base's tokens, moved: the largest of a text is beyond its embeddings."""

    def __init__(self, whole, *, prefix=256, more=0):
        self._whole, self.prefix, self._more = whole, prefix, more
        self.text_ids = whole.text_ids

    def encode(self, text):
        return self._whole.encode(text) + self._more

    def name(self, token):
        return f"<{token}>" if token < 200 else None


def refused(new_runner, tiny, tmp_path, ann, **changes):
    tokenizer = Naming(tiny.tokenizer, **changes)
    runner = new_runner(tmp_path, base=replace(tiny, _load_tokenizer=lambda: tokenizer))
    with pytest.raises(NoisefloorError) as caught:
        runner.complete([Request(ann, "random")])
    assert not runner.store.keys("adapters")
    assert not (runner.store.root / "kernels").exists()
    return str(caught.value)


def test_a_token_without_a_row_is_one_line_with_user_text_and_token(
    new_runner, tiny, tmp_path, ann
):
    found = refused(new_runner, tiny, tmp_path, ann, more=200)
    largest = 200 + max(ann.train.encode())
    assert found == (
        f"user 'ann', training text: token {largest}, None; expected tokens below 257, the rows of "
        "the base's embeddings"
    )


def test_a_prefix_without_a_row_is_one_line(new_runner, tiny, tmp_path, ann):
    found = refused(new_runner, tiny, tmp_path, ann, prefix=257)
    assert found.startswith("base 'tiny': token 257 stands in front of every document; expected")


def test_a_window_beyond_the_positions_is_refused_before_a_kernel_is_timed(
    new_runner, tiny, tmp_path, ann, scoring
):
    long = replace(scoring, window=600, stride=300)
    ann = replace(ann, heldout=tuple(replace(s, text=s.text * 2) for s in ann.heldout))
    runner = new_runner(tmp_path, scoring=long)
    with pytest.raises(NoisefloorError, match="windows of 600 tokens; expected at most 512"):
        runner.complete([Request(ann, "random")])
    assert not (runner.store.root / "kernels").exists()


def test_rows_that_no_token_has_are_announced_once(new_runner, tiny, tmp_path, ann, bob):

    stream = io.StringIO()
    base = replace(tiny, _load_tokenizer=lambda: Naming(tiny.tokenizer))
    bar = ProgressBar(stream)
    for store in ("one", "two"):  # as of two bets of one session
        runner = new_runner(tmp_path / store, base=base, progress_bar=bar)
        runner.complete([Request(ann, "untrained"), Request(bob, "untrained")])
    said = "57 of 257 rows of tiny's embeddings belong to no token; the arm 'random' draws them too"
    assert stream.getvalue().count(said) == 1
