"""The lock of registered bets: each file's hash, the date from which it holds, and the reason."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from dataclasses import MISSING, dataclass, fields
from datetime import date
from functools import lru_cache
from pathlib import Path
from shlex import quote
from typing import Any, TypeVar, cast

from pytest_noisefloor._files import file_sha256, read_toml
from pytest_noisefloor.errors import BetError

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of the lock: a bet file's hash, the date from which it holds, and the reason."""

    sha256: str
    date: date
    reason: str

    def __str__(self) -> str:
        return f"locked on {self.date} as {self.sha256[:12]}: {self.reason}"


def check_lock(path: Path, lock: Path) -> None:
    """Check a bet file against its last entry in the lock.

    Raises:
        BetError: the hash differs, and the message shows the difference and how to amend the bet;
            or as ``lock_entries``.
    """
    found = file_sha256(path)
    last = lock_entries(path.name, lock)[-1]
    if last.sha256 != found:
        shown = "".join(_difference(locked_text(last, lock), path))
        raise BetError(
            f"{path}: it is not what was {last}. A registered bet does not change in place:\n\n"
            f"{shown}\nRestore it, or amend it: "
            f'noisefloor lock {quote(str(path))} --reason "<what changed, and why>"'
        )


def read_lock(lock: Path) -> list[tuple[str, Entry]]:
    """Read all entries of a lock, each with the name of its bet file.

    Raises:
        BetError: the file is not a lock.
    """
    return list(_read_lock(lock, lock.read_bytes() if lock.is_file() else b""))


@lru_cache(maxsize=16)  # opening a bet reads its lock more than once
def _read_lock(lock: Path, content: bytes) -> tuple[tuple[str, Entry], ...]:  # noqa: ARG001
    """Read a lock; ``content`` is its bytes, so that the cache notices a change."""
    try:
        return tuple(_entry(row) for row in take(read_toml(lock), "lock", list))
    except (TypeError, ValueError) as error:
        raise BetError(f"{lock}: {error}; an entry has file, sha256, date and reason") from None


def lock_entries(name: str, lock: Path) -> tuple[Entry, ...]:
    """Return the lock's entries for a bet file, oldest first.

    Raises:
        BetError: there is no entry, an entry has no reason, or the dates are out of order.
    """
    entries = tuple(entry for file, entry in read_lock(lock) if file == name)
    if not entries:
        raise BetError(
            f"{lock.parent / name}: not in {lock.name}; a bet is locked before it is run"
        )
    dates = [entry.date for entry in entries]
    if dates != sorted(dates) or not all(entry.reason.strip() for entry in entries):
        raise BetError(f"{lock}: {name}: expected entries by date, each with its reason")
    return entries


def locked_since(sha256: str, lock: Path) -> date | None:
    """Return the day from which a lock has a text of this hash, or None if it never had one.

    Raises:
        BetError: the file is not a lock.
    """
    return min((entry.date for _, entry in read_lock(lock) if entry.sha256 == sha256), default=None)


def _entry(table: Mapping[str, Any]) -> tuple[str, Entry]:
    """Parse an entry of the lock, with the name of its bet file."""
    row = dict(table)
    file, sha256 = take(row, "file", str), take(row, "sha256", str)
    entry = Entry(sha256, take(row, "date", date), take(row, "reason", str))
    nothing_left(row)
    return file, entry


def locked_text(entry: Entry, lock: Path) -> str:
    """Return the text that an entry locked, which is kept beside the lock under its hash.

    Raises:
        BetError: the text is missing, or its hash differs.
    """
    path = _locked(entry.sha256, lock)
    if not path.is_file() or file_sha256(path) != entry.sha256:
        raise BetError(f"{path}: not the text that was {entry}")
    return path.read_text(encoding="utf-8")


def _locked(sha256: str, lock: Path) -> Path:
    return lock.parent / "locked" / f"{sha256}.toml"


def _difference(locked: str, path: Path) -> Iterator[str]:
    """Return the difference between the locked text and the file, in the form of diff -u."""
    return difflib.unified_diff(
        locked.splitlines(keepends=True),
        path.read_text(encoding="utf-8").splitlines(keepends=True),
        f"{path.name} (locked)",
        f"{path.name} (found)",
        n=1,
    )


def take(content: dict[str, Any], key: str, kind: type[T]) -> T:
    """Remove a key from a table and return its value, after checking its type."""
    if key not in content:
        raise ValueError(f"key {key!r} is missing")
    value: T = content.pop(key)
    if type(value) is not kind:  # exact: a datetime is a date, but cannot be compared with one
        raise TypeError(f"{key} = {value!r}; expected {kind.__name__}")
    return value


def made(kind: type[T], where: str, table: Mapping[str, Any]) -> T:
    """Build a dataclass of plain fields from the table ``where``; defaults fill missing keys.

    Raises:
        ValueError: a key is unknown, or missing without a default.
        TypeError: a value has the wrong type.
    """
    known = {field.name: field for field in fields(cast("Any", kind))}
    if strange := sorted(table.keys() - known.keys()):
        raise ValueError(f"[{where}] unknown key {strange[0]!r}; expected {', '.join(known)}")
    values = {}
    for key, field in known.items():
        if key not in table:
            if field.default is MISSING:
                raise ValueError(f"[{where}] key {key!r} is missing")
            continue
        value = table[key]
        if field.type == "float" and type(value) is int:
            value = float(value)
        if type(value).__name__ != field.type:
            raise TypeError(f"[{where}] {key} = {value!r}; expected {field.type}")
        values[key] = value
    return kind(**values)


def nothing_left(content: Mapping[str, Any]) -> None:
    """Refuse a table with keys that were not taken."""
    if content:
        raise ValueError(f"unknown key {min(content)!r}")
