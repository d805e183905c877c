"""Describe a verdict in plain words, by the templates beside this module.

``templates/verdict.j2`` has the sentences. This module gives them names and figures.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from pytest_noisefloor.bets import (
    ABSENT,
    ABSENT_RATIO,
    Criterion,
    Forecast,
    Level,
    Outcome,
    Status,
    Verdict,
    WhyNotAbsent,
    has_reach,
    is_best_of,
    rate_bounds,
)

from .labels import (
    LEVELS,
    SHOWN,
    control,
    has_harm,
    name_or_count,
    names,
    quotient,
    render_label,
    treatment,
)

if TYPE_CHECKING:
    from jinja2 import Environment


def render_prose(verdict: Verdict) -> str:
    """Describe the verdict in plain words, from its numbers, with one paragraph per part.

    The parts are: the level and whose ratios made it; what is shown of harm and help; what was
    within reach; what chance does; what may be claimed.
    """
    text = _environment().get_template("verdict.j2").render(_context(verdict))
    return "\n\n".join(line for line in text.split("\n") if line)


def criterion_sentence(verdict: Verdict, criterion: Criterion) -> str:
    """Say whether a criterion holds, with each user's ratio or the range of other units' ratios."""
    macros: Any = _environment().get_template("macros.j2").module
    return str(macros.criterion_sentence(verdict, criterion)).strip("\n")


def render_forecast_words(forecast: Forecast) -> str:
    """Say which levels are in reach before anything is trained, and at which rate others were."""
    rates = {
        one.level: rate
        for one in forecast.levels
        if one.outcome is Outcome.OUT and (rate := forecast.rate_needed(one.level)) is not None
    }
    macros: Any = _environment().get_template("reach.j2").module
    return str(macros.of_forecast(forecast, rates)).strip("\n")


@cache
def _environment() -> Environment:
    """Return what renders the templates. Jinja2 is imported here, when something is rendered."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("pytest_noisefloor.report"),
        undefined=StrictUndefined,
        autoescape=False,  # noqa: S701 (plain text: nothing is to be escaped)
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "each": _each,
        "names": names,
        "number": format,
        "paragraph": _paragraph,
        "quotient": quotient,
    }
    return environment


def _paragraph(text: str) -> str:
    """Put lines of a template on one line."""
    return " ".join(line.strip(" ") for line in text.split("\n") if line.strip(" "))


def _each(values: Iterable[Any], pattern: str) -> list[str]:
    """Format each value by a pattern, in which it is called ``it``."""
    return [pattern.format(it=value) for value in values]


def _context(verdict: Verdict) -> dict[str, Any]:
    """Return all names that the template uses. Those of intervals need intervals."""
    bet, contrast, effects = verdict.bet, verdict.bet.contrast, verdict.effects
    found, level = verdict.findings, verdict.level
    reason = verdict.unresolved.rstrip(".")
    return {
        "verdict": verdict,
        "found": found,
        "bet": bet,
        "contrast": contrast,
        "by_user": contrast.by_user,
        "units": len(effects),
        "level": level.name,
        "by_points": level is not Level.NOT_MET and level.name not in found.claimable,
        "treatment": treatment(verdict),
        "control": control(verdict),
        "has_harm": has_harm(contrast),
        "has_reach": has_reach(contrast),
        "best_of_chosen": any(map(is_best_of, contrast.compared)),
        "shown": SHOWN,
        "named": partial(name_or_count, verdict=verdict),
        "other_texts": bet.registration.on_other_texts_alone,
        "seeds": verdict.resolved[0].delta.seeds if verdict.resolved else len(bet.seeds),
        "inverted": [effect for effect in effects if effect.delta < 0],
        "base_unknown": any(effect.help is None for effect in effects),
        "why_no_intervals": f"{reason[:1].upper()}{reason[1:]}." if reason else "",
        **_of_claims(verdict),
        **(_of_intervals(verdict) if verdict.resolved else {}),
        **(_of_error_rates(verdict) if verdict.error_rates else {}),
    }


_NOT_ABSENT = {
    WhyNotAbsent.NO_INTERVALS: "not every {unit} has an interval",
    WhyNotAbsent.NO_REACH: "that as much was within reach is not shown",
    WhyNotAbsent.TOO_WIDE: "not every {unit}'s interval lies within it",
    WhyNotAbsent.ONE_TRAINING: "how much two trainings differ is not known",
}


def _of_claims(verdict: Verdict) -> dict[str, Any]:
    """Return what may be claimed, in words, and what a level by points lacks."""
    found, level = verdict.findings, verdict.level
    counted: set[str] = set()
    needed = 0
    if level is not Level.NOT_MET:
        shown = found.losing if level is Level.CATASTROPHIC else found.gaining
        counted = {*shown} & {*verdict.met[level]}
        needed = verdict.bet.criterion(level).n_required(len(verdict.effects))
    why = _NOT_ABSENT.get(found.why_not_absent, "") if "NOT_MET" in found.claimable else ""
    return {
        "registered": verdict.status is Status.REGISTERED,
        "counted": counted,
        "needed": needed,
        "claims": [_claim_words(verdict, name) for name in found.claimable],
        "claims_level": found.claimable[0] in ("LENIENT", "STRICT"),
        "not_absent": why.format(unit=verdict.bet.contrast.unit_word),
        "absent_ratio": f"{ABSENT_RATIO:g}",
    }


def _claim_words(verdict: Verdict, name: str) -> str:
    """Say what an assertion says of this verdict."""
    found, unit = verdict.findings, verdict.bet.contrast.unit_word
    if name == ABSENT:
        return f"{name} (no {unit}'s ratio is as far from 1 as {ABSENT_RATIO:g})"
    if name == "NOT_MET":
        if not has_reach(verdict.bet.contrast):
            return f"{name} (LENIENT is not shown)"
        outcome = verdict.lenient_reach
        known = outcome is not Outcome.UNKNOWN
        reach = f"was {outcome} by help" if known else "its reach is not known"
        return f"{name} (LENIENT is not shown, and {reach})"
    if name == "CATASTROPHIC":
        return f"{name} (ratios below 1)"
    bar = verdict.bet.criterion(Level[name]).threshold
    if name in found.bar_shown:
        return f"{name} (ratios of at least {bar:g})"
    return f"{name} (ratios above 1, estimated at {bar:g} or more)"


def _of_intervals(verdict: Verdict) -> dict[str, Any]:
    resolved, found = verdict.resolved, verdict.findings
    intervals = [
        interval
        for one in resolved
        for interval in (one.delta, one.harm, one.help, one.oracle, one.oracle_help)
        if interval is not None
    ]
    differ = {"the ratio": found.slices_differ_ratio, "help": found.slices_differ_help}
    arms = dict.fromkeys(arm for one in resolved for arm in one.aa)
    return {
        "least_groups": min(interval.groups for interval in intervals),
        "sure": [one.user for one in resolved if one.user not in found.of_adapters],
        "won": [user for user in found.won if user not in found.of_adapters],
        "won_of_adapters": [user for user in found.won if user in found.of_adapters],
        "lost": [user for user in found.lost if user not in found.of_adapters],
        "lost_of_adapters": [user for user in found.lost if user in found.of_adapters],
        "no_help_interval": [one.user for one in resolved if one.help is None],
        "slices_differ": [f"in {what} for {names(of)}" for what, of in differ.items() if of],
        "detectable": [{"user": one.user, "ratio": math.exp(one.mde)} for one in resolved],
        "least_help": [
            {"user": one.user, "help": math.exp(one.help.low)}
            for one in resolved
            if one.help is not None and one.user in found.helped
        ],
        "largest_aa": [
            {"arm": render_label(arm), "sd": max(o.aa[arm] for o in resolved if arm in o.aa)}
            for arm in arms
        ],
    }


def _of_error_rates(verdict: Verdict) -> dict[str, Any]:
    """Return how often each level comes if every true ratio is 1, or a level's threshold."""
    null = next(scenario for scenario in verdict.error_rates if scenario.ratio == 1)
    rates = []
    for level in LEVELS:
        low, high = rate_bounds(null.counts[level], null.trials)
        rate = null.counts[level] / null.trials
        rates.append({"level": level.name, "rate": rate, "low": low, "high": high})
    power = [
        {
            "level": c.level.name,
            "rate": sum(n for lv, n in scenario.counts.items() if lv >= c.level) / scenario.trials,
            "ratio": scenario.ratio,
        }
        for scenario in verdict.error_rates
        for c in sorted(verdict.bet.criteria, key=lambda c: c.level)
        if scenario.ratio != 1 and c.comparison == "at least" and c.threshold == scenario.ratio
    ]
    return {"null_rates": rates, "power": power}
