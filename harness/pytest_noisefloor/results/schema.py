"""The content of a result file; docs/results.md describes it."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.util import find_spec
from math import exp
from typing import Any

from pytest_noisefloor.bets import Bet, Verdict, parse_label
from pytest_noisefloor.data import open_arm
from pytest_noisefloor.runs import ExportedAdapter, Runner
from pytest_noisefloor.specs import SCORER, digest
from pytest_noisefloor.stats import BIN_TOKENS, BinSums, Effect, Interval


@dataclass(frozen=True)
class Unit:
    """What is kept of one unit's scores: its effect, bin sums and record."""

    effect: Effect
    bin_sums: BinSums
    record: dict[str, Any]


def result(
    *,
    bet: Bet,
    runner: Runner,
    seeds: Sequence[int],
    verdict: Verdict,
    units: Sequence[Unit],
    repeats: Sequence[str],
    filed: Sequence[ExportedAdapter],
) -> dict[str, Any]:
    """Build the content of a result file, which docs/results.md describes."""
    own = next(one for one in filed if one.run.runner is runner)
    methods = {one.run.runner.method for one in filed} - {runner.method}
    arms = {one.run.request.arm for one in filed}
    arms |= {c.arm for c in parse_label(bet.contrast.reach)}
    resolved = resolved_record(verdict)
    times = {one.stem: one.adapter.seconds for one in filed}
    content = {
        "schema": RESULT_SCHEMA,
        "bet": bet_record(bet),
        "base": {
            "name": runner.base.name,
            "fingerprint": runner.base.fingerprint,
            "model": runner.base.model_fingerprint,
        },
        "method": {
            "name": runner.method.name,
            "trained_values": own.count,
            "adapter_bytes": own.nbytes,
        },
        "versions": {
            "method": runner.method.version,
            "other_methods": {m.name: m.version for m in sorted(methods, key=lambda m: m.name)},
            "arms": {arm: open_arm(arm).version for arm in sorted(arms)},
            "scorer": SCORER,
        },
        "recipe": asdict(runner.recipe),
        "kernel": runner.kernel,
        "scoring": asdict(runner.scoring),
        "seeds": list(seeds),
        "cell": BIN_TOKENS,
        "users": [unit.record | resolved.get(unit.effect.user, {}) for unit in units],
        **({"repeats": list(repeats)} if bet.contrast.by_cell else {}),
        "adapters": [
            {
                "name": one.stem,
                "user": one.adapter.user,
                "arm": one.adapter.arm,
                "seed": one.adapter.seed,
                "method": one.run.runner.method.name,
                "lr": one.run.runner.recipe.lr,
                "trained_values": one.count,
                "bytes": one.nbytes,
                "key": one.adapter.key,
                "file": f"out/{one.stem}.pt" if one.written else None,
                "first_loss": one.adapter.losses[0],
                "last_loss": one.adapter.losses[-1],
            }
            for one in filed
        ],
        "verdict": verdict_record(verdict),
        "times": {
            "written": datetime.now(UTC).isoformat(timespec="seconds"),
            "training_s": {stem: round(seconds, 3) for stem, seconds in times.items()},
            "over_budget": [
                stem for stem, seconds in times.items() if seconds > runner.recipe.budget_s
            ],
        },
        "environment": {
            "python": platform.python_version(),
            "platform": platform.platform(),
            "machine": platform.machine(),
            "device": runner.device,
            **{name: version(name) for name in ("numpy", "torch", "transformers")},
            **({"peft": version("peft")} if find_spec("peft") else {}),
            "pytest-noisefloor": version("pytest-noisefloor"),
        },
    }
    return content | {"seal": seal(content)}


RESULT_SCHEMA = 2
"""Version of the layout of result files, which docs/results.md describes."""


def bet_record(bet: Bet) -> dict[str, Any]:
    """Return the part of a result file that identifies its bet."""
    return {
        "id": bet.id,
        "name": bet.name,
        "title": bet.title,
        "registered": bet.registered.isoformat(),
        "sha256": bet.sha256,
    }


def verdict_record(verdict: Verdict) -> dict[str, Any]:
    """Return the part of a result file that holds the verdict."""
    return {
        "level": verdict.level.name,
        "planted": verdict.planted,
        "criteria": [
            {
                "level": c.level.name,
                "condition": c.of(verdict.bet.contrast.unit_word),
                "needed": c.n_required(len(verdict.effects)),
                "met_by": list(verdict.met[c.level]),
            }
            for c in verdict.bet.criteria
        ],
        "rests_on_harm": [level.name for level in verdict.rests_on_harm],
        "reach": [
            {
                "level": reach.level.name,
                "needed": reach.n_required,
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
    """Return what a result file adds about each unit that has intervals, in nats per token."""
    return {
        one.user: {
            "intervals": {
                name: interval_record(interval)
                for name in ("delta", "harm", "help", "oracle", "oracle_help")
                if (interval := getattr(one, name)) is not None
            },
            "sign_flip_p": one.p,
            "holm_p": one.holm,
            "absent_p": one.equivalence_p,
            "detectable": one.mde,
            "slices_p": one.slices_p,
            "slices_help_p": one.slices_help_p,
            "a_a": one.aa_sd,
            "normalised": one.fraction_of_oracle,
        }
        for one in verdict.resolved
    }


def interval_record(interval: Interval) -> dict[str, Any]:
    """Return an interval in nats per token, with the standard error and what it rests on."""
    return {
        "estimate": interval.estimate,
        "low": interval.low,
        "high": interval.high,
        "standard_error": interval.se,
        "freedom": interval.df,
        "blocks": interval.blocks,
        "spread": interval.seed_se,
    }


def effect_record(effect: Effect) -> dict[str, Any]:
    """Return the record of one user's effect: nats per token, perplexities and quotients."""
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
    """Return what a row of a result file's ``users`` is about: a user, or a unit of one."""
    return str(row.get("unit", row["user"]))


def seal(content: dict[str, Any]) -> str:
    """Return the SHA-256 (hex) of a result file's content without its key ``seal``.

    It detects accidental edits, not forgery.
    """
    return digest({key: value for key, value in content.items() if key != "seal"})
