"""Claims: what a project asserts about its adapters, read from its claims file."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from pytest_noisefloor._files import read_toml, shown, validated
from pytest_noisefloor.bets import ABSENT, ABSENT_RATIO, Bet, Level, open_bet, registered_bet
from pytest_noisefloor.data import text_digests
from pytest_noisefloor.errors import BetError, NoisefloorError
from pytest_noisefloor.models import locate

from .claims_file import ClaimsFile, ClaimTable


class ClaimError(NoisefloorError):
    """A claims file that cannot be read, or a claim that is invalid."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """An entry of a claims file; its sentence is generated, and ``note`` is not evidence.

    ``users`` are the names of those that the bet registers, and ``shipped`` says that they are the
    shipped users. ``fingerprint`` is the first digits of the base's fingerprint. ``texts`` is the
    folder of the users' own texts, or None if the claim does not name it. ``primary`` says that it
    is not adjusted for the number of claims. A claim that was ``withdrawn``, with a ``reason``,
    asserts nothing.
    """

    id: str
    bet: Bet
    base: str
    fingerprint: str
    users: tuple[str, ...]
    method: str
    asserts: str
    evidence: Path
    date: dt.date
    file: Path
    texts: Path | None
    note: str
    shipped: bool
    primary: bool
    withdrawn: dt.date | None
    reason: str

    @property
    def sentence(self) -> str:
        """The claim as a sentence."""
        note = f" (Unverified note: {self.note})" if self.note else ""
        return (
            f"Claimed on {self.date}, of {self.method} adapters on {self.base} for "
            f"{', '.join(self.users)}, by Bet {self.bet.id} ({self.bet.sha256[:12]}): "
            f"{meaning(self.bet, self.asserts)}.{note}"
        )

    @property
    def withdrawal(self) -> str:
        """When the claim was withdrawn, and why; empty if it stands."""
        return f"withdrawn on {self.withdrawn}: {self.reason}" if self.withdrawn else ""

    @property
    def has_p(self) -> bool:
        """Whether what the claim asserts has a p value; nothing does if it was withdrawn."""
        return self.withdrawn is None and self.asserts != Level.NOT_MET.name

    @property
    def located(self) -> str:
        """The base's name, or the path of its folder."""
        return locate(self.base, self.file.parent)

    @property
    def subject(self) -> tuple[str, str, str, tuple[str, ...]]:
        """What the claim is about: bet, base, method, users."""
        return self.bet.id, self.located, self.method, tuple(sorted(self.users))

    def asserts_level(self, level: Level) -> bool:
        """Return whether the claim asserts a level; STRICT implies LENIENT."""
        if self.asserts not in Level.__members__:
            return False
        asserted = Level[self.asserts]
        return asserted == level or asserted > level == Level.LENIENT

    def check_fingerprint(self, found: str) -> None:
        """Refuse a base that is not the one that the claim is about.

        Raises:
            ClaimError: the base's fingerprint does not begin with the claim's.
        """
        if not found.startswith(self.fingerprint):
            raise ClaimError(
                f"{self.file}: claim {self.id!r}.fingerprint = {self.fingerprint!r}; "
                f"the base {self.base} has {found[: len(self.fingerprint)]!r}"
            )


def _bet(words: str, here: Path) -> Bet:
    """Open a claim's bet: a shipped bet by its name, or a locked file by its path from ``here``."""
    bet = open_bet(str(here / words)) if words.endswith(".toml") else registered_bet(words)
    locked = bet.registration.locked
    if not locked:
        raise BetError(
            f"{here / words}: not locked; a claim needs a bet that a LOCK beside it names"
        )
    if locked > _tomorrow():
        raise BetError(f"{here / words}: locked on {locked}, a day that is still to come")
    if not (bet.texts or bet.planted):
        raise BetError(
            f"{here / words}: it names no users' texts, and a claim is about texts that were "
            "registered; add them: noisefloor lock --users"
        )
    return bet


def _tomorrow() -> dt.date:
    """Return the last day that has begun somewhere: one day's slack for time zones."""
    return dt.date.today() + dt.timedelta(days=1)


def meaning(bet: Bet, asserts: str) -> str:
    """Describe what is asserted, whatever was measured."""
    unit = bet.contrast.unit_word
    if asserts == ABSENT:
        return (
            f"{ABSENT}: no gain over random tokens as large as {ABSENT_RATIO:g}: every {unit}'s "
            "95 % interval lies within it"
        )
    if asserts == Level.NOT_MET.name:
        return f"{asserts}: LENIENT is not shown"
    one = bet.criterion(Level[asserts])
    if one.level is Level.CATASTROPHIC:
        estimate = f", and estimated below {one.threshold:g}," if one.threshold < 1 else ""
        return f"{asserts}: ratio shown to be below 1{estimate} on {one.share(unit)}"
    estimate = f", and estimated at {one.threshold:g} or more," if one.threshold > 1 else ""
    return (
        f"{asserts}: ratio shown to be above 1{estimate} on {one.share(unit)}; on each of them the "
        "base is shown to be made better"
    )


def load_claims(file: Path) -> tuple[Claim, ...]:
    """Read the claims of a file.

    Raises:
        ClaimError: the file is not TOML, a key is unknown or missing, a value is invalid, two
            claims have the same id, or two that stand have the same subject or evidence file.
    """
    if file.suffix != ".toml":  # or other claims files would not count its claims
        raise ClaimError(f"{file}: expected a claims file, whose name ends in .toml")
    try:
        content = read_toml(file)
    except NoisefloorError as error:
        raise ClaimError(str(error)) from None
    rows = validated(ClaimsFile, content, str(file), ClaimError, context=file.parent).claim
    opened = cache(_bet)
    claims = tuple(_claim(file, row, opened) for row in rows)
    ids: set[str] = set()
    files: set[Path] = set()
    subjects: dict[tuple[str, str, str, tuple[str, ...]], Claim] = {}
    for other in claims:
        if other.id in ids:
            raise ClaimError(f"{file}: claim {other.id!r}.id: given twice")
        ids.add(other.id)
        if other.withdrawn:
            continue
        if (evidence := other.evidence.resolve()) in files:
            raise ClaimError(f"{file}: claim {other.id!r}.evidence: given twice")
        files.add(evidence)
        if (one := subjects.setdefault(other.subject, other)) is not other:
            raise ClaimError(
                f"{file}: claim {other.id!r}: keys 'bet', 'base', 'method' and 'users' are those "
                f"of claim {one.id!r}, which asserts {one.asserts}, as this does {other.asserts}; "
                "expected one claim about one thing"
            )
    return claims


def _check_users(file: Path, row: ClaimTable, bet: Bet) -> None:
    """Refuse other users than those that a claim's bet registers."""
    own = bet.registration.by_project
    if row.users == "shipped":
        right = not own or _are_shipped(bet)
    else:
        right = own and sorted(row.users) == sorted(bet.users)
    if not right:
        found = row.users if isinstance(row.users, str) else [*row.users]
        how = "" if own else "; users of your own need a bet of your own: noisefloor lock --id"
        raise ClaimError(
            f"{file}: claim {row.id!r}.users = {shown(found)}; expected "
            f"{shown([*bet.users] if own else 'shipped')}, since Bet {bet.id} is registered for "
            f"their texts{how}"
        )


def _are_shipped(bet: Bet) -> bool:
    """Return whether the texts of a bet are those of the shipped users."""
    shipped = text_digests("shipped")
    return all(user in shipped and bet.texts.get(user) == shipped[user] for user in bet.users)


def _claim(file: Path, row: ClaimTable, opened: Callable[[str, Path], Bet]) -> Claim:
    """Open a claim's bet, and check that the claim is about what the bet is about."""
    for key, day in (("date", row.date), ("withdrawn", row.withdrawn)):
        if day and day > _tomorrow():
            raise ClaimError(
                f"{file}: claim {row.id!r}.{key} = {day}; expected no day that is still to come"
            )
    try:
        bet = opened(row.bet, file.parent)
    except NoisefloorError as error:
        raise ClaimError(f"{file}: claim {row.id!r}.bet: {error}") from None
    for key, found, expected in (
        ("method", row.method, bet.method),
        ("base", row.base, bet.base or row.base),
    ):
        if found != expected:
            raise ClaimError(
                f"{file}: claim {row.id!r}.{key} = {found!r}; expected {expected!r}, which Bet "
                f"{bet.id} is about"
            )
    _check_users(file, row, bet)
    return Claim(
        id=row.id,
        bet=bet,
        base=row.base,
        fingerprint=row.fingerprint,
        users=bet.users if isinstance(row.users, str) else row.users,
        method=row.method,
        asserts=row.asserts,
        evidence=file.parent / row.evidence,
        date=row.date,
        file=file,
        texts=file.parent / row.texts if row.texts else None,
        note=row.note,
        shipped=row.users == "shipped",
        primary=row.primary,
        withdrawn=row.withdrawn,
        reason=row.reason.strip(),
    )
