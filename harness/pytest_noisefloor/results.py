"""Result files: what a session leaves behind, and what can be judged again without training."""

from __future__ import annotations

import json
import tomllib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from math import exp
from pathlib import Path
from typing import Any

from .arms import UNTRAINED
from .bets import Bet, Level, open_bet, other_design, registered_bet
from .data import data_path
from .errorrates import assess
from .errors import NoisefloorError
from .intervals import Interval
from .judge import Verdict, judge
from .lock import read_lock
from .pairs import check_slices
from .phrases import unit
from .recipe import digest
from .statistics import Effect, effect_from_perplexities
from .tally import CELL, tally_from_record

SCHEMA = 2
"""Version of the layout of result files, which docs/results.md describes."""

READABLE = (1, SCHEMA)
"""Versions that can be judged again; 1 has no sums, hence no intervals."""


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
                "condition": c.of(unit(verdict.bet.statistic)),
                "needed": c.needed(len(verdict.effects)),
                "met_by": list(verdict.met[c.level]),
            }
            for c in verdict.bet.criteria
        ],
        "rests_on_harm": [level.name for level in verdict.rests_on_harm],
        "reach": [
            {
                "level": reach.level.name,
                "needed": reach.needed,
                "within": reach.within,
                "within_help": reach.within_help,
                "by_ratio": list(reach.by_ratio),
                "open_ratio": list(reach.open_ratio),
                "by_help": list(reach.by_help),
                "open_help": list(reach.open_help),
            }
            for reach in verdict.reach
        ],
        "error_rates": [
            {
                "true_ratio": scenario.ratio,
                "trials": scenario.trials,
                "counts": {level.name: count for level, count in scenario.counts.items()},
            }
            for scenario in verdict.error_rates
        ],
        "unresolved": verdict.unresolved,
    }


def resolved_record(verdict: Verdict) -> dict[str, dict[str, Any]]:
    """What a result file adds about each unit that has intervals, in nats per token."""
    return {
        one.user: {
            "intervals": {
                name: interval_record(interval)
                for name in ("delta", "harm", "help", "oracle", "oracle_help")
                if (interval := getattr(one, name)) is not None
            },
            "sign_flip_p": one.p,
            "holm_p": one.holm,
            "absent_p": one.absent,
            "detectable": one.detectable,
            "slices_p": one.slices,
            "slices_help_p": one.slices_help,
            "a_a": one.a_a,
            "normalised": one.normalised,
        }
        for one in verdict.resolved
    }


def interval_record(interval: Interval) -> dict[str, Any]:
    """An interval in nats per token, with what it rests on."""
    return {
        "estimate": interval.estimate,
        "low": interval.low,
        "high": interval.high,
        "standard_error": interval.error,
        "freedom": interval.freedom,
        "blocks": interval.blocks,
        "spread": interval.spread,
    }


def effect_record(effect: Effect) -> dict[str, Any]:
    """The part of a result file about one user: nats per token, perplexities and quotients."""
    return {
        "user": effect.user,
        "mean_nll": dict(effect.nll),
        "perplexity": {arm: exp(value) for arm, value in effect.nll.items()},
        "delta": effect.delta,
        "ratio": effect.ratio,
        "harm": effect.harm,
        "help": effect.help,
        "winner": effect.winner,
    }


def unit_name(row: Mapping[str, Any]) -> str:
    """What a row of a result file's ``users`` is about: a user, or one of a user's units."""
    return str(row.get("unit", row["user"]))


def seal(content: dict[str, Any]) -> str:
    """SHA-256 (hex) of all that a result file says but for its key ``seal``.

    It tells a slip of the hand, not a forger, who can make it anew.
    """
    return digest({key: value for key, value in content.items() if key != "seal"})


def read_file(path: Path) -> Any:
    """The content of a result file (.json) or a published table (.toml), or of what is neither.

    Raises:
        ResultError: not readable, or not of its format.
    """
    try:
        text = path.read_text(encoding="utf-8")
        content = tomllib.loads(text) if path.suffix == ".toml" else json.loads(text)
    except OSError as error:
        raise ResultError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        expected = "TOML" if path.suffix == ".toml" else "JSON"
        raise ResultError(f"{path}: not {expected} ({error})") from None
    return content


def judge_file(path: Path, *, against: str | None = None) -> Judged:
    """Judge a result file (.json) or a published table (.toml), without training.

    Args:
        path: the file.
        against: a registered bet, or the path of a bet file, to judge by; if None, the bet that
            the file names.

    Raises:
        ResultError: a file that is neither, or lacks what a verdict needs.
        BetError: no such bet.
    """
    content = read_file(path)
    if not isinstance(content, dict):
        raise ResultError(f"{path}: not a result file (a JSON {type(content).__name__})")
    bet = None if against is None else open_bet(against)
    with of_file(path):
        if path.suffix == ".toml":
            return _judge_table(content, bet)
        return _judge_result(content, bet)


@contextmanager
def of_file(path: Path) -> Iterator[None]:
    """Whatever is found wrong with a file's content, said of the file.

    Raises:
        ResultError: for any error of this project, and any that content of another shape gives.
    """
    try:
        yield
    except KeyError as error:
        raise ResultError(f"{path}: key {error} is missing") from None
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ResultError(f"{path}: not a result file or published table ({error})") from None
    except NoisefloorError as error:
        raise ResultError(f"{path}: {error}") from None


def _by_another(bet: Bet | None) -> list[str]:
    """What to say where a file is judged by another bet than its own."""
    if bet is None:
        return []
    never = "" if bet.locked else " This text was never locked."
    return [f"Judged by {bet.name} ({bet.sha256[:12]}), as asked for.{never}"]


def _made_under(sha256: str, bet: Bet) -> list[str]:
    """What to say of a result's bet text where it is not today's registered one."""
    if sha256 == bet.sha256:
        return []
    lock, file = read_lock(data_path("bets", "LOCK")), f"bet{bet.id}.toml"
    made = next(((of, entry) for of, entry in lock if entry.sha256 == sha256), None)
    if made and made[0] == file:
        now = [entry for of, entry in lock if of == file][-1]
        return [f"Made under an older text of the bet ({made[1]}). Amended since ({now})."]
    if made or bet.by_project or not bet.locked:
        of = made[0] if made else "another text than this bet's"
        return [f"Made under {of} ({sha256[:12]})."]
    return [f"Made under a text of the bet that was never locked ({sha256[:12]})."]


def _judge_table(content: dict[str, Any], other: Bet | None) -> Judged:
    named = registered_bet(content["bet"])
    bet = other or named
    effects = [
        effect_from_perplexities(
            row["name"],
            {
                arm: float(row[arm])
                for arm in (*bet.statistic.compared, UNTRAINED)
                if arm in row or arm != UNTRAINED
            },
            bet.statistic,
        )
        for row in content["user"]
    ]
    verdict = judge(bet, effects)
    if content["published_level"] not in Level.__members__:
        expected = " or ".join(Level.__members__)
        raise ResultError(f"published_level {content['published_level']!r}; expected {expected}")
    published = Level[content["published_level"]]
    agrees = "agrees" if published == verdict.level else "DISAGREES"
    return Judged(
        verdict,
        (
            f"Published table: {content['source']}. Point estimates only: intervals and reach "
            "are unknown.",
            *_by_another(other),
            f"The source's own verdict, {published.name}, {agrees}.",
        ),
    )


def _judge_result(content: dict[str, Any], other: Bet | None) -> Judged:
    if content["schema"] not in READABLE:
        expected = " or ".join(map(str, READABLE))
        raise ResultError(f"schema {content['schema']!r}; expected {expected}")
    bet = other or registered_bet(f"bet{content['bet']['id']}")
    if design := other_design(content, bet):
        bet = replace(bet, altered=True)
    verdict = judge_content(content, bet)
    notes = [f"Base {content['base']['name']} ({content['base']['fingerprint'][:12]})."]
    notes += _made_under(content["bet"]["sha256"], bet) + _by_another(other)
    if design:
        notes.append(f"It was made by another design than this bet's: {design}.")
    if content.get("seal", "") not in ("", seal(content)):
        notes.append("Its seal is not that of its content: it was edited after it was written.")
    if content["verdict"]["level"] != verdict.level.name:
        notes.append(f"The file itself says {content['verdict']['level']}.")
    return Judged(verdict, tuple(notes))


def judge_content(content: dict[str, Any], bet: Bet) -> Verdict:
    """The verdict on a result file's content: from its sums, or its means where it has no sums.

    Raises:
        NoisefloorError: figures that cannot be, or sums of which the means are not the means.
        KeyError, TypeError, ValueError, AttributeError: not the content of a result file.
    """
    planted = content["verdict"]["planted"]
    rows = content["users"]
    statistic = bet.statistic
    keys = {"unit", "seed", "divergence"}
    named = {"unit"} | ({"seed"} if statistic.by_cell else {"divergence"})
    if any(row.keys() & keys != (set() if statistic.by_user else named) for row in rows):
        raise ValueError(f"its units are not those that Bet {bet.id} counts, {statistic.unit}")
    if statistic.by_pair:
        check_slices(rows)
    for row in rows:
        for label, means in row.get("candidates", {}).items():
            if row["mean_nll"].get(label) != min(means.values()):
                raise ValueError(f"{unit_name(row)}, {label}: not the best of its candidates")
    effects = [
        Effect(user=unit_name(row), nll=row["mean_nll"], statistic=statistic) for row in rows
    ]
    divergences = [row["divergence"] for row in rows if statistic.by_pair]
    if not (statistic.by_pair or any("slices" in row for row in rows if content["schema"] != 1)):
        return judge(bet, effects, planted=planted)
    if content["cell"] != CELL:
        raise ValueError(f"cell {content['cell']!r}; expected {CELL} tokens")
    tallies = [tally_from_record(unit_name(row), row["slices"]) for row in rows]
    return assess(bet, effects, tallies, planted=planted, divergences=divergences)
