"""Claims: what a project asserts of its adapters, held to the evidence that it rests on."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from .bases import SHIPPED
from .bets import Bet, Level, read_toml, registered_bet
from .errors import NoisefloorError
from .judge import ABSENT, ASSERTIONS, Verdict, supported
from .methods import METHODS
from .paragraph import criterion, criterion_sentence
from .report import report

_KEYS = {
    "id": str,
    "bet": str,
    "base": str,
    "users": (str, list),
    "method": str,
    "asserts": str,
    "evidence": str,
    "date": date,
}
_OPTIONAL = {"fingerprint": str, "note": str}
_EXPECTED = {
    "id": "letters, digits, '-', '_' and '.'",
    "users": '"shipped" or a list of names',
    "date": "a date",
    "asserts": " or ".join(ASSERTIONS),
    "method": " or ".join(METHODS),
    "base": f"{', '.join(SHIPPED)}, a folder seen from the claims file, or a hub id",
    "fingerprint": "12 hexadecimal digits or more",
}


def _is_base(value: str, here: Path) -> bool:
    hub_id = re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", value)
    return value in SHIPPED or (here / value).is_dir() or bool(hub_id)


def _are_users(value: object, _: Path) -> bool:
    if isinstance(value, list):
        return bool(value) and all(isinstance(user, str) for user in value)
    return value == "shipped"


_FITS: dict[str, Callable[[Any, Path], bool]] = {
    "id": lambda value, _: bool(re.fullmatch(r"[\w.-]+", value)),
    "asserts": lambda value, _: value in ASSERTIONS,
    "method": lambda value, _: value in METHODS,
    "base": _is_base,
    "fingerprint": lambda value, _: bool(re.fullmatch(r"[0-9a-f]{12,64}", value)),
    "users": _are_users,
}


class ClaimError(NoisefloorError):
    """A claims file with an entry that says nothing that could be checked."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """An entry of a claims file. Its sentence is generated; ``note`` is nobody's evidence.

    ``users`` are names, or those shipped; ``fingerprint`` the first digits of the base's, where
    the claim gives them.
    """

    id: str
    bet: Bet
    base: str
    users: tuple[str, ...]
    method: str
    asserts: str
    evidence: Path
    date: date
    file: Path
    fingerprint: str = ""
    note: str = ""
    shipped: bool = False

    @property
    def sentence(self) -> str:
        """What is claimed, in words."""
        what = {
            ABSENT: "no personalisation, the ratio being within LENIENT's bar on every user",
            "NOT_MET": "that neither LENIENT nor STRICT is met, nor CATASTROPHIC",
        }.get(self.asserts)
        if what is None:
            one = next(c for c in self.bet.criteria if c.level.name == self.asserts)
            what = f"{self.asserts}, {one}"
            if one.level > Level.NOT_MET:
                what += ", help above 1 being shown on each of them"
        note = f" (Unverified note: {self.note})" if self.note else ""
        return (
            f"Claimed on {self.date}, of {self.method} adapters on {self.base} for "
            f"{', '.join(self.users)}, by Bet {self.bet.id} ({self.bet.sha256[:12]}): {what}.{note}"
        )

    def asserts_level(self, level: Level) -> bool:
        """Whether a criterion is asserted; STRICT implies LENIENT."""
        if self.asserts not in Level.__members__:
            return False
        asserted = Level[self.asserts]
        return asserted == level or asserted > level == Level.LENIENT


# --- the file ---------------------------------------------------------------------------------


def load_claims(file: Path) -> tuple[Claim, ...]:
    """The claims of a file.

    Raises:
        ClaimError: not TOML, an unknown or missing key, a value it cannot have, an id twice.
    """
    try:
        content = read_toml(file)
    except NoisefloorError as error:
        raise ClaimError(str(error)) from None
    rows = content.pop("claim", [])
    if content or not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ClaimError(f"{file}: {min(content, default='claim')!r}; expected [[claim]] alone")
    claims = tuple(_claim(file, number, row) for number, row in enumerate(rows, 1))
    for claim in claims:
        if sum(other.id == claim.id for other in claims) > 1:
            raise ClaimError(f"{file}: claim {claim.id!r}: key 'id': given twice")
    return claims


def _claim(file: Path, number: int, row: dict[str, Any]) -> Claim:
    name = row["id"] if isinstance(row.get("id"), str) else f"number {number}"

    def refuse(key: str, expected: str) -> ClaimError:
        found = f" = {row[key]!r}" if key in row else " is missing"
        return ClaimError(f"{file}: claim {name!r}: key {key!r}{found}; expected {expected}")

    kinds: dict[str, Any] = _KEYS | _OPTIONAL
    for key in row:
        if key not in kinds:
            raise refuse(key, f"one of {', '.join(kinds)}")
    for key, kind in kinds.items():
        if (key in _KEYS or key in row) and not isinstance(row.get(key), kind):
            raise refuse(key, _EXPECTED.get(key, "text"))
    for key, fits in _FITS.items():
        if key in row and not fits(row[key], file.parent):
            raise refuse(key, _EXPECTED[key])
    try:
        bet = registered_bet(row["bet"])
    except NoisefloorError as error:
        raise ClaimError(f"{file}: claim {name!r}: key 'bet': {error}") from None
    shipped = row["users"] == "shipped"
    return Claim(
        **{key: row[key] for key in ("id", "base", "method", "asserts", "date")},
        **{key: row[key] for key in _OPTIONAL if key in row},
        bet=bet,
        users=bet.users if shipped else tuple(row["users"]),
        evidence=file.parent / row["evidence"],
        file=file,
        shipped=shipped,
    )


# --- what the data makes of it -----------------------------------------------------------------


def fault(claim: Claim, verdict: Verdict) -> str | None:
    """What is wrong with a claim on this verdict, as a reviewer would write it; None if nothing."""
    allowed = supported(verdict)
    stronger = [
        name
        for name in allowed
        if claim.asserts in {"NOT_MET", "LENIENT"}
        and ASSERTIONS.index(name) < ASSERTIONS.index(claim.asserts)
    ]
    if claim.asserts in allowed and not stronger:
        return None
    if stronger:
        summary = f"The claim may be strengthened: the data supports {stronger[-1]}."
    elif claim.asserts == verdict.level.name:
        summary = f"{claim.asserts} came out, but it may not be claimed of these users."
    else:
        summary = f"{claim.asserts} is not what was measured: {verdict.level.name}."
    instead = " or ".join(allowed) or "nothing beyond the numbers"
    return (
        f"{claim.sentence}\n{summary} What may be asserted instead: {instead}.\n\n{report(verdict)}"
    )


# --- criteria of a session ----------------------------------------------------------------------


def settle(verdict: Verdict, level: Level, claim: Claim | None = None) -> None:
    """Let the running test report one criterion, held to the claim about it if there is one.

    With a claim: met and asserted passes; missed and not asserted is an expected failure with the
    numbers; the two disagreeing fails. Without one STRICT and LENIENT pass if met and are expected
    failures if missed, CATASTROPHIC fails if met. Planted verdicts are skipped, since they prove
    the machinery and no criterion.

    The verdict is at hand before anything is expected to fail: a crash or a missing file on the
    way to it stays an error.
    """
    __tracebackhide__ = True
    wanted = criterion(verdict, level)
    sentence = criterion_sentence(verdict, wanted)
    if verdict.planted:
        pytest.skip(f"PLANTED, no registered criterion: {sentence}")
    holds = verdict.holds(level)
    asserted = claim is not None and claim.asserts_level(level)
    if claim is not None and holds != asserted:
        what = "asserted, and missed" if asserted else "the claim may be strengthened"
        if level is Level.CATASTROPHIC and holds:
            what = "met, and no claim asserts it"
        pytest.fail(f"{sentence} {what}.\n{claim.sentence}\n\n{report(verdict)}", pytrace=False)
    if level is Level.CATASTROPHIC:
        if holds and not asserted:
            pytest.fail(f"{sentence}\n\n{report(verdict)}", pytrace=False)
    elif not holds:
        pytest.xfail(sentence)
        pytest.fail(sentence, pytrace=False)  # what --runxfail, which mutes xfail, leads to
