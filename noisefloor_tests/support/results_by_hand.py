"""Results of any registered bet, for tests: means by hand, without the scores of single tokens."""

from __future__ import annotations

import json
import math
from dataclasses import asdict
from functools import cache
from pathlib import Path

import numpy as np

from pytest_noisefloor.bets.judging import judge
from pytest_noisefloor.bets.registry import registered_bet
from pytest_noisefloor.results.collection import LoadedResult
from pytest_noisefloor.results.schema import (
    RESULT_SCHEMA,
    bet_record,
    effect_record,
    seal,
    verdict_record,
)
from pytest_noisefloor.stats.blocks import BIN_TOKENS, encode_sums
from pytest_noisefloor.stats.effect import Effect

USERS = ("programmer", "novelist", "scientist")

_registered = cache(registered_bet)  # each reading takes the lock with it, twice


def found(name, nll, *, base="reference", rows=(), **more) -> LoadedResult:
    """A result of a bet: each unit's mean NLL by label, and what else its row and the file have."""
    bet = _registered(name)
    effects = [Effect(user=unit, nll=of, contrast=bet.contrast) for unit, of in nll.items()]
    verdict = judge(bet, effects)
    content = {
        "schema": RESULT_SCHEMA,
        "bet": bet_record(bet),
        "base": {"name": base, "fingerprint": "f" * 64},
        "method": {"name": bet.method},
        "recipe": asdict(bet.recipe),
        "scoring": asdict(bet.scoring),
        "seeds": list(bet.seeds),
        "users": [
            effect_record(effect) | row
            for effect, row in zip(effects, rows or [{}] * len(effects), strict=True)
        ],
        "verdict": verdict_record(verdict),
        "times": {"written": "2026-11-24T12:00:00+00:00"},
    }
    return LoadedResult(Path(f"{bet.name}.json"), sealed(content | more), verdict, ())


def sealed(content):
    """The same with the seal that it should have."""
    return content | {"seal": seal(content)}


def changed(one, **more) -> LoadedResult:
    """A result with other content, its seal made anew."""
    return LoadedResult(one.path, sealed(one.content | more), one.verdict, ())


def part(one, key, **more) -> LoadedResult:
    """A result with other content under one key."""
    return changed(one, **{key: one.content[key] | more})


def noise_floor(ratio=1.01, users=USERS):
    """The means of Bet 60 where the user's text gains 0.02 nats, the oracle's twice that."""
    return {
        user: {"untrained": 4.0, "real": 3.98, "random": 3.98 + math.log(ratio), "oracle": 3.96}
        for user in users
    }


def save(folder, one, name=None):
    """Write a result where a session with that output folder leaves it."""
    path = folder / "results" / (name or one.path.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(one.content))
    return path


def result(*ratios, planted=False):
    """A result file's content, with all that judging it again needs."""
    bet = registered_bet("bet60")
    effects = [
        Effect(
            user=f"user{i}",
            nll={"real": 3.0, "random": 3.0 + math.log(ratio), "untrained": 3.1},
            contrast=bet.contrast,
        )
        for i, ratio in enumerate(ratios)
    ]
    verdict = judge(bet, effects, planted=planted)
    return {
        "schema": RESULT_SCHEMA,
        "bet": bet_record(verdict.bet),
        "base": {"name": "reference", "fingerprint": "f" * 64},
        "users": [effect_record(effect) for effect in effects],
        "verdict": verdict_record(verdict),
    }


MATRIX = {  # trained on → scored on
    "programmer": {"programmer": 3.0, "novelist": 5.2, "scientist": 6.4},
    "novelist": {"programmer": 3.3, "novelist": 5.0, "scientist": 6.2},
    "scientist": {"programmer": 3.6, "novelist": 5.4, "scientist": 6.6},
}


def confusion(users=USERS):
    """Bet 61, with every adapter scored on every user."""
    others = {user: {f"other-{o}": MATRIX[o][user] for o in users if o != user} for user in users}
    means = {
        user: {
            "untrained": 7.0,
            "real": MATRIX[user][user],
            "other": min(others[user].values()),
            "oracle": 2.0,
        }
        for user in users
    }
    rows = [{"candidates": {"other": others[user]} if len(users) > 2 else {}} for user in users]
    return found("bet61", means, rows=rows)


LABEL = "lora-r4/real | full/real"
SIZES = {"norm-only": (2304, 9216), "lora-r4": (24576, 98304), "full": (10_000_000, 40_000_000)}
CONDITIONS = {"norm-only": "real", "lora-r4": "lora-r4-real", "full": "full-real"}


def formats(norm=3.9, lora=3.8, full=3.85):
    """Bet 49, with what an adapter of each method costs and how well it does."""
    means = {
        user: {"untrained": 4.0, "real": norm, LABEL: min(lora, full), "oracle": 3.5}
        for user in USERS
    }
    candidates = {LABEL: {"lora-r4-real": lora, "full-real": full}}
    adapters = [
        {
            "name": f"49_{CONDITIONS[method]}_{user}",
            "user": user,
            "method": method,
            "trained_values": values,
            "bytes": nbytes,
        }
        for user in USERS
        for method, (values, nbytes) in SIZES.items()
    ]
    times = {one["name"]: float(10 * i) for i, one in enumerate(adapters)}
    return found(
        "bet49",
        means,
        rows=[{"candidates": candidates}] * 3,
        adapters=adapters,
        times={"training_s": times},
    )


def _in_one_bin(name, means):
    """A slice of one bin, with the sums that give these means of tokens."""
    sums = {label: encode_sums(np.array([[BIN_TOKENS * mean]])) for label, mean in means.items()}
    return {"slice": name, "tokens": BIN_TOKENS, "sums": sums}


def by_cell(seeds):
    """Bet 46 with two slices of a bin each, whose own text wins in all but the last seed."""
    means = {
        f"programmer, seed {seed}, {piece}": {
            "untrained": 4.0,
            "real": 3.9,
            "full/real": 3.95 + at / 10 - (seed == seeds - 1) * 0.2,
            "oracle": 3.5,
        }
        for seed in range(seeds)
        for at, piece in enumerate(("core", "tools"))
    }
    rows = [
        {
            "user": "programmer",
            "unit": unit,
            "seed": int(unit.split(", ")[1].removeprefix("seed ")),
            "slices": [_in_one_bin(unit.rpartition(", ")[2], of)],
        }
        for unit, of in means.items()
    ]
    return found("bet46", means, rows=rows, cell=BIN_TOKENS, seeds=[0, 1, 2, 3, 4])


def by_pair(deltas=(0.03, 0.01, 0.02)):
    """A result of two users' slices, from the nearest to the farthest."""
    names = ("programmer, core", "novelist, one", "programmer, tools")
    means = {
        name: {"untrained": 4.0, "real": 3.9, "random": 3.9 + delta, "oracle": 3.5}
        for name, delta in zip(names, deltas, strict=True)
    }
    rows = [
        {
            "user": name.split(", ")[0],
            "unit": name,
            "divergence": 0.1 * (at + 1),
            "slices": [_in_one_bin(name.split(", ")[1], of)],
        }
        for at, (name, of) in enumerate(means.items())
    ]
    return found("bet60-why-vocabulary", means, rows=rows, cell=BIN_TOKENS)
