"""Open registered bets by name, and anybody's own bet by the path of its file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import date
from pathlib import Path
from typing import Any

from pytest_noisefloor._files import resource_path
from pytest_noisefloor.errors import BetError

from .bet import Bet, Registration, load_bet
from .lock import check_lock, lock_entries, locked_since, locked_text, read_lock


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
    return replace(bet, registration=Registration(locked=locked_since(bet.sha256, lock)))


def open_bet(bet: str) -> Bet:
    """Open a registered bet by its name, or anybody's own bet by the path of its file (.toml).

    A file is registered, wherever it lies, if its text is in the shipped LOCK. It is registered by
    its own project if a LOCK in its folder names it. That LOCK is then enforced as the shipped one
    is.

    Raises:
        BetError: as ``registered_bet`` and ``load_bet``; or a bet under its own project's LOCK has
            the id or name of a shipped bet, was registered after it was locked, or has lost its
            locked text.
    """
    if not bet.endswith(".toml"):
        return registered_bet(bet)
    path = Path(bet)
    own, beside = load_bet(path), path.parent / "LOCK"
    if since := locked_since(own.sha256, resource_path("bets", "LOCK")):
        return replace(own, registration=Registration(locked=since))
    if not beside.is_file() or all(entry.file != path.name for entry in read_lock(beside)):
        return own
    check_lock(path, beside)
    entries = lock_entries(path.name, beside)
    locked_text(entries[-1], beside)
    check_own(own, path, first=entries[0].date)
    locked = locked_since(own.sha256, beside)
    return replace(own, registration=Registration(locked=locked, by_project=True))


def check_own(own: Bet, path: Path, *, first: date) -> None:
    """Check a bet that a LOCK beside it has had since the day ``first``.

    Raises:
        BetError: it was registered after that day, or has the id or name of another, shipped bet.
    """
    if own.registered > first:
        raise BetError(
            f"{path}: registered {own.registered}; expected no day after its first lock, {first}"
        )
    for shipped in resource_path("bets").glob("*.toml"):
        other = load_bet(shipped)
        if (own.id == other.id or own.name == other.name) and not shipped.samefile(path):
            raise BetError(
                f"{path}: id {own.id!r}, name {own.name!r}; expected others than those of the "
                f"shipped Bet {other.id}"
            )
