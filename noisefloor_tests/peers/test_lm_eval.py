"""Agreement with lm-evaluation-harness: the same total for the same document."""

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from noisefloor_tests.support.habits import forked
from noisefloor_tests.support.peer_modules import peer
from pytest_noisefloor.models.head import lm_head
from pytest_noisefloor.models.scoring import score
from pytest_noisefloor.specs import Scoring

# tiny leaves one thread to this process, which is all that small models need
pytestmark = [pytest.mark.peers, pytest.mark.usefixtures("tiny")]


def byte_tokenizer():
    """A tokenizer of bytes for transformers, whose end of text is token 0."""
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    end = "<|endoftext|>"
    vocabulary = {end: 0} | {c: i for i, c in enumerate(alphabet, start=1)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token=end)


WINDOW = 32


@pytest.fixture(scope="module")
def harness(build):
    """lm-evaluation-harness around a small model whose predictions depend on what it read."""
    models_ = peer("lm_eval.models.huggingface")
    model = build("Llama", vocab_size=257, initializer_range=0.2)
    with forked():
        return models_.HFLM(
            pretrained=model,
            tokenizer=byte_tokenizer(),
            backend="causal",
            max_length=WINDOW,
            batch_size=3,
            device="cpu",
        )


@pytest.mark.parametrize("length", [1, 31, 32, 33, 64, 300])
def test_the_harness_finds_the_same_total_for_a_document(harness, length):
    """Rolling log-likelihood, by its own windows, tokenizer and sums; 1e-5 is relative."""
    instance = peer("lm_eval.api.instance").Instance
    drawn = np.random.default_rng(length).integers(97, 123, size=length)
    text = bytes(drawn.tolist()).decode()
    request = instance("loglikelihood_rolling", doc={}, arguments=(text,), idx=0)
    with forked():
        (theirs,) = harness.loglikelihood_rolling([request], disable_tqdm=True)

    tokens = np.array(harness.tokenizer(text)["input_ids"])
    head = lm_head(harness.model)

    def total(prefix, window):
        plan = Scoring(window=window, stride=window)
        return -score(harness.model, head, tokens, prefix, plan).sum(dtype=np.float64)

    assert len(tokens) == length
    assert total(0, WINDOW) == pytest.approx(theirs, rel=1e-5, abs=0)
    # the nearest other ways: behind another token, and by windows one token shorter
    assert abs(total(1, WINDOW) / theirs - 1) > 1e-4
    assert length < WINDOW or abs(total(0, WINDOW - 1) / theirs - 1) > 1e-4
