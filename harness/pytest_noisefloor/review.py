"""Review: what a verdict leaves of a claim, as a reviewer would write it."""

from __future__ import annotations

import pytest

from .bets import Level
from .claims import Claim, meaning
from .intervals import Interval
from .judge import ABSENT, Verdict, supported
from .phrases import SHOWN
from .report import report
from .words import criterion, criterion_sentence


def fault(claim: Claim, verdict: Verdict) -> str | None:
    """What is wrong with a claim on this verdict, as a reviewer would write it; None if nothing.

    A claim holds where each of the bet's criteria agrees with it: what ``settle`` asks of one
    criterion, asked of all.
    """
    texts = (fault_of(claim, verdict, c.level) for c in verdict.bet.criteria)
    return next((text for text in texts if text), None)


def fault_of(claim: Claim, verdict: Verdict, level: Level) -> str | None:
    """What one criterion has against a claim: asserted and missed or not shown, or unclaimed.

    LENIENT also answers for ABSENT, which is about its bar.
    """
    holds, asserted = verdict.holds(level), claim.asserts_level(level)
    allowed = supported(verdict)
    unproved = level > Level.NOT_MET and level.name not in allowed
    absent = claim.asserts == ABSENT and level == Level.LENIENT
    if holds == asserted and not (asserted and unproved) and not (absent and ABSENT not in allowed):
        return None
    if holds and unproved:
        found = f"{level.name} came out, but it may not be claimed of these users."
    elif holds and level > Level.NOT_MET and claim.asserts in {"NOT_MET", "LENIENT"}:
        found = f"The claim may be strengthened: the data supports {level.name}."
    else:
        found = f"{claim.asserts} is not what was measured: {verdict.level.name}."
    instead = "; or ".join(meaning(verdict.bet, name) for name in allowed)
    return (
        f"{claim.sentence}\n{found} {_measured(verdict)}\n"
        f"What may be said instead: {instead or 'nothing beyond the numbers'}.\n\n"
        f"{report(verdict)}"
    )


def settle(verdict: Verdict, level: Level, claim: Claim | None = None) -> None:
    """Let the running test report one criterion, held to the claim about it if there is one.

    With a claim: met, shown and asserted passes; missed and not asserted is an expected failure
    with the numbers; whatever ``fault_of`` has against the claim fails. Without one STRICT and
    LENIENT pass if met and are expected failures if missed, CATASTROPHIC fails if met. Planted
    verdicts are skipped, since they prove the machinery and no criterion.

    The verdict is at hand before anything is expected to fail: a crash or a missing file on the
    way to it stays an error.
    """
    __tracebackhide__ = True
    wanted = criterion(verdict, level)
    sentence = criterion_sentence(verdict, wanted)
    if verdict.planted:
        pytest.skip(f"PLANTED, no registered criterion: {sentence}")
    if verdict.bet.mark:
        sentence = f"{verdict.bet.mark}: {sentence}"
    if claim is not None and (text := fault_of(claim, verdict, level)):
        pytest.fail(f"{sentence}\n{text}", pytrace=False)
    holds = verdict.holds(level)
    if level is Level.CATASTROPHIC:
        if holds and claim is None:
            pytest.fail(f"{sentence}\n\n{report(verdict)}", pytrace=False)
    elif not holds:
        pytest.xfail(sentence)
        pytest.fail(sentence, pytrace=False)  # what --runxfail, which mutes xfail, leads to


def _measured(verdict: Verdict) -> str:
    """Every user's ratio and help with their intervals, where they have one."""

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
