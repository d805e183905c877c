"""Results of any registered bet, for tests: means by hand, without the scores of single tokens."""

from __future__ import annotations

import json
from dataclasses import asdict
from functools import cache
from pathlib import Path

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
    from math import log

    return {
        user: {"untrained": 4.0, "real": 3.98, "random": 3.98 + log(ratio), "oracle": 3.96}
        for user in users
    }


def save(folder, one, name=None):
    """Write a result where a session with that output folder leaves it."""
    path = folder / "results" / (name or one.path.name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(one.content))
    return path
