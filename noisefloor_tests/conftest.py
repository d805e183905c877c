"""Tiers: every test is in exactly one, and a plain ``pytest`` runs the fast one."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

from pytest_noisefloor.data.users import Slice, User
from pytest_noisefloor.models.loading import open_base
from pytest_noisefloor.plugin.terminal import header
from pytest_noisefloor.specs import Recipe, Scoring

if TYPE_CHECKING:
    from pytest_noisefloor.experiment import Experiment
    from pytest_noisefloor.runs.runner import Runner

TIERS = {
    "fast": "tiny models, CPU only, about a minute; what a plain pytest runs",
    "full": "Bets 60 and 61 on the embedded base and the three shipped users",
    "catalogue": "all other registered bets and the planted controls, on the same base and users",
    "scale": "Bets 60 and 61 on a larger base",
    "slow": "long proofs of the machinery, and what needs an accelerator",
    "peers": "agreement with other projects, which the extra of that name installs",
}


def pytest_configure(config: pytest.Config) -> None:
    for name in (
        "pytester",
        "noisefloor_tests.support.habits",
    ):  # no root conftest comes with a wheel
        config.pluginmanager.import_plugin(name)
    for tier, text in TIERS.items():
        config.addinivalue_line("markers", f"{tier}: tier, {text}")
    if not config.option.markexpr:
        config.option.markexpr = "fast"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        tiers = [tier for tier in TIERS if item.get_closest_marker(tier)]
        if len(tiers) > 1:
            raise pytest.UsageError(f"{item.nodeid}: in tiers {', '.join(tiers)}; expected one")
        if not tiers:
            item.add_marker("fast")


def pytest_report_header(config: pytest.Config) -> list[str]:
    tier = config.option.markexpr
    if tier in ("fast", "peers"):
        return [f"noisefloor: tier {tier}, tiny bases on the CPU"]
    return [f"noisefloor: tier {tier}", *header(config)]


# --- what several tests start from ------------------------------------------------------------


@pytest.fixture(scope="session")
def write_users() -> Callable[..., Path]:
    """Write users of a few hundred words into a folder; every word of theirs is used once."""

    def write(folder: Path, *names: str) -> Path:
        for name in names:
            text = {
                "train.txt": "words of their own to train on",
                "heldout/a.txt": "other words, held out",
                "heldout/b.txt": "yet others, held out as well",
            }
            for file, words in text.items():
                path = folder / name / file
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(" ".join(f"{name} {words} {n}{file[8:9]}" for n in range(40)))
        return folder

    return write


@pytest.fixture(scope="session")
def planted_experiment(
    tmp_path_factory: pytest.TempPathFactory,
    write_users: Callable[..., Path],
    new_runner: Callable[..., Runner],
) -> Experiment:
    """Bet 60 on the tiny base for two users, with two seeds and two steps; not yet judged."""
    from pytest_noisefloor.bets.registry import registered_bet
    from pytest_noisefloor.data.users import load_users
    from pytest_noisefloor.experiment import Experiment

    out = tmp_path_factory.mktemp("planted")
    bet = registered_bet("bet60")
    recipe = replace(bet.recipe, steps=2)
    runner = new_runner(out / "store", recipe=recipe, scoring=bet.scoring)
    users = load_users(write_users(out / "users", "ann", "bob"))
    return Experiment(bet=bet, runner=runner, users=users, seeds=(0, 1), out=out)


@pytest.fixture
def without_reach(monkeypatch: pytest.MonkeyPatch) -> None:
    """Reach is not measured: it takes a third of a verdict's time on a tiny base."""
    monkeypatch.setattr("pytest_noisefloor.experiment.has_reach", lambda _: False)


# --- what the tests of the machinery share ----------------------------------------------------

SMALL = {
    "vocab_size": 64,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 2,
    "max_position_embeddings": 64,
    "bos_token_id": 0,
    "eos_token_id": 0,
    "pad_token_id": 0,
}
"""A configuration that most architectures understand."""

SPECIAL = {
    "DeepseekV2": {
        "q_lora_rank": 8,
        "kv_lora_rank": 8,
        "qk_nope_head_dim": 8,
        "qk_rope_head_dim": 8,
        "v_head_dim": 8,
        "moe_intermediate_size": 16,
        "n_routed_experts": 2,
        "num_experts_per_tok": 1,
        "first_k_dense_replace": 1,
    },
    "GPT2": {"n_positions": 64, "n_inner": 32},
    "Gemma2": {"head_dim": 8},
    "Gemma3": {"head_dim": 8},
    "Mamba": {"state_size": 4},
    "Mixtral": {"num_local_experts": 2},
    "OPT": {"ffn_dim": 32, "word_embed_proj_dim": 16},
    "Qwen3": {"head_dim": 8},
}
MODELS = {"GPT2": "GPT2LMHeadModel"}
CONFIGS = {"Gemma3": "Gemma3TextConfig"}


@contextmanager
def loading() -> Iterator[None]:
    """What is loaded meanwhile stays: no search for garbage need walk it, now or later."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        gc.freeze()


@pytest.fixture(scope="session")
def build():
    """A function: a small causal LM of an architecture, its weights drawn or on no device."""
    import torch

    with loading():
        import transformers

        assert transformers.LlamaForCausalLM  # loads what all of them need

    def build(architecture, *, device="cpu", **changes):
        config = getattr(transformers, CONFIGS.get(architecture, f"{architecture}Config"))
        model = getattr(transformers, MODELS.get(architecture, f"{architecture}ForCausalLM"))
        settings = {**SMALL, **SPECIAL.get(architecture, {}), **changes}
        with torch.random.fork_rng(devices=[]), torch.device(device):
            torch.manual_seed(60)
            return model(config(**settings)).eval().requires_grad_(False)

    return build


@pytest.fixture(scope="session")
def tiny():
    """The base that is made in memory; on one thread, as other workers need theirs."""
    import torch

    torch.set_num_threads(1)
    with loading():
        return open_base("tiny")


@pytest.fixture
def model(tiny):
    return tiny.model("cpu")


@pytest.fixture
def head(model):
    from pytest_noisefloor.models.head import lm_head

    return lm_head(model)


@pytest.fixture(scope="session")
def method(request):
    """The method of a name that a test is parametrised by, unless it needs what is not here."""
    from pytest_noisefloor.training.methods.registry import METHODS

    if request.param.startswith("lora"):
        pytest.importorskip("peft", reason="pip install pytest-noisefloor[catalogue]")
    return METHODS[request.param]


@pytest.fixture(scope="session")
def recipe():
    """The registered recipe, cut; at this rate three steps show in a score."""
    return Recipe(lr=0.01, steps=3, batch=2, sequence=16)


@pytest.fixture(scope="session")
def scoring():
    return Scoring(window=32, stride=16, tokens=100)


@pytest.fixture(scope="session")
def new_runner(tiny, recipe, scoring):
    """A function: a runner of norm-only on the tiny base, whose store is in a folder."""
    from pytest_noisefloor.runs.context import RunContext
    from pytest_noisefloor.runs.progress import ProgressBar
    from pytest_noisefloor.runs.runner import Runner
    from pytest_noisefloor.runs.store import Store
    from pytest_noisefloor.training.methods.registry import METHODS

    def new_runner(folder, **changes):
        context = RunContext(
            store=Store(folder),
            base=tiny,
            device="cpu",
            method=METHODS["norm-only"],
            recipe=recipe,
            scoring=scoring,
            progress_bar=ProgressBar(),
        )
        return Runner(replace(context, **changes))

    return new_runner


def letters(seed):
    """Text of 400 letters that no other seed has."""
    drawn = np.random.default_rng(seed).integers(97, 123, size=400)
    return bytes(drawn.tolist()).decode()


@pytest.fixture(scope="session")
def ann():
    return User("ann", letters(1), (Slice("first", letters(2)), Slice("second", letters(3))))


@pytest.fixture(scope="session")
def bob():
    return User("bob", letters(4), (Slice("only", letters(5)),))
