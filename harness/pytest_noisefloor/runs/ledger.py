"""The ledger: one line for each verdict that was formed, each with the hash of the line before it.

A process adds lines to a file of its own, so that no two processes or machines write to one file.
A file's first line has the hash of the latest line in the store's other files, so that all files
are one tree. The verdicts of this project that are older than the ledger are in the shipped file
``ledger.jsonl``, which was filled in from LOG.md and the evidence.
"""

from __future__ import annotations

import heapq
import json
import os
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal
from uuid import uuid4

from pydantic import BaseModel, Field

from pytest_noisefloor._files import (
    STRICT,
    Expected,
    Table,
    read_bytes,
    resource_path,
    validated,
    write_atomically,
)
from pytest_noisefloor.errors import NoisefloorError
from pytest_noisefloor.specs import canonical_json, digest

if TYPE_CHECKING:
    from pytest_noisefloor.bets import Bet

    from .store import Store

_PROCESS = uuid4().hex
"""Part of the name of this process's file. A forked process has another process id."""


class LedgerError(NoisefloorError):
    """A ledger whose lines are not those that were written."""


def _is_time(words: str, _: object) -> bool:
    try:
        datetime.fromisoformat(words)
    except ValueError:
        return False
    return True


Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$"), Expected("64 hexadecimal digits")]

Attempt = tuple[str, str, str, tuple[str, ...], tuple[int, ...]]
"""What makes two verdicts the same: id and text of the bet, base, texts and seeds."""


class LedgerLine(BaseModel):
    """A line of the ledger: when a verdict was formed, of what, and its level.

    ``time`` is in UTC; a line that was filled in later may have the day alone. ``locked`` is the
    day since which the bet's text was locked; it is None if it was not, or if the bet was run by
    other seeds, on other texts or by another design than its own. ``texts`` has the SHA-256 of each
    user's training text and slices. ``source`` says from where a line was filled in later.
    ``sha256`` is over all else in the line. ``prev`` is the ``sha256`` of the line before.
    """

    model_config = STRICT

    time: Annotated[str, Expected("a time, as 2026-11-24T12:00:00+00:00, or a day", _is_time)]
    bet: str
    bet_sha256: Sha256
    locked: str | None
    base: str
    texts: Annotated[tuple[Sha256, ...], Table()]
    seeds: Annotated[tuple[int, ...], Table()]
    level: Literal["STRICT", "LENIENT", "NOT_MET", "CATASTROPHIC"]
    source: str | None = None
    prev: Sha256 | None
    sha256: Sha256

    @property
    def attempt(self) -> Attempt:
        """What makes two verdicts the same."""
        return self.bet, self.bet_sha256, self.base, self.texts, self.seeds

    @property
    def formed(self) -> datetime:
        """``time`` as a datetime; a day begins at midnight UTC."""
        found = datetime.fromisoformat(self.time)
        return found if found.tzinfo else found.replace(tzinfo=UTC)

    @property
    def is_whole(self) -> bool:
        """Whether the line is as it was written."""
        return self.sha256 == digest(self.model_dump(exclude_unset=True, exclude={"sha256"}))

    def is_of(self, bet: Bet, base: str, texts: Sequence[str], seeds: Sequence[int]) -> bool:
        """Whether the verdict was of this bet, by its text or an older one like it, and of these.

        Older texts that do not name the users' texts yet are like it.
        """
        found = self.bet, self.base, self.texts, self.seeds
        expected = bet.id, base, tuple(sorted(texts)), tuple(seeds)
        return found == expected and self.bet_sha256 in {bet.sha256, *bet.registration.older}

    def about(self, base: str, texts: Sequence[str]) -> bool:
        """Whether the verdict was on this base and on any of these texts."""
        return self.base == base and not set(texts).isdisjoint(self.texts)


class Ledger:
    """The ledger of a store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._folder = store.root / "ledger"

    def lines(self) -> tuple[LedgerLine, ...]:
        """All lines, each behind those that it rests on, and otherwise by time.

        Raises:
            LedgerError: a line was damaged, edited, moved or removed.
        """
        files = {path: read_ledger(path) for path in sorted(self._folder.glob("*.jsonl"))}
        known = {line.sha256: line for of_file in files.values() for line in of_file}
        for path, of_file in files.items():
            if of_file and of_file[0].prev not in (None, *known):
                raise _damaged(f"{path}:1", "the line before it is in no file beside it")
        behind: dict[str | None, list[tuple[datetime, str]]] = {}
        for line in known.values():
            behind.setdefault(line.prev, []).append((line.formed, line.sha256))
        found, ready = [], behind.pop(None, [])
        heapq.heapify(ready)
        while ready:
            _, sha256 = heapq.heappop(ready)
            found.append(known[sha256])
            for later in behind.pop(sha256, ()):
                heapq.heappush(ready, later)
        return tuple(found)

    def record(
        self, *, bet: Bet, base: str, texts: Sequence[str], seeds: Sequence[int], level: str
    ) -> tuple[LedgerLine, ...]:
        """Add a line for a verdict, unless there is one of the same; return the lines up to it.

        The shipped lines come first if any of them is about the base and the texts.

        Raises:
            LedgerError: as ``lines``.
        """
        verdict: dict[str, Any] = {
            "bet": bet.id,
            "bet_sha256": bet.sha256,
            "base": base,
            "texts": tuple(sorted(texts)),
            "seeds": tuple(seeds),
        }
        holds = bet.registration.holds and verdict["seeds"] == bet.seeds
        locked = bet.registration.locked if holds else None
        shipped = shipped_ledger()
        if not any(line.about(base, texts) for line in shipped):
            shipped = ()

        def so_far() -> tuple[LedgerLine, ...] | None:
            known = (*shipped, *self.lines())
            same = (at for at, line in enumerate(known) if line.is_of(bet, base, texts, seeds))
            return None if (at := next(same, None)) is None else known[: at + 1]

        if (found := so_far()) is not None:  # without the lock, which a read-only store refuses
            return found
        with self._store.lock("ledger"):
            if (found := so_far()) is not None:
                return found
            of_store = self.lines()
            known = (*shipped, *of_store)
            verdict["time"] = datetime.now(UTC).isoformat()
            verdict["locked"] = locked and locked.isoformat()
            verdict["level"] = level
            return (*known, self._append(verdict, of_store))

    def _append(self, verdict: Mapping[str, Any], known: Sequence[LedgerLine]) -> LedgerLine:
        """Add a line to this process's file, and return once it is on disk."""
        path = self._folder / f"{_PROCESS}-{os.getpid()}.jsonl"
        before = read_bytes(path, LedgerError) if path.is_file() else b""
        above = read_ledger(path) if before else known
        line = {**verdict, "prev": above[-1].sha256 if above else None}
        line["sha256"] = digest(line)
        # the file is replaced, so that it never ends in half a line
        write_atomically(path, before + f"{canonical_json(line)}\n".encode())
        return LedgerLine(**line)


@cache
def shipped_ledger() -> tuple[LedgerLine, ...]:
    """The verdicts of this project that are older than the ledger, oldest first.

    Raises:
        LedgerError: as ``read_ledger``.
    """
    return read_ledger(resource_path("ledger.jsonl"))


def read_ledger(path: Path) -> tuple[LedgerLine, ...]:
    """Read a file of a ledger, and check that each line rests on the one before.

    Raises:
        LedgerError: a line was damaged, edited, moved or removed.
    """
    found: list[LedgerLine] = []
    for number, text in enumerate(read_bytes(path, LedgerError).splitlines(), 1):
        where = f"{path}:{number}"
        try:
            line = validated(LedgerLine, json.loads(text), where, LedgerError)
        except (ValueError, RecursionError) as error:
            raise _damaged(where, f"not JSON ({error})") from None
        except LedgerError as error:
            raise _damaged(str(error)) from None
        if not line.is_whole:
            raise _damaged(where, "its sha256 is not that of the line")
        if found and line.prev != found[-1].sha256:
            raise _damaged(where, "its prev is not the sha256 of the line before")
        found.append(line)
    return tuple(found)


def _damaged(*words: str) -> LedgerError:
    return LedgerError(
        f"{': '.join(words)}; expected the lines as they were written. Restore the folder from a "
        "copy, or move it aside, and a new ledger begins"
    )
