"""The ledger's lines in a result file, and what they say: the how many-th verdict this is."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_noisefloor.runs import LedgerLine, shipped_ledger

from .errors import ResultError
from .parts_ledger import LedgerPart
from .parts_measured import UnitPart

if TYPE_CHECKING:
    from pytest_noisefloor.bets import Bet

    from .building import Unit
    from .schema import ResultFile

DIGITS = 16
"""Digits of a line's hash that stand for the line: enough to tell thousands of lines apart."""


@dataclass(frozen=True)
class Attempts:
    """The number of a verdict among those on its base and on any of its texts, from 1 on.

    ``unlocked`` is how many of them, itself included, were by bets that were not locked.
    """

    number: int
    unlocked: int

    def __str__(self) -> str:
        unlocked = f" (by unlocked bets: {self.unlocked})" if self.unlocked else ""
        return f"the {ordinal(self.number)} verdict on these texts{unlocked}"


def ordinal(number: int) -> str:
    """Return a number as 1st, 2nd, 3rd, 4th, and so on."""
    teen = number % 100 // 10 == 1
    return f"{number}{'th' if teen else {1: 'st', 2: 'nd', 3: 'rd'}.get(number % 10, 'th')}"


def text_digests(units: Sequence[Unit | UnitPart]) -> tuple[str, ...]:
    """Return the SHA-256 of each training text and slice of units, sorted."""
    found = {unit.train_sha256 for unit in units}
    found |= {piece.sha256 for unit in units for piece in unit.slices}
    return tuple(sorted(found))


def ledger_parts(
    lines: Iterable[LedgerLine], base: str, texts: Sequence[str]
) -> tuple[LedgerPart, ...]:
    """Return the lines about a base and any of the texts; of the lines between, their hashes."""
    parts, between = [], []
    for line in lines:
        if not line.about(base, texts):
            between.append(line.sha256[:DIGITS])
            continue
        fields = line.model_dump(exclude_unset=True)
        if line.texts == tuple(texts):
            del fields["texts"]
        if between:
            fields["between"] = tuple(between)
        parts.append(LedgerPart(**fields))
        between = []
    return tuple(parts)


def attempts(file: ResultFile, bet: Bet) -> Attempts | None:
    """Count the verdicts on the base and texts of a result of a bet, up to its own.

    They are counted from the file's own lines. If it has none, they are counted from the shipped
    lines, up to the file's own or to the time when it was written. None if none is about them.

    Raises:
        ResultError: the file's lines are not an unbroken chain that ends with its own line.
    """
    texts = text_digests(file.users)
    of = bet, file.base.fingerprint, texts, file.seeds
    if file.ledger:
        lines = _checked(file.ledger, texts)
        if not lines[-1].is_of(*of):
            raise ResultError("ledger: the last line is about another result; expected this one")
    else:
        lines = [line for line in shipped_ledger() if line.about(file.base.fingerprint, texts)]
        ends = [at for at, line in enumerate(lines, 1) if line.is_of(*of)]
        written = file.times.written_at
        lines = lines[: ends[0]] if ends else [one for one in lines if one.formed <= written]
    if not lines:
        return None
    distinct = {line.attempt: line for line in reversed(lines)}  # the first of each
    return Attempts(
        number=len(distinct) + (not any(line.is_of(*of) for line in lines)),
        unlocked=sum(line.locked is None for line in distinct.values()),
    )


def _checked(parts: Iterable[LedgerPart], texts: tuple[str, ...]) -> list[LedgerLine]:
    """Return a result file's lines, if each is whole and none that one rests on is missing.

    A line on which only lines between rest can be missing unnoticed, since of those the file has
    the hashes alone.

    Raises:
        ResultError: a line is not whole, or one that it rests on is missing.
    """
    lines: list[LedgerLine] = []
    known: set[str] = set()
    for at, part in enumerate(parts):
        fields = {"texts": texts, **part.model_dump(exclude_unset=True, exclude={"between"})}
        line = LedgerLine(**fields)
        known.update(part.between)
        if not line.is_whole or (line.prev and line.prev[:DIGITS] not in known):
            raise ResultError(
                f"ledger[{at}]: not as it was written, or the line before it is missing; expected "
                "an unbroken chain"
            )
        known.add(line.sha256[:DIGITS])
        lines.append(line)
    return lines
