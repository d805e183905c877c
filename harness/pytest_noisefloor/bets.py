"""Registered bets: hypothesis, design, statistic and levels, as dated and locked data."""

from __future__ import annotations

import difflib
import hashlib
import math
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import date
from enum import IntEnum
from fractions import Fraction
from pathlib import Path
from typing import Any, Literal, TypeVar

from .data import data_path
from .errors import NoisefloorError
from .methods import METHODS
from .recipe import Recipe, Scoring
from .statistics import Statistic

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

    ``planted`` marks a bet that only proves the machinery; ``locked`` one whose file is the locked
    one.

    Raises:
        BetError: no such method, users or seeds that are not each there once, or not one criterion
            for each level.
    """

    id: str
    name: str
    title: str
    registered: date
    hypothesis: str
    method: str
    users: tuple[str, ...]
    seeds: tuple[int, ...]
    recipe: Recipe
    scoring: Scoring
    statistic: Statistic
    criteria: tuple[Criterion, ...]
    sha256: str
    planted: bool = False
    locked: bool = False

    def __post_init__(self) -> None:
        if self.method not in METHODS:
            raise BetError(f"method = {self.method!r}; expected {' or '.join(METHODS)}")
        for key, values, kind, words in (
            ("users", self.users, str, "names"),
            ("seeds", self.seeds, int, "whole numbers of 0 or more"),
        ):
            right = all(type(v) is kind and (v >= 0 if type(v) is int else v) for v in values)
            if not values or not right or len(set(values)) < len(values):
                raise BetError(f"{key} {list(values)}; expected {words}, each once, at least one")
        levels = sorted(c.level for c in self.criteria)
        if levels != [Level.CATASTROPHIC, Level.LENIENT, Level.STRICT]:
            raise BetError("expected one [[level]] each of STRICT, LENIENT, CATASTROPHIC")

    @property
    def mark(self) -> str:
        """What is printed before all that a bet says, where it is no registered one."""
        return "PLANTED" if self.planted else "" if self.locked else "UNREGISTERED"

    @property
    def standing(self) -> str:
        """Since when a bet is registered, or that nobody locked it."""
        return f"registered {self.registered}" if self.locked else f"{self.registered}, not locked"


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the lock: a bet file's hash, from when on it holds, and why."""

    sha256: str
    date: date
    reason: str

    def __str__(self) -> str:
        return f"locked on {self.date} as {self.sha256[:12]}: {self.reason}"


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
            users=tuple(_take(design, "users", list)),
            seeds=tuple(_take(design, "seeds", list)),
            recipe=Recipe(**_take(design, "recipe", dict)),
            scoring=Scoring(**_take(design, "scoring", dict)),
            statistic=Statistic(**_take(content, "statistic", dict)),
            criteria=tuple(_criterion(row) for row in _take(content, "level", list)),
            sha256=file_sha256(path),
            planted="planted" in content and _take(content, "planted", bool),
        )
        _nothing_left(content)
        _nothing_left(design)
    except (TypeError, ValueError, NoisefloorError) as error:
        raise BetError(f"{path}: {error}") from None
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
    return replace(load_bet(path), locked=True)


def open_bet(bet: str) -> Bet:
    """A registered bet by its name, or one of somebody's own by the path of its file (.toml).

    A file whose text was locked is registered wherever it lies.

    Raises:
        BetError: as ``registered_bet`` and ``load_bet``.
    """
    if not bet.endswith(".toml"):
        return registered_bet(bet)
    own = load_bet(Path(bet))
    rows = read_toml(data_path("bets", "LOCK"))["lock"]
    return replace(own, locked=any(row["sha256"] == own.sha256 for row in rows))


def check_lock(path: Path, lock: Path) -> None:
    """Compare a bet file with the last entry that the lock has for it.

    Raises:
        BetError: another hash, with the difference and how to amend; or as ``lock_entries``.
    """
    found = file_sha256(path)
    last = lock_entries(path.name, lock)[-1]
    if last.sha256 != found:
        shown = "".join(_difference(locked_text(last, lock), path))
        raise BetError(
            f"{path}: it is not what was {last}. A registered bet does not change in place:\n\n"
            f"{shown}\nRestore it, or amend it: copy it to {_locked(found, lock)} and add at the "
            f'end of {lock}\n\n[[lock]]\nfile = "{path.name}"\nsha256 = "{found}"\n'
            f'date = <today, as {last.date}>\nreason = "<what changed, and why>"'
        )


def lock_entries(name: str, lock: Path) -> tuple[Entry, ...]:
    """What the lock says of a bet file, oldest first.

    Raises:
        BetError: nothing, or entries that are not whole or not in order of date.
    """
    try:
        rows = [_entry(row) for row in _take(read_toml(lock), "lock", list)]
    except (TypeError, ValueError) as error:
        raise BetError(f"{lock}: {error}; an entry has file, sha256, date and reason") from None
    entries = tuple(entry for file, entry in rows if file == name)
    if not entries:
        raise BetError(
            f"{lock.parent / name}: not in {lock.name}; a bet is locked before it is run"
        )
    dates = [entry.date for entry in entries]
    if dates != sorted(dates) or not all(entry.reason.strip() for entry in entries):
        raise BetError(f"{lock}: {name}: expected entries by date, each with its reason")
    return entries


def _entry(table: Mapping[str, Any]) -> tuple[str, Entry]:
    """The file that an entry of the lock is about, and the entry."""
    row = dict(table)
    file, sha256 = _take(row, "file", str), _take(row, "sha256", str)
    entry = Entry(sha256, _take(row, "date", date), _take(row, "reason", str))
    _nothing_left(row)
    return file, entry


def locked_text(entry: Entry, lock: Path) -> str:
    """The text that an entry locked, kept beside the lock under its hash.

    Raises:
        BetError: it is not there, or not of that hash.
    """
    path = _locked(entry.sha256, lock)
    if not path.is_file() or file_sha256(path) != entry.sha256:
        raise BetError(f"{path}: not the text that was {entry}")
    return path.read_text(encoding="utf-8")


def _locked(sha256: str, lock: Path) -> Path:
    return lock.parent / "locked" / f"{sha256}.toml"


def _difference(locked: str, path: Path) -> Iterator[str]:
    """The lines in which a file differs from what was locked, as diff -u has them."""
    return difflib.unified_diff(
        locked.splitlines(keepends=True),
        path.read_text(encoding="utf-8").splitlines(keepends=True),
        f"{path.name} (locked)",
        f"{path.name} (found)",
        n=1,
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
