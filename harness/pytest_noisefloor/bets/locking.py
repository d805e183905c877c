"""Lock a bet file, or amend it: keep its text, and append an entry to the LOCK beside it."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from pathlib import Path

from filelock import FileLock

from pytest_noisefloor._files import (
    cache_path,
    read_bytes,
    text_sha256,
    write_atomically,
)
from pytest_noisefloor.errors import BetError

from .bet import load_bet
from .lock import Entry, difference, kept_text, lock_entries, locked_text, parse_lock, read_lock
from .registry import check_own


@dataclass(frozen=True, slots=True)
class Lockable:
    """A bet file that may be locked.

    ``locked`` is the last entry of the lock if it has this text, else None. ``difference`` shows
    what changed since that entry; it is empty if nothing did, or if the bet was never locked.
    """

    path: Path
    sha256: str
    locked: Entry | None = None
    difference: str = ""


def check_lockable(path: Path) -> Lockable:
    """Check that a bet file may be locked today. Nothing is written.

    A planted bet may be locked, but remains PLANTED.

    Raises:
        BetError: the file is no bet, or ``open_bet`` would refuse it once it is locked; or the LOCK
            beside it has an entry of a later day.
    """
    if path.suffix != ".toml":
        raise BetError(f"{path}: expected a bet file, whose name ends in .toml")
    bet, lock, today = load_bet(path), path.parent / "LOCK", date.today()
    known = lock.is_file() and any(entry.file == path.name for entry in read_lock(lock))
    entries = lock_entries(path.name, lock) if known else ()
    check_own(bet, path, first=entries[0].date if entries else today)
    if not entries:
        return Lockable(path, bet.sha256)
    last = entries[-1]
    text = locked_text(last, lock)
    if last.sha256 == bet.sha256:
        return Lockable(path, bet.sha256, locked=last)
    if last.date > today:
        raise BetError(f"{lock}: {path.name}: {last}; expected a day up to today, {today}")
    return Lockable(path, bet.sha256, difference="".join(difference(text, path)))


def append_to_lock(bet: Lockable, reason: str) -> Entry:
    """Keep a bet's text in ``locked/``, append its entry of today to LOCK, and return the entry.

    The lock's older entries stay byte for byte. Two commands wait for each other, and nothing is
    written before the whole is known to be right.

    Raises:
        BetError: the bet changed since it was checked, the reason is not Unicode text, LOCK is
            written in a form to which nothing can be appended, or a file cannot be written.
    """
    lock = bet.path.parent / "LOCK"
    rows = (
        "[[lock]]",
        f"file = {_quoted(bet.path.name)}",
        f'sha256 = "{bet.sha256}"',
        f"date = {date.today()}",
        f"reason = {_quoted(reason.strip())}\n",
    )
    try:
        entry = "\n".join(rows).encode()
    except UnicodeEncodeError:
        raise BetError(f"reason {reason!r}; expected Unicode text") from None
    turn = cache_path("locks", f"{sha256(str(lock.resolve()).encode()).hexdigest()}.lock")
    turn.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(turn):
        text = read_bytes(bet.path)
        if text_sha256(text) != bet.sha256:
            raise BetError(f"{bet.path}: it changed while it was being locked; lock it again")
        older = read_bytes(lock) if lock.is_file() else b""
        gap = b"" if not older else b"\n" if older.endswith(b"\n") else b"\n\n"
        before = parse_lock(older, lock) if older else ()
        try:
            after = parse_lock(older + gap + entry, lock)
        except BetError:
            after = ()
        if after[:-1] != before or not after:
            raise BetError(f"{lock}: nothing can be appended; expected each entry as [[lock]]")
        kept = kept_text(bet.sha256, lock)
        try:
            if not kept.is_file() or text_sha256(kept.read_bytes()) != bet.sha256:
                write_atomically(kept, text.replace(b"\r\n", b"\n"))
            write_atomically(lock.resolve(), older + gap + entry)  # a shared lock may be a link
        except OSError as error:
            raise BetError(f"{lock}: {error.strerror}; expected a folder to write to") from None
    return after[-1]


def _quoted(words: str) -> str:
    """Return a TOML string: as in JSON, where only the control character DEL needs no escape."""
    return json.dumps(words, ensure_ascii=False).replace("\x7f", "\\u007f")
