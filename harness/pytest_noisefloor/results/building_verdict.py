"""Build the part of a result file that holds its verdict."""

from __future__ import annotations

from typing import Any

from pytest_noisefloor.bets import Findings, Level, SimulatedRates, Verdict, rate_bounds

from .parts_verdict import (
    CriterionPart,
    FindingsPart,
    RatesPart,
    ReachPart,
    SlicesDifferPart,
    VerdictPart,
)


def verdict_part(verdict: Verdict) -> VerdictPart:
    """Return the part of a result file that holds the verdict."""
    unit = verdict.bet.contrast.unit_word
    return VerdictPart(
        level=_name(verdict.level),
        planted=verdict.planted,
        criteria=tuple(
            CriterionPart(
                level=_name(c.level),
                condition=c.of(unit),
                needed=c.n_required(len(verdict.effects)),
                met_by=verdict.met[c.level],
            )
            for c in verdict.bet.criteria
        ),
        rests_on_harm=tuple(map(_name, verdict.rests_on_harm)),
        reach=tuple(
            ReachPart(
                level=_name(reach.level),
                needed=reach.n_required,
                outcome=reach.outcome.value,
                shown=reach.shown,
                beyond=reach.beyond,
                by_ceilings=reach.by_ceilings,
            )
            for reach in verdict.reach
        ),
        error_rates=tuple(map(_rates_part, verdict.error_rates)),
        unresolved=verdict.unresolved,
        findings=_findings_part(verdict.findings),
    )


def _rates_part(rates: SimulatedRates) -> RatesPart:
    return RatesPart(
        true_ratio=rates.ratio,
        trials=rates.trials,
        counts={_name(level): count for level, count in rates.counts.items()},
        bounds={
            _name(level): rate_bounds(count, rates.trials) for level, count in rates.counts.items()
        },
    )


def _findings_part(found: Findings) -> FindingsPart:
    return FindingsPart(
        alpha=found.alpha,
        won=found.won,
        lost=found.lost,
        not_shown=found.not_shown,
        helped=found.helped,
        of_adapters=found.of_adapters,
        slices_differ=SlicesDifferPart(
            ratio=found.slices_differ_ratio, help=found.slices_differ_help
        ),
        below_level=found.below_level,
        users_p=found.users_p,
        users_p_exact=found.users_p_exact,
        users_p_least_users=found.users_p_least_users,
        coin_flip_rates={_name(level): rate for level, rate in found.coin_flip_rates.items()},
        gaining=found.gaining,
        losing=found.losing,
        claimable=found.claimable,
        why_not_absent=found.why_not_absent.value,
        bar_shown=found.bar_shown,
    )


def _name(level: Level) -> Any:
    """Return a level's name; pydantic checks that the schema has it."""
    return level.name
