"""Open registered bets by name, and anybody's own bet by the path of its file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from datetime import date
from itertools import takewhile
from pathlib import Path
from typing import Any

from pytest_noisefloor._files import resource_path
from pytest_noisefloor.errors import BetError

from .bet import Bet, load_bet, parse_bet
from .lock import Entry, check_lock, kept_text, lock_entries, locked_text, read_lock
from .registration import Registration

_DESIGN = {
    "method": "method",
    "base": "base",
    "seeds": "seeds",
    "recipe": "recipe",
    "scoring": "scoring",
    "contrast": "statistic",
    "criteria": "levels",
}
"""What a bet's design is, and the words of a bet file for it."""


def other_design(made: Mapping[str, Any], bet: Bet) -> str:
    """Describe how a result's recipe, scoring and seeds differ from a bet's; empty if none does.

    ``made`` has the values of all three by their keys.
    """
    of = {**asdict(bet.recipe), **asdict(bet.scoring), "seeds": list(bet.seeds)}
    differ = {key: value for key, value in of.items() if made[key] != value}
    return ", ".join(f"{key} {made[key]}, not {value}" for key, value in differ.items())


def registered_bet(name: str) -> Bet:
    """Open a shipped bet (``bet60``) whose file is the one that was locked.

    Raises:
        BetError: there is no such bet, or its file changed without a dated amendment in
            ``fixtures/bets/LOCK``.
    """
    known = sorted(path.stem for path in resource_path("bets").glob("*.toml"))
    if name not in known:
        raise BetError(f"bet {name!r}: expected {' or '.join(known)}")
    path = resource_path("bets", f"{name}.toml")
    lock = resource_path("bets", "LOCK")
    check_lock(path, lock)
    bet = load_bet(path)
    return replace(bet, registration=_registration(bet, path.name, lock))


def open_bet(bet: str) -> Bet:
    """Open a registered bet by its name, or anybody's own bet by the path of its file (.toml).

    A file is registered, wherever it lies, if its text is in the shipped LOCK. It is registered by
    its own project if a LOCK in its folder names it. That LOCK is then enforced as the shipped one
    is.

    Raises:
        BetError: as ``registered_bet`` and ``load_bet``; its design is not that of the bet that it
            names by ``design_of``; or a bet under its own project's LOCK has the id or name of a
            shipped bet, was registered after it was locked, or has lost its locked text.
    """
    if not bet.endswith(".toml"):
        return registered_bet(bet)
    path = Path(bet)
    own, beside = load_bet(path), path.parent / "LOCK"
    check_design(own, path)
    shipped = resource_path("bets", "LOCK")
    if file := next((e.file for e in read_lock(shipped) if e.sha256 == own.sha256), None):
        return replace(own, registration=_registration(own, file, shipped))
    if not beside.is_file() or all(entry.file != path.name for entry in read_lock(beside)):
        return own
    check_lock(path, beside)
    entries = lock_entries(path.name, beside)
    locked_text(entries[-1], beside)
    check_own(own, path, first=entries[0].date)
    return replace(own, registration=_registration(own, path.name, beside, by_project=True))


def _registration(bet: Bet, file: str, lock: Path, *, by_project: bool = False) -> Registration:
    """Return since when a lock has a bet: the day of its text, or of an older one like it.

    Texts like it count up to the first that says something else. Otherwise a bet that was locked
    on other texts in between would keep its age.
    """
    of_file = [entry for entry in read_lock(lock) if entry.file == file]
    last = max(at for at, entry in enumerate(of_file) if entry.sha256 == bet.sha256)
    entries = list(takewhile(lambda one: _says(one, bet, lock), reversed(of_file[: last + 1])))
    return Registration(
        locked=min(entry.date for entry in entries),
        older=frozenset(entry.sha256 for entry in entries) - {bet.sha256},
        by_project=by_project,
    )


def _says(entry: Entry, bet: Bet, lock: Path) -> bool:
    """Return whether an entry's text says what a bet says, but may not name the users' texts yet.

    An older text that is lost, or that is no bet today, does not.
    """
    if entry.sha256 == bet.sha256:
        return True
    try:
        older = parse_bet(locked_text(entry, lock).encode(), kept_text(entry.sha256, lock))
    except BetError:
        return False
    return bet.same_as(older)


def check_design(bet: Bet, path: Path) -> None:
    """Check that a bet has the design of the shipped bet that it names by ``design_of``.

    Raises:
        BetError: there is no such bet, or its design is another.
    """
    if bet.design_of is None:
        return
    shipped = {other.id: other for _, other in _shipped()}
    if (of := shipped.get(bet.design_of)) is None:
        raise BetError(
            f"{path}: design_of = {bet.design_of!r}; expected the id of a shipped bet, one of "
            f"{', '.join(sorted(shipped))}"
        )
    changed = [words for key, words in _DESIGN.items() if getattr(bet, key) != getattr(of, key)]
    if changed:
        raise BetError(
            f"{path}: design_of = {bet.design_of!r}, but not its {', '.join(changed)}; expected "
            f"Bet {of.id}'s whole design, or no key 'design_of'"
        )


def _shipped() -> Iterator[tuple[Path, Bet]]:
    """Yield each shipped bet with its file."""
    for path in resource_path("bets").glob("*.toml"):
        yield path, load_bet(path)


def check_own(own: Bet, path: Path, *, first: date) -> None:
    """Check a bet that a LOCK beside it has had since the day ``first``.

    Raises:
        BetError: it was registered after that day, or has the id or name of another, shipped bet.
    """
    if own.registered > first:
        raise BetError(
            f"{path}: registered {own.registered}; expected no day after its first lock, {first}"
        )
    for shipped, other in _shipped():
        same = path.exists() and shipped.samefile(path)
        if (own.id == other.id or own.name == other.name) and not same:
            raise BetError(
                f"{path}: id {own.id!r}, name {own.name!r}; expected others than those of the "
                f"shipped Bet {other.id}"
            )
