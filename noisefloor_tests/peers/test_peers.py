"""Agreement with what no one here wrote: PEFT, transformers' Trainer, lm-evaluation-harness, arch
and statsmodels, each given the same tokens or the same numbers as this project.
"""

import math
from dataclasses import dataclass, replace
from importlib import import_module
from importlib.util import find_spec

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer, models, pre_tokenizers

from noisefloor_tests.support.bins_planted import differing
from noisefloor_tests.support.habits import forked
from pytest_noisefloor.bets.error_rates import rate_bounds
from pytest_noisefloor.data.arms import ARMS, ArmInput
from pytest_noisefloor.models.head import lm_head
from pytest_noisefloor.models.scoring import score
from pytest_noisefloor.specs import Scoring
from pytest_noisefloor.stats import bootstrap
from pytest_noisefloor.stats.blocks import BIN_TOKENS, block_sums
from pytest_noisefloor.stats.bootstrap import block_bootstrap
from pytest_noisefloor.stats.significance import holm, minimum_detectable_effect, tost
from pytest_noisefloor.training.loop import train
from pytest_noisefloor.training.methods.base import restore, snapshot
from pytest_noisefloor.training.methods.registry import METHODS

# tiny leaves one thread to this process, which is all that small models need
pytestmark = [pytest.mark.peers, pytest.mark.usefixtures("tiny")]

PEERS = ("arch", "lm_eval", "peft", "statsmodels")


def peer(module):
    """A peer's module, or a skip that says how to get it."""
    name = module.partition(".")[0]
    if find_spec(name) is None:
        pytest.skip(f"{name} is not installed: pip install pytest-noisefloor[peers]")
    return import_module(module)


def test_every_peer_is_installed():
    """So that this tier cannot pass by skipping."""
    assert not [name for name in PEERS if find_spec(name) is None]


# --- training ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def contenders():
    """The benchmarks' ways to train, which a checkout has."""
    return pytest.importorskip("benchmarks.contenders", reason="a wheel brings no benchmarks")


@pytest.fixture(scope="module")
def shape(contenders):
    """A small model and batch, at the registered learning rate."""
    from benchmarks.shapes import Shape

    return Shape(hidden=32, intermediate=64, blocks=2, heads=2, kv_heads=2, vocabulary=300)


def trained(contender, shape, steps=20):
    with forked():
        return contender(shape.model(), shape, steps, lambda: None)


# In 20 steps at lr 5e-5 a gain moves by 1e-3 at most. AdamW divides the gradient's size out of a
# step, so what the two ways round differently, 2⁻²⁴ of a gradient, moves a gain by 2⁻²⁴ of that;
# near 1 an fp32 gain is itself rounded by 6e-8 a step.
GAIN = 1e-6


# what PEFT says of every norm that LNTuning is for, and what transformers says of PEFT
@pytest.mark.filterwarnings("ignore:Unsupported layer type:UserWarning")
@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
def test_peft_under_the_trainer_trains_the_same_gains(contenders, shape):
    peer("peft")
    theirs = trained(contenders.peft_trainer, shape)
    ours = trained(contenders.noisefloor, shape)
    assert [gain.shape for gain in theirs] == [gain.shape for gain in ours] == [(32,)] * 5
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=GAIN)
        assert np.abs(one - 1).max() > 100 * GAIN


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
def test_peft_under_the_trainer_trains_the_same_low_rank_adapter(contenders, shape):
    """From the same A, which PEFT would draw; 1e-6 as above, of what moves by 1e-3 at most."""
    peft, method, steps = peer("peft"), METHODS["lora-r4"], 20
    with forked():
        model = shape.model()
    with method.attached(model) as tensors:
        initial = snapshot(tensors)

    def by_peft(alpha):
        with forked():
            plan = peft.LoraConfig(r=4, lora_alpha=alpha, lora_dropout=0.0, task_type="CAUSAL_LM")
            adapted = peft.get_peft_model(shape.model(), plan)
            own = {n: p for n, p in adapted.named_parameters() if p.requires_grad}
            restore({name.removeprefix("base_model.model."): p for name, p in own.items()}, initial)
            return contenders.under_trainer(adapted, shape, steps, lambda: None)

    streams = {"ours": shape.stream(steps)}
    done = train(model, lm_head(model), method, streams, shape.recipe(steps))
    ours = done["ours"].tensors
    for one, (name, other) in zip(by_peft(8), ours.items(), strict=True):
        np.testing.assert_allclose(other, one, rtol=0, atol=GAIN, err_msg=name)
        assert np.abs(other - initial[name]).max() > 100 * GAIN
    apart = [np.abs(a - b).max() for a, b in zip(by_peft(7), ours.values(), strict=True)]
    assert max(apart) > 5 * GAIN  # the nearest other scale


@dataclass(frozen=True)
class Changed:
    """A shape whose recipe or tokens are not those of the one it stands for."""

    shape: object
    recipes: dict
    seed: int = 0

    def __getattr__(self, name):
        return getattr(self.shape, name)

    def recipe(self, steps):
        return replace(self.shape.recipe(steps), **self.recipes)

    def stream(self, steps):
        arm_input = ArmInput("benchmark", self.vocabulary, None)
        return ARMS["random"].batches(arm_input, self.shape.recipe(steps), self.seed)


@pytest.mark.parametrize(
    ("recipe", "seed"),
    [({"weight_decay": 0.0}, 0), ({"lr": 5.1e-5}, 0), ({"beta2": 0.99}, 0), ({}, 1)],
    ids=["decay", "rate", "moments", "order"],
)
def test_the_nearest_other_training_is_told_apart(contenders, shape, recipe, seed):
    """Each by ten tolerances at least, though all have the same first step but the last."""
    ours = trained(contenders.noisefloor, shape)
    other = trained(contenders.noisefloor, Changed(shape, recipe, seed))
    assert max(np.abs(a - b).max() for a, b in zip(ours, other, strict=True)) > 5 * GAIN


# --- scoring -----------------------------------------------------------------------------------


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


# --- statistics --------------------------------------------------------------------------------


@pytest.fixture
def skewed():
    """Skewed differences in 20 blocks, the fewest there may be, where each refinement shows."""
    rng = np.random.default_rng(9)
    one = differing(rng, rho=0.0, lengths=(40 * BIN_TOKENS,))
    tilted = one.sums["random"] + 60 * rng.exponential(1, size=40) ** 1.5
    return replace(one, sums=one.sums | {"random": tilted})


def test_arch_finds_the_same_interval_by_its_own_bootstrap(skewed, monkeypatch):
    """BCa at the widened level over the same blocks, in standard errors from the estimate; each
    draws 20,000 resamples of its own.

    An endpoint, the 1.6 % quantile of B resampled means, has a standard error of √(p(1 − p)/B)/φ(z)
    = 0.022 standard errors of the mean, and half as much again where skew stretches the tail: the
    bar of 0.2 is four times that of two draws, crossed by 1 in 10,000 pairs of seeds; ours are
    fixed. The percentile interval and the level that is not widened are further away.
    """
    resamples = 20_000
    iid = peer("arch.bootstrap").IIDBootstrap
    from scipy import stats

    monkeypatch.setattr(bootstrap, "RESAMPLES", resamples)
    ours = block_bootstrap(skewed, "random", "real")
    sums, tokens = block_sums(skewed, "random", "real")[:2]
    n = len(sums)
    assert n == ours.blocks == 20
    error = stats.sem(sums / tokens)
    found = (np.array([ours.low, ours.high]) - ours.estimate) / ours.se

    def mean(sums, tokens):
        return np.array([sums.sum() / tokens.sum()])

    level = 2 * stats.norm.cdf(math.sqrt(n / (n - 1)) * stats.t.ppf(0.975, n - 1)) - 1

    def by_arch(method, size):
        drawn = iid(sums, tokens, seed=np.random.default_rng(7))
        bounds_ = drawn.conf_int(mean, reps=resamples, method=method, size=size)[:, 0]
        return (bounds_ - ours.estimate) / error

    np.testing.assert_allclose(found, by_arch("bca", level), rtol=0, atol=0.2)
    for nearest in (by_arch("percentile", level), by_arch("bca", 0.95)):
        assert max(abs(nearest - found)) > 0.2


def test_statsmodels_finds_the_same_equivalence(skewed):
    """TOST on the means of blocks of one size, where the linearised error is the plain one."""
    describe = peer("statsmodels.stats.weightstats").DescrStatsW
    sums, tokens = block_sums(skewed, "random", "real")[:2]
    assert len({*tokens}) == 1
    found = describe(sums / tokens)
    ours = block_bootstrap(skewed, "random", "real")
    assert ours.estimate == pytest.approx(found.mean, rel=1e-12)
    ours = replace(ours, se=float(found.std_mean), df=len(sums) - 1.0)
    for margin in (0.5 * ours.estimate, ours.estimate, 1.1 * ours.estimate, 3 * ours.estimate):
        p, _, _ = found.ttost_mean(-margin, margin)
        assert tost(ours, margin) == pytest.approx(p, rel=1e-9)


@pytest.fixture(scope="module")
def multitest():
    return peer("statsmodels.stats.multitest")


@settings(max_examples=10)  # it collects garbage in every call
@given(st.lists(st.floats(0, 1), min_size=1, max_size=12))
def test_statsmodels_finds_the_same_holm(multitest, ps):
    adjusted = multitest.multipletests(ps, method="holm")[1]
    np.testing.assert_allclose(holm(ps), adjusted, rtol=1e-12, atol=0)


def test_statsmodels_needs_the_same_effect_for_the_same_power():
    """Bloom's sum of two quantiles, against the power of the noncentral t: equal to 1e-3 at 384
    blocks, and to 1 % at 20.
    """
    power = peer("statsmodels.stats.power").TTestPower()
    one = block_bootstrap(differing(np.random.default_rng(60), rho=0.0), "random", "real")
    for blocks, bar in ((384, 1e-3), (20, 1e-2)):
        ours = minimum_detectable_effect(replace(one, df=blocks - 1.0)) / (
            one.se * math.sqrt(blocks)
        )
        theirs = power.solve_power(nobs=blocks, alpha=0.05, power=0.8)
        assert ours == pytest.approx(theirs, rel=bar)
        other = power.solve_power(nobs=blocks, alpha=0.05, power=0.81)
        assert abs(ours / other - 1) > bar


@pytest.fixture(scope="module")
def proportion():
    return peer("statsmodels.stats.proportion")


@given(st.integers(1, 500), st.data())
def test_statsmodels_has_the_same_clopper_pearson_bounds(proportion, trials, data):
    hits = data.draw(st.integers(0, trials))
    np.testing.assert_allclose(
        rate_bounds(hits, trials),
        proportion.proportion_confint(hits, trials, method="beta"),
        rtol=1e-8,
        atol=1e-12,
    )
