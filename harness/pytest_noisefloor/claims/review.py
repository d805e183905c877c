"""Review: what a verdict leaves of a claim, as a reviewer would write it."""

from __future__ import annotations

from pytest_noisefloor.bets import ABSENT, Level, Verdict, claimable
from pytest_noisefloor.report import SHOWN, render
from pytest_noisefloor.stats import Interval

from .claim import Claim, meaning


def disagreement(claim: Claim, verdict: Verdict) -> str | None:
    """Say what is wrong with a claim on this verdict, as a reviewer would; None if nothing.

    A claim holds if every criterion of the bet agrees with it. ``check_criterion`` checks one
    criterion, and this function all of them.
    """
    texts = (criterion_disagreement(claim, verdict, c.level) for c in verdict.bet.criteria)
    return next((text for text in texts if text), None)


def criterion_disagreement(claim: Claim, verdict: Verdict, level: Level) -> str | None:
    """Say how a claim disagrees with one criterion; None if it does not.

    The level may be asserted but missed or not claimable, or met but not asserted. LENIENT also
    decides ABSENT, which is about its threshold.
    """
    holds, asserted = verdict.holds(level), claim.asserts_level(level)
    allowed = claimable(verdict)
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
        f"{render(verdict)}"
    )


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
