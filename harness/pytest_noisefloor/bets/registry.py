"""The registered bets, and somebody's own by the path of a bet file."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from pytest_noisefloor._files import resource_path
from pytest_noisefloor.errors import BetError

from .bet import Bet, Registration, load_bet
from .lock import check_lock, lock_entries, locked_since, locked_text, read_lock


def other_design(content: Mapping[str, Any], bet: Bet) -> str:
    """In what a result file's content was made otherwise than a bet registers, in words."""
    of = {**asdict(bet.recipe), **asdict(bet.scoring), "seeds": list(bet.seeds)}
    made = content.get("recipe", {}) | content.get("scoring", {}) | {"seeds": content.get("seeds")}
    differ = {key: value for key, value in of.items() if made.get(key) not in (None, value)}
    return ", ".join(f"{key} {made[key]}, not {value}" for key, value in differ.items())


def registered_bet(name: str) -> Bet:
    """A shipped bet (``bet60``), if its file is the one that was locked.

    Raises:
        BetError: no such bet, or its file changed without a dated amendment in
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
    """A registered bet by its name, or one of somebody's own by the path of its file (.toml).

    A file whose text was locked here is registered wherever it lies. One that a LOCK of its own
    folder names is registered by its own project, and that lock holds for it as ours does for ours.

    Raises:
        BetError: as ``registered_bet`` and ``load_bet``; or a file of one's own under such a lock
            that has the id or name of a shipped bet, was registered after it was locked, or whose
            locked text is not kept.
    """
    if not bet.endswith(".toml"):
        return registered_bet(bet)
    path = Path(bet)
    own, beside = load_bet(path), path.parent / "LOCK"
    if since := locked_since(own.sha256, resource_path("bets", "LOCK")):
        return replace(own, registration=Registration(locked=since))
    if not beside.is_file() or all(file != path.name for file, _ in read_lock(beside)):
        return own
    check_lock(path, beside)
    entries = lock_entries(path.name, beside)
    locked_text(entries[-1], beside)
    if own.registered > entries[0].date:
        raise BetError(f"{path}: registered {own.registered}, but first {entries[0]}")
    for other in map(load_bet, resource_path("bets").glob("*.toml")):
        if own.id == other.id or own.name == other.name:
            raise BetError(
                f"{path}: id {own.id!r}, name {own.name!r}; expected others than those of the "
                f"shipped Bet {other.id}"
            )
    locked = locked_since(own.sha256, beside)
    return replace(own, registration=Registration(locked=locked, by_project=True))
