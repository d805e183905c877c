"""Results of any registered bet, for tests: means by hand, without the scores of single tokens."""

from __future__ import annotations

import json
import math
from dataclasses import asdict, dataclass, replace
from functools import cache
from pathlib import Path

import numpy as np

from pytest_noisefloor.bets.judging import judge
from pytest_noisefloor.bets.registry import registered_bet
from pytest_noisefloor.data.users import TextDigests
from pytest_noisefloor.results.building import bet_part, effect_record
from pytest_noisefloor.results.building_verdict import verdict_part
from pytest_noisefloor.results.lifting import lift
from pytest_noisefloor.results.schema import RESULT_SCHEMA, seal
from pytest_noisefloor.stats.blocks import BIN_TOKENS, encode_sums
from pytest_noisefloor.stats.effect import Effect

USERS = ("programmer", "novelist", "scientist")

_registered = cache(registered_bet)  # each reading takes the lock with it, twice


@dataclass(frozen=True)
class ByHand:
    """A loaded result whose content a test may change; it is read anew at each use."""

    path: Path
    content: dict
    verdict: object
    marks: tuple = ()

    @property
    def file(self):
        return lift(self.content, str(self.path))

    @property
    def base(self):
        return self.file.base.name


def content_of(bet, verdict, rows, **more):
    """The content of a result file, whole and sealed.

    Rows without sums make a file of version 1. A user of the bet was measured on the texts that it
    registers, unless the row says otherwise.
    """
    rows = [_unit(effect, bet) | row for effect, row in zip(verdict.effects, rows, strict=True)]
    has_sums = any(piece["sums"] for row in rows for piece in row["slices"])
    return sealed(
        {
            "schema": RESULT_SCHEMA if has_sums else 1,
            "bet": _dumped(bet_part(bet)),
            "base": {"name": "reference", "fingerprint": "f" * 64, "model": "e" * 64},
            "method": {"name": bet.method, "trained_values": 2304, "adapter_bytes": 9216},
            "versions": {"method": 1, "other_methods": {}, "arms": {}, "scorer": "none"},
            "recipe": asdict(bet.recipe),
            "kernel": "tiles/1",
            "scoring": asdict(bet.scoring),
            "seeds": list(bet.seeds),
            "cell": BIN_TOKENS,
            "users": rows,
            "adapters": [],
            "verdict": _dumped(verdict_part(verdict)),
            "times": {
                "written": "2026-11-24T12:00:00+00:00",
                "training_s": {},
                "over_budget": [],
            },
            "environment": dict.fromkeys(
                (
                    *("python", "platform", "machine", "device", "numpy", "torch"),
                    *("transformers", "pytest-noisefloor"),
                ),
                "none",
            ),
        }
        | more
    )


def _dumped(part):
    return part.model_dump(mode="json", by_alias=True, exclude_unset=True)


def _unit(effect, bet):
    texts = bet.texts.get(effect.user, TextDigests(train="0" * 64, heldout={}))
    return {
        "user": effect.user,
        "candidates": {},
        "train_sha256": texts.train,
        "tokens": 0,
        "slices": [slice_record(name, effect, 1, {}, of) for name, of in texts.heldout.items()],
        **effect_record(effect),
    }


def slice_record(name, effect, tokens, sums, sha256="1" * 64):
    """A slice of a result file with its sums, base64 by label and seed."""
    return {
        "slice": name,
        "sha256": sha256,
        "tokens": tokens,
        "leak": {"share": 0.0, "paragraphs": 0},
        "mean_nll_by_seed": {label: [mean] for label, mean in effect.nll.items()},
        "sums": sums,
        **effect_record(effect),
    }


def found(name, nll, *, rows=(), **more) -> ByHand:
    """A result of a bet: each unit's mean NLL by label, and what else its row and the file have."""
    bet = _registered(name)
    effects = [Effect(user=unit, nll=of, contrast=bet.contrast) for unit, of in nll.items()]
    verdict = judge(bet, effects)
    if "base" in more:
        more["base"] = {"name": more["base"], "fingerprint": "f" * 64, "model": "e" * 64}
    content = content_of(bet, verdict, rows or [{}] * len(effects), **more)
    return ByHand(Path(f"{bet.name}.json"), content, verdict)


def sealed(content):
    """The same with the seal that it should have."""
    return content | {"seal": seal(content)}


def changed(one, **more) -> ByHand:
    """A result with other content, its seal made anew."""
    return replace(one, content=sealed(one.content | more))


def part(one, key, **more) -> ByHand:
    """A result with other content under one key."""
    return changed(one, **{key: one.content[key] | more})


def registered_for(one, bets):
    """The bets, that of a result registered for the texts of the result."""
    texts, bet_id = one.file.texts, one.content["bet"]["id"]
    return tuple(replace(b, texts=texts, users=(*texts,)) if b.id == bet_id else b for b in bets)


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
    return content_of(bet, judge(bet, effects, planted=planted), [{}] * len(effects))


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
            "arm": "real",
            "seed": 0,
            "method": method,
            "lr": 5e-5,
            "trained_values": values,
            "bytes": nbytes,
            "key": "k" * 64,
            "file": None,
            "first_loss": 4.0,
            "last_loss": 3.9,
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
        times={
            "written": "2026-11-24T12:00:00+00:00",
            "training_s": times,
            "over_budget": [],
        },
    )


def _in_one_bin(bet, name, means):
    """A slice of one bin, with the sums that give these means of tokens."""
    sums = {label: encode_sums(np.array([[BIN_TOKENS * mean]])) for label, mean in means.items()}
    effect = Effect(user=name, nll=means, contrast=_registered(bet).contrast)
    return slice_record(name, effect, BIN_TOKENS, sums)


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
            "slices": [_in_one_bin("bet46", unit.rpartition(", ")[2], of)],
        }
        for unit, of in means.items()
    ]
    return found("bet46", means, rows=rows, seeds=[0, 1, 2, 3, 4])


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
            "slices": [_in_one_bin("bet60-why-vocabulary", name.split(", ")[1], of)],
        }
        for at, (name, of) in enumerate(means.items())
    ]
    return found("bet60-why-vocabulary", means, rows=rows)
