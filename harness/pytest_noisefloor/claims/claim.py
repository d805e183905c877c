"""Claims: what a project asserts about its adapters, read from its claims file."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from itertools import combinations
from pathlib import Path
from typing import Any

from pytest_noisefloor._files import read_toml
from pytest_noisefloor.bets import ABSENT, ASSERTIONS, Bet, Level, open_bet, registered_bet
from pytest_noisefloor.data import USER_NAME
from pytest_noisefloor.errors import BetError, NoisefloorError
from pytest_noisefloor.models import SHIPPED, TERNARY, locate
from pytest_noisefloor.training import METHODS, is_method

_KEYS = {
    "id": str,
    "bet": str,
    "base": str,
    "fingerprint": str,
    "users": (str, list),
    "method": str,
    "asserts": str,
    "evidence": str,
    "date": date,
}

_OPTIONAL = {"texts": str, "note": str}

_EXPECTED = {
    "id": "letters, digits, '-', '_' and '.'",
    "users": '"shipped" or a list of names, each once',
    "date": "a date",
    "asserts": " or ".join(ASSERTIONS),
    "method": f"{' or '.join(METHODS)} or an import path, as package.module:object",
    "base": "reference, smollm2-135m, a folder seen from the claims file, or a hub id; each with "
    f"{TERNARY} or without",
    "fingerprint": "12 hexadecimal digits or more",
    "evidence": "a .json file in the claims file's folder or below it, seen from there",
    "texts": "the folder of the users' texts, seen from the claims file (none for those shipped)",
}

_PROVING = tuple(name for name in SHIPPED if name != "tiny")
"""Shipped bases that a claim can be about; ``tiny`` only proves the machinery."""


def _is_base(value: str, here: Path) -> bool:
    value = value.removesuffix(TERNARY)
    hub_id = re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", value)
    return value in _PROVING or (here / value).is_dir() or bool(hub_id)


def _are_users(value: object, _: Path) -> bool:
    if isinstance(value, list):
        named = all(isinstance(user, str) and USER_NAME.fullmatch(user) for user in value)
        return bool(value) and named and len(set(value)) == len(value)
    return value == "shipped"


def _is_evidence(value: str, here: Path) -> bool:
    inside = (here / value).resolve().is_relative_to(here.resolve())
    return value.endswith(".json") and inside and not Path(value).is_absolute()


_FITS: dict[str, Callable[[Any, Path], bool]] = {
    "id": lambda value, _: bool(re.fullmatch(r"\w[\w.-]*", value)),
    "asserts": lambda value, _: value in ASSERTIONS,
    "method": lambda value, _: is_method(value),
    "base": _is_base,
    "fingerprint": lambda value, _: bool(re.fullmatch(r"[0-9a-f]{12,64}", value)),
    "users": _are_users,
    "evidence": _is_evidence,
    "texts": lambda value, here: (here / value).is_dir(),
}

_OF_BET = ("method", "base")
"""Keys that a bet may fix; a claim must then repeat the bet's value."""


class ClaimError(NoisefloorError):
    """A claims file that cannot be read, or a claim that is invalid."""


@dataclass(frozen=True, kw_only=True)
class Claim:
    """An entry of a claims file; its sentence is generated, and ``note`` is not evidence.

    ``users`` are names, and ``shipped`` says that they are the shipped users. ``fingerprint`` is
    the first digits of the base's fingerprint. ``texts`` is the folder of the users' own texts, or
    None if the claim does not name it.
    """

    id: str
    bet: Bet
    base: str
    fingerprint: str
    users: tuple[str, ...]
    method: str
    asserts: str
    evidence: Path
    date: date
    file: Path
    texts: Path | None
    note: str
    shipped: bool

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
    def located(self) -> str:
        """The base's name, or the path of its folder."""
        return locate(self.base, self.file.parent)

    @property
    def subject(self) -> tuple[str, str, str, tuple[str, ...]]:
        """What the claim is about: bet, base, method, users."""
        return self.bet.id, self.located, self.method, tuple(sorted(self.users))

    @property
    def where(self) -> str | None:
        """Where the users' texts are: ``shipped``, a folder, or None if the claim does not say."""
        return "shipped" if self.shipped else str(self.texts.resolve()) if self.texts else None

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
                f"{self.file}: claim {self.id!r}: key 'fingerprint' = {self.fingerprint!r}; "
                f"the base {self.base} has {found[: len(self.fingerprint)]!r}"
            )


def _bet(words: str, here: Path) -> Bet:
    """Open a claim's bet: a shipped bet by its name, or a locked file by its path from ``here``."""
    if not words.endswith(".toml"):
        return registered_bet(words)
    bet = open_bet(str(here / words))
    locked = bet.registration.locked
    if not locked:
        raise BetError(
            f"{here / words}: not locked; a claim needs a bet that a LOCK beside it names"
        )
    if locked > date.today() + timedelta(days=1):  # one day's slack for time zones
        raise BetError(f"{here / words}: locked on {locked}, a day that is still to come")
    return bet


def meaning(bet: Bet, asserts: str) -> str:
    """Describe what is asserted."""
    if asserts == ABSENT:
        return f"{ABSENT}: no personalisation, the ratio within LENIENT's bar on every user"
    if asserts == Level.NOT_MET.name:
        return f"{asserts}: neither LENIENT nor STRICT is met, nor CATASTROPHIC"
    one = next(c for c in bet.criteria if c.level.name == asserts)
    shown = (
        ", the control beaten and the base made better on each of them, resolved"
        if one.level > Level.NOT_MET
        else ""
    )
    return f"{asserts}: {one.of(bet.contrast.unit_word)}{shown}"


def load_claims(file: Path) -> tuple[Claim, ...]:
    """Read the claims of a file.

    Raises:
        ClaimError: the file is not TOML, a key is unknown or missing, a value is invalid, or two
            claims have the same id, subject or evidence file.
    """
    try:
        content = read_toml(file)
    except NoisefloorError as error:
        raise ClaimError(str(error)) from None
    rows = content.pop("claim", [])
    if content or not isinstance(rows, list) or not all(isinstance(row, dict) for row in rows):
        raise ClaimError(f"{file}: {min(content, default='claim')!r}; expected [[claim]] alone")
    claims = tuple(_claim(file, number, row) for number, row in enumerate(rows, 1))
    for one, other in combinations(claims, 2):
        for key, same in (
            ("id", one.id == other.id),
            ("evidence", one.evidence.resolve() == other.evidence.resolve()),
        ):
            if same:
                raise ClaimError(f"{file}: claim {other.id!r}: key {key!r}: given twice")
        apart = None not in (one.where, other.where) and one.where != other.where
        if one.subject == other.subject and not apart:
            raise ClaimError(
                f"{file}: claim {other.id!r}: keys 'bet', 'base', 'method', 'users' and "
                f"'texts' are those of claim {one.id!r}, which asserts {one.asserts}, as this does "
                f"{other.asserts}; expected one claim about one thing"
            )
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
        # a TOML date with a time becomes a datetime, which is also an instance of date
        wrong = not isinstance(row.get(key), kind) or isinstance(row[key], datetime)
        if (key in _KEYS or key in row) and wrong:
            raise refuse(key, _EXPECTED.get(key, "text"))
    shipped = row["users"] == "shipped"
    for key, fits in _FITS.items():
        if key in row and (not fits(row[key], file.parent) or (key == "texts" and shipped)):
            raise refuse(key, _EXPECTED[key])
    try:
        bet = _bet(row["bet"], file.parent)
    except NoisefloorError as error:
        raise ClaimError(f"{file}: claim {name!r}: key 'bet': {error}") from None
    other = next((key for key in _OF_BET if getattr(bet, key) not in (None, row[key])), None)
    if other:
        raise refuse(other, f"{getattr(bet, other)!r}, which Bet {bet.id} is about")
    return Claim(
        **{key: row[key] for key in ("id", "base", "fingerprint", "method", "asserts", "date")},
        bet=bet,
        users=bet.users if shipped else tuple(row["users"]),
        evidence=file.parent / row["evidence"],
        file=file,
        texts=file.parent / row["texts"] if "texts" in row else None,
        note=row.get("note", ""),
        shipped=shipped,
    )
