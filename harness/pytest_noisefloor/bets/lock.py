"""The lock of registered bets: each file's hash, the date from which it holds, and the reason."""

from __future__ import annotations

import difflib
from datetime import date
from functools import lru_cache
from pathlib import Path
from shlex import quote
from typing import Annotated

from pydantic import BaseModel, Field

from pytest_noisefloor._files import (
    STRICT,
    Expected,
    Table,
    decoded,
    parse_toml,
    read_bytes,
    text_sha256,
    validated,
)
from pytest_noisefloor.errors import BetError


class Entry(BaseModel):
    """One entry of the lock: a bet file's hash, the date from which it holds, and the reason."""

    model_config = STRICT

    file: Annotated[str, Field(description="the name of the bet file beside the lock")]
    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$"), Expected("64 hexadecimal digits")]
    date: Annotated[date, Field(description="the day from which the text holds, as a date")]
    reason: Annotated[
        str, Expected("why it was locked or changed, in words", lambda words, _: words.strip())
    ]

    def __str__(self) -> str:
        return f"locked on {self.date} as {self.sha256[:12]}: {self.reason}"


class LockFile(BaseModel):
    """A lock: its entries, oldest first; later entries amend earlier ones."""

    model_config = STRICT

    lock: Annotated[
        tuple[Entry, ...], Table(), Field(description="entries with file, sha256, date and reason")
    ]


def check_lock(path: Path, lock: Path) -> None:
    """Check a bet file against its last entry in the lock.

    Raises:
        BetError: the hash differs, and the message shows the difference and how to amend the bet;
            or as ``lock_entries``.
    """
    content = read_bytes(path)
    last = lock_entries(path.name, lock)[-1]
    if last.sha256 != text_sha256(content):
        shown = difference(locked_text(last, lock), content, path)
        raise BetError(
            f"{path}: it is not what was {last}. A registered bet does not change in place:\n\n"
            f"{shown}\nRestore it, or amend it: "
            f'noisefloor lock {quote(str(path))} --reason "<what changed, and why>"'
        )


def read_lock(lock: Path) -> tuple[Entry, ...]:
    """Read all entries of a lock.

    Raises:
        BetError: the file is not a lock.
    """
    return parse_lock(read_bytes(lock), lock)


@lru_cache(maxsize=16)  # opening a bet reads its lock more than once
def parse_lock(content: bytes, lock: Path) -> tuple[Entry, ...]:
    """Return the entries of a lock's content.

    Raises:
        BetError: the content is not a lock's.
    """
    return validated(LockFile, parse_toml(content, lock), str(lock), BetError).lock


def lock_entries(name: str, lock: Path) -> tuple[Entry, ...]:
    """Return the lock's entries for a bet file, oldest first.

    Raises:
        BetError: the file is not a lock, there is no entry, or the dates are out of order.
    """
    entries = tuple(entry for entry in read_lock(lock) if entry.file == name)
    if not entries:
        raise BetError(
            f"{lock.parent / name}: not in {lock.name}; a bet is locked before it is run"
        )
    dates = [entry.date for entry in entries]
    if dates != sorted(dates):
        raise BetError(
            f"{lock}: {name}: dates {', '.join(map(str, dates))}; expected entries by date"
        )
    return entries


def locked_text(entry: Entry, lock: Path) -> str:
    """Return the text that an entry locked, which is kept beside the lock under its hash.

    Raises:
        BetError: the text is missing, or its hash differs.
    """
    path = kept_text(entry.sha256, lock)
    if not path.is_file() or text_sha256(read_bytes(path)) != entry.sha256:
        raise BetError(f"{path}: not the text that was {entry}")
    return decoded(read_bytes(path), path, BetError)


def kept_text(sha256: str, lock: Path) -> Path:
    """Return where the text of a hash is kept beside a lock."""
    return lock.parent / "locked" / f"{sha256}.toml"


def difference(before: str, content: bytes, path: Path, was: str = "locked") -> str:
    """Return how a file's content differs from the text before it, in the form of diff -u.

    ``was`` says in a word what the text before is.
    """
    found = content.decode("utf-8", "replace").replace("\r\n", "\n")
    lines = difflib.unified_diff(
        before.splitlines(keepends=True),
        found.splitlines(keepends=True),
        f"{path.name} ({was})",
        f"{path.name} (found)",
        n=1,
    )
    return "".join(lines)
