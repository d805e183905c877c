"""Families of claims: those on one base and on the same texts, adjusted for their number."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path

from pytest_noisefloor.bets import assertion_p
from pytest_noisefloor.errors import NoisefloorError
from pytest_noisefloor.stats import ALPHA, holm

from .claim import Claim, ClaimError
from .evidence import Evidence, began
from .repository import Repository

ADJUSTED_SINCE = date(2026, 11, 26)
"""From this day on a claim must hold after adjustment. Its evidence's day counts as its own does,
so that no claim escapes by an earlier date."""

DIGITS = 12
"""The least digits of a fingerprint that a claim may give."""

Judged = Callable[[Claim], Evidence | NoisefloorError]
"""What gives a claim's evidence, or why it cannot be judged."""


@dataclass(frozen=True, eq=False)
class _Member:
    """A claim of a family, with its evidence or the reason why that cannot be judged."""

    claim: Claim
    evidence: Evidence | NoisefloorError

    @cached_property
    def p(self) -> float:
        """The p value of what it asserts; 1 if its evidence cannot be judged."""
        if isinstance(self.evidence, NoisefloorError):
            return 1.0
        p = assertion_p(self.evidence.verdict, self.claim.asserts)
        return 1.0 if p is None else p

    @property
    def key(self) -> tuple[Path, str]:
        """The claim's file and id."""
        return self.claim.file, self.claim.id


@dataclass(frozen=True, kw_only=True)
class Adjustment:
    """A claim's p value, adjusted for the claims on the same base and texts (Holm).

    ``place`` is its place among ``size`` of them, from the smallest p value. The family's primary
    claim is not adjusted and not among them: ``primary`` is its id, or empty. ``unjudged`` are
    claims that count with p = 1, and ``unknown`` says why others are not known. ``decides`` says
    whether the claim must hold after adjustment.
    """

    claim: str
    p: float
    adjusted: float
    place: int
    size: int
    primary: str
    unjudged: tuple[str, ...]
    unknown: tuple[str, ...]
    decides: bool

    @property
    def sentence(self) -> str:
        """The adjustment in words."""
        if self.primary == self.claim:
            others = f"{self.size} other claim{'' if self.size == 1 else 's'}"
            said = [f"Primary, so not adjusted for {others} {_HERE}: p {self.p:.3g}."]
        elif self.size == 1:
            said = [f"Not adjusted, since there is no other claim {_HERE}: p {self.p:.3g}."]
        else:
            said = [
                f"{self.place} of {self.size}, adjusted p {self.adjusted:.3g}: of the {self.size} "
                f"claims {_HERE} its p value, {self.p:.3g}, is number {self.place} from the "
                "smallest (Holm)."
            ]
        if self.primary not in ("", self.claim):
            said.append(f"The primary claim, {self.primary!r}, is not counted.")
        if self.unjudged:
            unjudged = ", ".join(self.unjudged)
            said.append(f"Counted with p = 1, since the evidence cannot be judged: {unjudged}.")
        if self.unknown:
            said.append(f"Further claims are not known ({'; '.join(self.unknown)}).")
        if not self.decides and self.adjusted >= ALPHA:
            said.append(f"Only claims from {ADJUSTED_SINCE} on are held to it.")
        return " ".join(said)

    @property
    def fault(self) -> str:
        """Why the claim does not hold after adjustment; empty if it does, or need not."""
        if not self.decides:
            return ""
        if self.unknown:
            return (
                "The claim cannot be adjusted for the number of claims, since they are not all "
                f"known: {'; '.join(self.unknown)}."
            )
        if self.adjusted < ALPHA:
            return ""
        if self.primary == self.claim or self.size == 1:
            return f"The claim's p value, {self.p:.3g}, is not below {ALPHA:g}. {_MORE}."
        return (
            f"Adjusted for the {self.size} claims {_HERE}, the claim's p value of {self.p:.3g} is "
            f"{self.adjusted:.3g}, which is not below {ALPHA:g}: of so many claims one like it may "
            f"come out by chance. {_MORE}. One claim of them all, chosen before its result was "
            "known, can be marked primary = true: it is not adjusted, and the others are adjusted "
            "without it."
        )


_HERE = "on this base and these texts"

_MORE = "Measure more text or more seeds, or withdraw the claim"


class Families:
    """The families of a repository's claims, each adjusted once.

    A family has claims on the same base that share a text with each other, or with another claim of
    the family; where a claim's evidence cannot be judged, a user's name stands for the texts.
    Claims of NOT_MET and withdrawn claims do not count. A primary claim stays the only one though
    it is withdrawn, or one could follow another until one holds.
    """

    def __init__(self, repository: Repository, judged: Judged) -> None:
        self._unknown = repository.unknown
        members = [
            _Member(one, judged(one)) for one in repository.claims if one.has_p or one.primary
        ]
        self._members = {one.key: one for one in members}
        self._family: dict[tuple[Path, str], _Family] = {}
        for family in map(_Family, _joined(members)):
            self._family |= dict.fromkeys((one.key for one in family.members), family)

    def adjustment(self, claim: Claim) -> Adjustment | None:
        """Adjust a claim for the number of claims in its family; None if it has no p value.

        Raises:
            ClaimError: two claims of the family are primary.
            NoisefloorError: the claim's own evidence cannot be judged.
        """
        if not claim.has_p:
            return None
        own = self._members[claim.file, claim.id]
        family = self._family[own.key]
        if isinstance(own.evidence, NoisefloorError):
            raise own.evidence
        if len(family.primary) > 1:
            first, second = (_named(one, claim) for one in family.primary[:2])
            raise ClaimError(
                f"{claim.file}: claims {first} and {second} are both "
                "primary; expected one primary claim on one base and its texts, withdrawn claims "
                "included"
            )
        return Adjustment(
            claim=claim.id,
            p=own.p,
            adjusted=own.p if claim.primary else family.adjusted[own.key],
            place=1 + bisect_left(family.ps, own.p),
            size=len(family.ps),
            primary=family.primary[0].id if family.primary else "",
            unjudged=tuple(_named(one, claim) for one in family.unjudged),
            unknown=self._unknown,
            decides=claim.date >= ADJUSTED_SINCE or own.evidence.written >= began(ADJUSTED_SINCE),
        )


class _Family:
    """Claims of one family: those that count, their p values in order, and those adjusted."""

    def __init__(self, members: Sequence[_Member]) -> None:
        self.members = members
        self.primary = [one.claim for one in members if one.claim.primary]
        counted = [one for one in members if one.claim.has_p and not one.claim.primary]
        p = {one.key: one.p for one in counted}
        self.ps = sorted(p.values())
        self.adjusted = dict(zip(p, holm([*p.values()]), strict=True)) if p else {}
        self.unjudged = [one.claim for one in counted if isinstance(one.evidence, NoisefloorError)]


def _joined(members: Sequence[_Member]) -> Iterator[list[_Member]]:
    """Join the claims that share a base and a text, directly or through others.

    Two claims with evidence share a text if its digest is the same. A claim whose evidence cannot
    be judged shares with whoever has a user of its name.
    """
    unjudged = [one for one in members if isinstance(one.evidence, NoisefloorError)]
    by_name = {(_base(one.claim), name) for one in unjudged for name in one.claim.users}
    holders: dict[tuple[str, str], list[_Member]] = {}
    shared: dict[tuple[Path, str], list[tuple[str, str]]] = {}
    for one in members:
        base = _base(one.claim)
        keys = [(base, name) for name in one.claim.users if (base, name) in by_name]
        if isinstance(one.evidence, Evidence):
            keys += [(base, digest) for digest in one.evidence.texts]
        shared[one.key] = keys
        for key in keys:
            holders.setdefault(key, []).append(one)
    order = {one.key: at for at, one in enumerate(members)}
    seen: set[tuple[Path, str]] = set()
    for first in members:
        if first.key in seen:
            continue
        family, waiting = [], [first]
        seen.add(first.key)
        while waiting:
            one = waiting.pop()
            family.append(one)
            for key in shared[one.key]:
                for other in holders.pop(key, ()):  # each once, since all of them are joined now
                    if other.key not in seen:
                        seen.add(other.key)
                        waiting.append(other)
        yield sorted(family, key=lambda one: order[one.key])


def _base(claim: Claim) -> str:
    """The digits that every claim gives of its base: no two bases of one repository share them."""
    return claim.fingerprint[:DIGITS]


def _named(one: Claim, beside: Claim) -> str:
    return repr(one.id) if one.file == beside.file else f"{one.id!r} in {one.file}"
