"""Lock a bet file, or amend it: keep its text, and append an entry to the LOCK beside it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from hashlib import sha256
from pathlib import Path

from filelock import FileLock

from pytest_noisefloor._files import (
    cache_path,
    read_bytes,
    resource_path,
    system_refusals,
    text_sha256,
    write_atomically,
)
from pytest_noisefloor.data import usable_users
from pytest_noisefloor.errors import BetError, plain

from .bet import Bet, parse_bet
from .bet_file import Refused
from .editing import as_copy, quoted, with_texts
from .lock import Entry, difference, kept_text, lock_entries, locked_text, parse_lock, read_lock
from .registry import check_design, check_own, registered_bet


@dataclass(frozen=True, slots=True, kw_only=True)
class Lockable:
    """A bet that may be locked.

    ``content`` is what its file is to hold, and ``found`` what it holds now, or None if there is no
    such file. ``locked`` is the last entry of the lock if the file holds its text, else None.
    ``difference`` shows what changed since that entry; of a bet that was never locked, which texts
    of users are replaced.
    """

    path: Path
    bet: Bet
    content: bytes
    found: bytes | None
    locked: Entry | None = None
    difference: str = ""


def check_lockable(path: Path, users: str | None = None) -> Lockable:
    """Check that a bet file may be locked today. Nothing is written.

    A planted bet may be locked, but remains PLANTED.

    Args:
        path: the bet file.
        users: where the users are whose texts the file is to name, as ``load_users`` has it; None
            leaves those that it names.

    Raises:
        BetError: the file is no bet, or ``open_bet`` would refuse it once it is locked; it names no
            texts; no user can be used; or the LOCK beside it has an entry of a later day.
        CorpusError: as ``usable_users``.
    """
    if path.suffix != ".toml":
        raise BetError(
            f"{path}: expected a bet file, whose name ends in .toml; of a registered bet lock a "
            "copy, by --users USERS and --id NAME"
        )
    found = read_bytes(path)
    content = found if users is None else _on_users(found, path, users)
    before, bet = parse_bet(found, path), parse_bet(content, path)
    lock, today = path.parent / "LOCK", date.today()
    entries = lock_entries(path.name, lock) if _is_named(path, lock) else ()
    check_own(bet, path, first=entries[0].date if entries else today)
    check_design(bet, path)
    locked, shown = None, ""
    if entries:
        last = entries[-1]
        text = locked_text(last, lock)
        if last.sha256 == before.sha256 == bet.sha256:
            locked = last
        elif last.date > today:
            raise BetError(f"{lock}: {path.name}: {last}; expected a day up to today, {today}")
        shown = difference(text, content, path)
    elif before.texts:
        shown = difference(found.decode("utf-8"), content, path, "before")
    if not (locked or bet.texts or bet.planted):
        raise BetError(
            f"{path}: it names no users' texts, and a bet is registered for its texts alone; name "
            "them by --users, as shipped or a folder of users"
        )
    return Lockable(
        path=path, bet=bet, content=content, found=found, locked=locked, difference=shown
    )


def check_copy(name: str, own_id: str, users: str) -> Lockable:
    """Check that a copy of a registered bet may be locked today, in the current folder.

    Nothing is written. The copy has an id and name of its own, and its own users and their texts.

    Args:
        name: the registered bet, for example bet60.
        own_id: the copy's id, and the name of its file without .toml.
        users: where its users are, as ``load_users`` has it.

    Raises:
        BetError: there is no such bet, the id is no id or another bet's, no user can be used, or
            the current folder has such a file, or its LOCK names one.
        CorpusError: as ``usable_users``.
    """
    of, path = registered_bet(name), Path(f"{own_id}.toml")
    text = resource_path("bets", f"{name}.toml").read_bytes()
    content = _on_users(as_copy(text, path, own_id, of.id, date.today()), path, users)
    bet = parse_bet(content, path)
    check_own(bet, path, first=date.today())
    if path.exists() or _is_named(path, path.parent / "LOCK"):
        raise BetError(f"{path}: there is one already, or was; expected another id by --id")
    return Lockable(path=path, bet=bet, content=content, found=None)


def _is_named(path: Path, lock: Path) -> bool:
    """Return whether a LOCK names a bet file."""
    return lock.is_file() and any(entry.file == path.name for entry in read_lock(lock))


def _on_users(content: bytes, path: Path, where: str) -> bytes:
    """Return the content of a bet file for the users there, and say whom it refuses."""
    usable, refused = usable_users(where, parse_bet(content, path).users)
    why = tuple(Refused(user=user, why=refused[user]) for user in sorted(refused))
    if not usable:
        reasons = "; ".join(f"{one.user}: {one.why}" for one in why)
        raise BetError(f"{path}: no user in {where} can be used ({reasons}); expected at least one")
    return with_texts(content, path, {user.name: user.digests for user in usable}, why)


def append_to_lock(bet: Lockable, reason: str) -> Entry:
    """Lock a bet: write its file, keep its text in ``locked/``, and append today's entry to LOCK.

    The lock's older entries stay byte for byte. Two commands wait for each other, and nothing is
    written before the whole is known to be right.

    Raises:
        BetError: the bet changed since it was checked, the reason is not Unicode text, LOCK is
            written in a form to which nothing can be appended, or a file cannot be written.
    """
    lock = bet.path.parent / "LOCK"
    rows = (
        "[[lock]]",
        f"file = {quoted(bet.path.name)}",
        f'sha256 = "{bet.bet.sha256}"',
        f"date = {date.today()}",
        f"reason = {quoted(reason.strip())}\n",
    )
    try:
        entry = "\n".join(rows).encode()
    except UnicodeEncodeError:
        raise BetError(f"reason {reason!r}; expected Unicode text") from None
    if reason != plain(reason):
        raise BetError(f"reason {reason!r}; expected text without control characters")
    turn = cache_path("locks", f"{sha256(str(lock.resolve()).encode()).hexdigest()}.lock")
    with system_refusals(turn):
        turn.parent.mkdir(parents=True, exist_ok=True)
        held = FileLock(turn).acquire()
    with held:
        if (read_bytes(bet.path) if bet.path.exists() else None) != bet.found:
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
        kept = kept_text(bet.bet.sha256, lock)
        if not kept.is_file() or text_sha256(read_bytes(kept)) != bet.bet.sha256:
            write_atomically(kept, bet.content.replace(b"\r\n", b"\n"))
        if bet.content != bet.found:
            write_atomically(bet.path.resolve(), bet.content)  # it may be a link
        write_atomically(lock.resolve(), older + gap + entry)  # a shared lock may be a link
    return after[-1]
