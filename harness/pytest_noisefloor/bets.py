"""Registered bets: hypothesis, design, statistic and levels, as dated and locked data."""

from __future__ import annotations

import hashlib
import math
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import IntEnum
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, TypeVar

from .data import data_path
from .errors import NoisefloorError
from .recipe import Recipe, Scoring

T = TypeVar("T")


class BetError(NoisefloorError):
    """A bet file that cannot be taken as registered."""


class Level(IntEnum):
    """What a verdict says: ordered, exclusive, exhaustive."""

    CATASTROPHIC = 0
    NOT_MET = 1
    LENIENT = 2
    STRICT = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """A level's condition: on how large a share of the users the ratio is how large.

    ``comparison`` is ``at least`` or ``below`` the ratio ``bar``.
    """

    level: Level
    comparison: Literal["at least", "below"]
    bar: float
    share: Fraction

    def needed(self, users: int) -> int:
        """Users that must satisfy the condition: the share, rounded up."""
        return math.ceil(self.share * users)

    def __str__(self) -> str:
        share = "all users" if self.share == 1 else f"{self.share} of the users"
        return f"ratio {self.comparison} {self.bar:g} on {share}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bet:
    """A bet as it stands in its file; ``sha256`` is the hash of that file.

    ``planted`` marks a bet that only proves the machinery.
    """

    id: str
    name: str
    title: str
    registered: date
    hypothesis: str
    method: str
    seeds: tuple[int, ...]
    recipe: Recipe
    scoring: Scoring
    criteria: tuple[Criterion, ...]
    sha256: str
    planted: bool = False


def load_bet(path: Path) -> Bet:
    """Read a bet file.

    Raises:
        BetError: not TOML, or keys or values that a bet does not have.
    """
    content = read_toml(path)
    try:
        design = _take(content, "design", dict)
        bet = Bet(
            id=_take(content, "id", str),
            name=_take(content, "name", str),
            title=_take(content, "title", str),
            registered=_take(content, "registered", date),
            hypothesis=_take(content, "hypothesis", str).strip(),
            method=_take(design, "method", str),
            seeds=tuple(_take(design, "seeds", list)),
            recipe=Recipe(**_take(design, "recipe", dict)),
            scoring=Scoring(**_take(design, "scoring", dict)),
            criteria=tuple(_criterion(row) for row in _take(content, "level", list)),
            sha256=file_sha256(path),
            planted="planted" in content and _take(content, "planted", bool),
        )
        _nothing_left(content)
        _nothing_left(design)
    except (TypeError, ValueError, NoisefloorError) as error:
        raise BetError(f"{path}: {error}") from None
    if sorted(c.level for c in bet.criteria) != [Level.CATASTROPHIC, Level.LENIENT, Level.STRICT]:
        raise BetError(f"{path}: expected one [[level]] each of STRICT, LENIENT, CATASTROPHIC")
    if not bet.seeds or any(type(seed) is not int or seed < 0 for seed in bet.seeds):
        raise BetError(f"{path}: seeds {list(bet.seeds)}; expected whole numbers of 0 or more")
    return bet


def registered_bet(name: str) -> Bet:
    """A shipped bet (``bet60``), if its file is the one that was locked.

    Raises:
        BetError: no such bet, or its file changed without a dated amendment in
            ``fixtures/bets/LOCK``.
    """
    known = sorted(path.stem for path in data_path("bets").glob("*.toml"))
    if name not in known:
        raise BetError(f"bet {name!r}: expected {' or '.join(known)}")
    path = data_path("bets", f"{name}.toml")
    check_lock(path, data_path("bets", "LOCK"))
    return load_bet(path)


def check_lock(path: Path, lock: Path) -> None:
    """Compare a bet file with the last entry that the lock has for it.

    Raises:
        BetError: no entry, another hash, or entries that are not whole or not in order of date.
    """
    found = file_sha256(path)
    content = read_toml(lock)
    try:
        rows = [dict(row) for row in _take(content, "lock", list)]
        dated = [
            (_take(row, "date", date), _take(row, "sha256", str), _take(row, "reason", str))
            for row in rows
            if _take(row, "file", str) == path.name
        ]
    except (TypeError, ValueError) as error:
        raise BetError(f"{lock}: {error}; an entry has file, sha256, date and reason") from None
    if not dated:
        raise BetError(f"{path}: not in {lock.name}; a bet is locked before it is run")
    dates = [day for day, _, _ in dated]
    if dates != sorted(dates) or not all(reason.strip() for _, _, reason in dated):
        raise BetError(f"{lock}: {path.name}: expected entries by date, each with its reason")
    day, locked, _ = dated[-1]
    if locked != found:
        raise BetError(
            f"{path}: its hash is {found}, but it was locked on {day} as {locked}. A registered "
            f"bet does not change in place: restore it, or amend it by adding at the end of {lock}"
            f'\n\n[[lock]]\nfile = "{path.name}"\nsha256 = "{found}"\ndate = <today, as {day}>'
            '\nreason = "<what changed, and why>"'
        )


def read_toml(path: Path) -> dict[str, Any]:
    """A TOML file's content.

    Raises:
        BetError: the file is missing, not UTF-8 or not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BetError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise BetError(f"{path}: not TOML ({error})") from None


def file_sha256(path: Path) -> str:
    """SHA-256 (hex) of a file's text with line ends as in a POSIX checkout."""
    return hashlib.sha256(path.read_bytes().replace(b"\r\n", b"\n")).hexdigest()


def _criterion(table: Mapping[str, Any]) -> Criterion:
    row = dict(table)
    name, share = _take(row, "name", str), _take(row, "share", str)
    if name not in Level.__members__:
        raise ValueError(f"level {name!r}; expected STRICT, LENIENT or CATASTROPHIC")
    if not re.fullmatch(r"1|[1-9]\d*/[1-9]\d*", share):
        raise ValueError(f'{name}: share {share!r}; expected "1" or a fraction such as "2/3"')
    key = "below" if "below" in row else "at_least"
    criterion = Criterion(
        level=Level[name],
        bar=_take(row, key, float),
        comparison="below" if key == "below" else "at least",
        share=Fraction(share),
    )
    _nothing_left(row)
    if criterion.share > 1 or not 0 < criterion.bar < math.inf:
        raise ValueError(f"{name}: {criterion}; expected a bar above 0 and a share of at most 1")
    return criterion


def _take(content: dict[str, Any], key: str, kind: type[T]) -> T:
    """Remove a key's value from a table, once it is known to be of its kind."""
    if key not in content:
        raise ValueError(f"key {key!r} is missing")
    value: T = content.pop(key)
    if type(value) is not kind:  # a date with a time would not compare with one without
        raise TypeError(f"{key} = {value!r}; expected {kind.__name__}")
    return value


def _nothing_left(content: Mapping[str, Any]) -> None:
    if content:
        raise ValueError(f"unknown key {min(content)!r}")
