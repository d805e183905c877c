"""Planted cases: a base that knows a language by construction, users who write it, one bet.

The language is a Markov chain over sixteen symbols. The base's one block adds nothing, so that
its logits behind a symbol are that symbol's gain times the chain's log-probabilities: at gains of
1 it is the chain itself, and what any other gains cost is known in closed form.
"""

from __future__ import annotations

import math
from bisect import bisect
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np

from pytest_noisefloor.bets.bet import load_bet
from pytest_noisefloor.data.users import Slice, User
from pytest_noisefloor.experiment import Experiment
from pytest_noisefloor.models.base import Base
from pytest_noisefloor.runs.context import RunContext
from pytest_noisefloor.runs.progress import ProgressBar
from pytest_noisefloor.runs.runner import Runner
from pytest_noisefloor.runs.store import Store
from pytest_noisefloor.specs import digest
from pytest_noisefloor.training.methods.registry import METHODS

SYMBOLS = "abcdefghijklmn ."
COUNT = len(SYMBOLS)
END = SYMBOLS.index(".")
FINAL = "model.norm.weight"
BET = load_bet(Path(__file__).with_name("planted.toml"))


class SymbolTokenizer:
    """One token a symbol; the full stop is the end-of-text token too."""

    prefix = END
    text_ids = np.arange(COUNT)

    def encode(self, text):
        return np.array([SYMBOLS.index(symbol) for symbol in text], dtype=np.int64)

    def name(self, token):
        return SYMBOLS[token]


@cache
def chain():
    """Transition probabilities (symbol, next): three likely followers each, all others rare."""
    rng = np.random.default_rng(60)
    rows = np.full((COUNT, COUNT), 0.004)
    for row in rows:
        row[rng.choice(COUNT - 2, 3, replace=False)] = 0.5, 0.2, 0.1
        row[-2:] = 0.2, 0.03  # words of a few letters, sentences of a few words
    return rows / rows.sum(axis=1, keepdims=True)


def adverse():
    """A chain that likes what the other finds rare, and parts words as often."""
    rows = 1 / chain()
    rows[:, -2:] = 0
    rows *= 0.8 / rows.sum(axis=1, keepdims=True)
    rows[:, -2] = 0.2
    return rows


def uniform():
    """No language: every token equally likely behind every other, as the random arm has it."""
    return np.full((COUNT, COUNT), 1 / COUNT)


def write(rows, length, seed):
    """Text of a chain with these transition probabilities."""
    bounds, at, text = rows.cumsum(axis=1).tolist(), END, []
    for drawn in np.random.default_rng(seed).random(length).tolist():
        at = min(bisect(bounds[at], drawn), COUNT - 1)
        text.append(SYMBOLS[at])
    return "".join(text)


def user(name, seed, train=None, heldout=None, *, lengths=(600,), written=6000):
    """A user who writes the language, unless another is named, in texts of this seed's own.

    ``lengths`` are those of the held-out slices: 600 symbols are enough for a level, 8,192 for
    intervals. ``written`` is that of the training text.
    """
    train, heldout = (chain() if rows is None else rows for rows in (train, heldout))
    slices = (Slice(f"s{n}", write(heldout, m, [seed, n])) for n, m in enumerate(lengths))
    return User(name, write(train, written, [seed, 99]), tuple(slices))


def damaged_base(factor=1.0):
    """The base that knows the chain, its final gains multiplied by a factor."""
    return Base(
        "planted",
        digest({"chain": chain().tolist(), "factor": factor}),
        lambda: _model(factor),
        SymbolTokenizer,
        planted=True,
    )


def _model(factor):
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    model = LlamaForCausalLM(
        LlamaConfig(
            vocab_size=COUNT,
            hidden_size=COUNT,
            intermediate_size=COUNT,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=256,
        )
    )
    known = model.state_dict()
    for name, weights in known.items():
        weights.fill_(1.0 if "norm" in name else 0.0)
    known["model.embed_tokens.weight"].copy_(torch.eye(COUNT))
    # the norm makes a one-hot vector √COUNT long
    known["lm_head.weight"].copy_(torch.from_numpy(np.log(chain()).T / math.sqrt(COUNT)))
    known[FINAL].fill_(factor)
    return model


def known_nll(text, gains):
    """What a base with these final gains (16,) scores on a text: nats (n,), in closed form."""
    ids = SymbolTokenizer().encode(text)
    logits = np.asarray(gains, dtype=np.float64)[:, None] * np.log(chain())
    nll = np.log(np.exp(logits).sum(axis=1, keepdims=True)) - logits
    return nll[np.concatenate([[END], ids[:-1]]), ids]


def experiment(base, users, out, *, bet=BET, seeds=(0,), method=None, **recipe):
    """An experiment as the full tier has it, of a planted base under a planted bet."""
    runner = Runner(
        RunContext(
            store=Store(out / "store"),
            base=base,
            device="cpu",
            method=method or METHODS[bet.method],
            recipe=replace(bet.recipe, **recipe),
            scoring=bet.scoring,
            progress_bar=ProgressBar(),
        )
    )
    return Experiment(bet=bet, runner=runner, users=users, seeds=seeds, out=out)
