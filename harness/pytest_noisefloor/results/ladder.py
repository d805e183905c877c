"""The control ladder: what each control's adapter gains over the base, up to the user's own.

Each rung stands for something that training could have picked up: calibration (one factor of the
logits, on the user's text), any training at all, token frequencies, language in general, this
author. Rungs do not add up: a higher rung need not contain what a lower one has. At the registered
budget the factor moves by at most learning rate × steps, 0.005. Its rung is therefore a lower bound
of what calibration could give.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from pytest_noisefloor.bets import RungRole, bet_roles
from pytest_noisefloor.specs import UNTRAINED
from pytest_noisefloor.stats import Interval, TooLittleText, group_interval

from .collection import LoadedResult
from .errors import ResultError
from .files import errors_about
from .parts_measured import UnitPart
from .rejudging import bin_sums_of

REAL = "real"
"""The rung that the others are fractions of."""


@dataclass(frozen=True, kw_only=True)
class LadderRung:
    """What one control does for one user.

    ``nll`` and ``gain``, NLL(untrained) − NLL(rung), are in nats per token. Both are None if the
    rung's bet was not run. ``interval`` is the gain's 95 % interval, and also None if the held-out
    text is too short. ``share`` is the gain as a fraction of the real rung's, or None unless the
    real gain is resolved above 0.
    """

    name: str
    nll: float | None = None
    gain: float | None = None
    interval: Interval | None = None
    share: float | None = None


def ladders(found: Mapping[str, LoadedResult]) -> dict[str, tuple[LadderRung, ...]]:
    """Return each user's rungs, untrained first, from results on one base by bet id.

    The result is empty if no result has a rung.

    Raises:
        ResultError: results differ in base, held-out text or seeds, or a row lacks what a rung
            needs.
    """
    bets = [bet for bet in dict.fromkeys(role.bet for role in bet_roles().ladder) if bet in found]
    rows: dict[str, dict[str, UnitPart]] = {}
    for bet in bets:
        for row in found[bet].file.users:
            rows.setdefault(row.user, {})[bet] = row
    for by_bet in rows.values():
        _check_same(found, by_bet)
    return {user: _ladder(found, by_bet) for user, by_bet in rows.items()}


def _check_same(found: Mapping[str, LoadedResult], by_bet: Mapping[str, UnitPart]) -> None:
    """Refuse rungs that were not measured on the same tokens, base and seeds."""
    seen: dict[str, tuple[object, ...]] = {}
    for bet, row in by_bet.items():
        file = found[bet].file
        slices = [(piece.sha256, piece.tokens) for piece in row.slices]
        seen[bet] = (file.base.fingerprint, slices, file.seeds)
        if seen[bet] != next(iter(seen.values())):
            raise ResultError(
                f"{found[bet].path}: user {row.user!r}: measured on another base, other held-out "
                f"text or by other seeds than in {found[next(iter(seen))].path}; expected the same "
                "on every rung"
            )


def _ladder(
    found: Mapping[str, LoadedResult], by_bet: Mapping[str, UnitPart]
) -> tuple[LadderRung, ...]:
    rungs: list[LadderRung] = []
    for role in bet_roles().ladder:
        if role.bet not in by_bet:
            rungs.append(LadderRung(name=role.rung))
            continue
        with errors_about(found[role.bet].path):
            rungs.append(_rung(role, found[role.bet], by_bet[role.bet]))
            untrained = by_bet[role.bet].nll(UNTRAINED)
    real = next(rung for rung in rungs if rung.name == REAL)
    if real.interval and real.gain and real.interval.low > 0:
        whole = real.gain
        rungs = [r if r.gain is None else replace(r, share=r.gain / whole) for r in rungs]
    return LadderRung(name=UNTRAINED, nll=untrained, gain=0.0), *rungs


def _rung(role: RungRole, found: LoadedResult, row: UnitPart) -> LadderRung:
    nll = row.nll(role.label)
    gain = row.nll(UNTRAINED) - nll
    return LadderRung(
        name=role.rung, nll=nll, gain=gain, interval=_interval(found, row, role.label)
    )


def _interval(found: LoadedResult, row: UnitPart, label: str) -> Interval | None:
    if found.file.layout == 1:
        return None  # it has no sums
    bins = bin_sums_of(row)
    bins.check_arms((UNTRAINED, label))
    spreads = {one.user: one.spreads for one in found.verdict.resolved}
    try:
        return group_interval(bins, UNTRAINED, label, spreads.get(row.name, {}))
    except TooLittleText:
        return None
