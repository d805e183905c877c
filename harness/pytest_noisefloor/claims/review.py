"""Review: what a verdict leaves of a claim, as a reviewer would write it."""

from __future__ import annotations

import math
from dataclasses import replace

from pytest_noisefloor.bets import (
    ABSENT,
    OTHER,
    Bet,
    Level,
    Outcome,
    Verdict,
    claimable,
    parse_label,
)
from pytest_noisefloor.report import SHOWN, name_or_count, render
from pytest_noisefloor.stats import Interval

from .claim import Claim, meaning


def licensed(verdict: Verdict, level: Level) -> bool:
    """Return whether a level holds, and not by point estimates alone: it may be claimed."""
    return verdict.holds(level) and level.name in claimable(verdict)


def licensed_words(bet: Bet) -> str:
    """Return what LENIENT or STRICT of a bet licenses, in words; empty if its control is missing.

    Random tokens by the same method and rate license "learns from text". If the other users'
    adapters are controls too, by the same method and rate, the words are "learns this text rather
    than the others'". No bet licenses the word personalisation: another author of one genre could
    have taught the same, and no bet identifies one of four or more such authors.
    """
    if not bet.controlled:
        return ""
    own, *_ = parse_label(bet.contrast.denominator)
    if replace(own, source=OTHER) in parse_label(bet.contrast.numerator):
        return "learns this text rather than the others'"
    return "learns from text"


def disagreement(claim: Claim, verdict: Verdict) -> str | None:
    """Say what is wrong with a claim on this verdict, as a reviewer would; None if nothing.

    A claim holds if every criterion of the bet agrees with it. ``check_criterion`` checks one
    criterion, and this function all of them.
    """
    texts = (criterion_disagreement(claim, verdict, c.level) for c in verdict.bet.criteria)
    return next((text for text in texts if text), None)


def criterion_disagreement(claim: Claim, verdict: Verdict, level: Level) -> str | None:
    """Say how a claim disagrees with one criterion; None if it does not.

    The level may be asserted but missed or not licensed, or licensed but not asserted. A level that
    is met by point estimates alone contradicts no claim. LENIENT also decides ABSENT, which denies
    a gain of its size.
    """
    found, asserted = licensed(verdict, level), claim.asserts_level(level)
    allowed = claimable(verdict)
    absent = claim.asserts == ABSENT and level == Level.LENIENT
    if found == asserted and not (absent and ABSENT not in allowed):
        return None
    if asserted and verdict.holds(level):
        said = f"{level.name} came out by point estimates alone, so it may not be claimed."
    elif found and level > Level.NOT_MET and claim.asserts in {"NOT_MET", "LENIENT"}:
        said = f"The claim may be strengthened: the data supports {level.name}."
    elif found:
        said = f"{claim.asserts} is not what was measured: {level.name}."
    elif absent:
        said = f"{ABSENT} is not shown."
    else:
        said = f"{claim.asserts} is not what was measured: {verdict.level.name}."
    instead = "; or ".join(finding(verdict, name) for name in allowed if name != claim.asserts)
    return (
        f"{claim.sentence}\n{said} {_measured(verdict)}\n"
        f"What may be said instead: {instead or 'nothing beyond the numbers'}.\n\n"
        f"{render(verdict)}"
    )


def finding(verdict: Verdict, asserts: str) -> str:
    """Say what a verdict shows of an assertion that it licenses, with figures.

    A ratio is said to be at least a level's minimum, if that is above 1, only if the lower bounds
    of as many users as the level needs are. Otherwise it is above 1, and estimated at what it is.
    """
    if asserts == Level.NOT_MET.name:
        return f"{meaning(verdict.bet, asserts)}; {_reach(verdict)}"
    if asserts not in Level.__members__:
        return meaning(verdict.bet, asserts)
    level = Level[asserts]
    if level is Level.CATASTROPHIC:
        return (
            f"{asserts}: ratio shown to be below 1 for {_counted(verdict.findings.losing, verdict)}"
        )
    found, criterion = verdict.findings, verdict.bet.criterion(level)
    shown = [user for user in verdict.met[level] if user in found.gaining]
    if criterion.threshold > 1 and asserts in found.bar_shown:
        lows = {one.user: math.exp(one.delta.low) for one in verdict.resolved}
        shown = [user for user in shown if criterion.is_met_by(lows[user])]
        ratio = f"ratio at least {criterion.threshold:g},"
    else:
        ratios = [effect.ratio for effect in verdict.effects if effect.user in shown]
        ratio = f"ratio above 1, estimated at {_figures(ratios)},"
    return f"{asserts}: {ratio} and the base made better, shown for {_counted(shown, verdict)}"


def _figures(ratios: list[float]) -> str:
    """List ratios, or give the smallest and largest of many."""
    if len(ratios) > SHOWN:
        return f"{min(ratios):.4f} to {max(ratios):.4f}"
    return ", ".join(f"{ratio:.4f}" for ratio in ratios)


def _counted(units: list[str] | tuple[str, ...], verdict: Verdict) -> str:
    """Count units, and name them if they are users."""
    if not verdict.bet.contrast.by_user:
        return name_or_count(units, verdict)
    return f"{len(units)} of {len(verdict.effects)} users ({name_or_count(units, verdict)})"


def _reach(verdict: Verdict) -> str:
    """Say whether LENIENT could have been met by help."""
    if verdict.lenient_reach is Outcome.UNKNOWN:
        return "whether help could reach it is not known"
    return f"by help it was {verdict.lenient_reach}"


def _measured(verdict: Verdict) -> str:
    """List the first SHOWN users' ratio and help, with their intervals if they have any."""

    def quotient(name: str, point: float | None, interval: Interval | None) -> str:
        if interval is None:
            return f"{name} {'unknown' if point is None else f'{point:.4f} (no interval)'}"
        return "{} {:.4f} [{:.4f}, {:.4f}]".format(name, *interval.ratios)

    intervals = {one.user: (one.delta, one.help) for one in verdict.resolved}
    users = []
    for effect in verdict.effects[:SHOWN]:
        ratio, help_ = intervals.get(effect.user, (None, None))
        users.append(
            f"{effect.user} {quotient('ratio', effect.ratio, ratio)}, "
            f"{quotient('help', effect.help, help_)}"
        )
    more = f"; and {left} more" if (left := len(verdict.effects) - SHOWN) > 0 else ""
    return f"Measured, with 95 % intervals: {'; '.join(users)}{more}."
