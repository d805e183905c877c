"""Result files: what a session leaves behind, and what can be judged again without training."""

from __future__ import annotations

import json
import tomllib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from .bets import Bet, Level, registered_bet
from .errors import NoisefloorError
from .judge import Verdict, judge
from .statistics import Effect, effect_from_perplexities

SCHEMA = 1
"""Version of the layout of result files, which docs/results.md describes."""


class ResultError(NoisefloorError):
    """A file that cannot be judged."""


@dataclass(frozen=True)
class Judged:
    """A verdict on a file, and what a reader must know of the file."""

    verdict: Verdict
    notes: tuple[str, ...]


def bet_record(bet: Bet) -> dict[str, Any]:
    """The part of a result file that says which bet it is about."""
    return {
        "id": bet.id,
        "name": bet.name,
        "title": bet.title,
        "registered": bet.registered.isoformat(),
        "sha256": bet.sha256,
    }


def verdict_record(verdict: Verdict) -> dict[str, Any]:
    """The part of a result file that says what came out."""
    return {
        "level": verdict.level.name,
        "planted": verdict.planted,
        "criteria": [
            {
                "level": c.level.name,
                "condition": str(c),
                "needed": c.needed(len(verdict.effects)),
                "met_by": list(verdict.met[c.level]),
            }
            for c in verdict.bet.criteria
        ],
    }


def effect_record(effect: Effect) -> dict[str, Any]:
    """The part of a result file about one user: nats per token, perplexities and quotients."""
    from math import exp

    nll = {k: v for k, v in asdict(effect).items() if k != "user" and v is not None}
    return {
        "user": effect.user,
        "mean_nll": nll,
        "perplexity": {arm: exp(value) for arm, value in nll.items()},
        "delta": effect.delta,
        "ratio": effect.ratio,
        "harm": effect.harm,
        "help": effect.help,
        "winner": effect.winner,
    }


def judge_file(path: Path) -> Judged:
    """Judge a result file (.json) or a published table (.toml) by the bet that it names.

    Raises:
        ResultError: a file that is neither, or lacks what a verdict needs.
    """
    try:
        text = path.read_text(encoding="utf-8")
        content = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except OSError as error:
        raise ResultError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        expected = "TOML" if path.suffix == ".toml" else "JSON"
        raise ResultError(f"{path}: not {expected} ({error})") from None
    if not isinstance(content, dict):
        raise ResultError(f"{path}: not a result file (a JSON {type(content).__name__})")
    try:
        return _judge_table(content) if path.suffix == ".toml" else _judge_result(content)
    except KeyError as error:
        raise ResultError(f"{path}: key {error} is missing") from None
    except (TypeError, ValueError) as error:
        raise ResultError(f"{path}: not a result file or published table ({error})") from None
    except NoisefloorError as error:
        raise ResultError(f"{path}: {error}") from None


def _judge_table(content: dict[str, Any]) -> Judged:
    bet = registered_bet(content["bet"])
    effects = [
        effect_from_perplexities(
            row["name"],
            real=float(row["real"]),
            random=float(row["random"]),
            untrained=float(row["untrained"]) if "untrained" in row else None,
        )
        for row in content["user"]
    ]
    verdict = judge(bet, effects)
    published = Level[content["published_level"]]
    agrees = "agrees" if published == verdict.level else "DISAGREES"
    return Judged(
        verdict,
        (
            f"Published table: {content['source']}. Point estimates only: intervals and reach "
            "are unknown.",
            f"The source's own verdict, {published.name}, {agrees}.",
        ),
    )


def _judge_result(content: dict[str, Any]) -> Judged:
    if content["schema"] != SCHEMA:
        raise ValueError(f"schema {content['schema']!r}; expected {SCHEMA}")
    bet = registered_bet(f"bet{content['bet']['id']}")
    effects = [Effect(user=row["user"], **row["mean_nll"]) for row in content["users"]]
    verdict = judge(bet, effects, planted=content["verdict"]["planted"])
    notes = [f"Base {content['base']['name']} ({content['base']['fingerprint'][:12]})."]
    if content["bet"]["sha256"] != bet.sha256:
        notes.append(
            f"Made under an older text of the bet ({content['bet']['sha256'][:12]}, "
            f"now {bet.sha256[:12]})."
        )
    if content["verdict"]["level"] != verdict.level.name:
        notes.append(f"The file itself says {content['verdict']['level']}.")
    return Judged(verdict, tuple(notes))
