"""Families of claims: those on one base and on the same texts, adjusted for their number."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from pytest_noisefloor.bets import assertion_p
from pytest_noisefloor.errors import NoisefloorError
from pytest_noisefloor.stats import ALPHA, holm

from .claim import Claim, ClaimError
from .evidence import Evidence, began
from .repository import Repository

ADJUSTED_SINCE = date(2026, 11, 26)
"""From this day on a claim must hold after adjustment. Its evidence's day counts as its own does,
so that no claim escapes by an earlier date."""

Judged = Callable[[Claim], Evidence | NoisefloorError]
"""What gives a claim's evidence, or why it cannot be judged."""


@dataclass(frozen=True, eq=False)
class _Member:
    """A claim of a family, with its evidence or the reason why that cannot be judged."""

    claim: Claim
    evidence: Evidence | NoisefloorError

    @property
    def p(self) -> float:
        """The p value of what it asserts; 1 if its evidence cannot be judged."""
        if isinstance(self.evidence, NoisefloorError):
            return 1.0
        p = assertion_p(self.evidence.verdict, self.claim.asserts)
        return 1.0 if p is None else p

    def shares_texts(self, other: _Member) -> bool:
        """Whether two claims have a text in common, or a user's name if a text is not known."""
        if isinstance(self.evidence, Evidence) and isinstance(other.evidence, Evidence):
            return not self.evidence.texts.isdisjoint(other.evidence.texts)
        return not set(self.claim.users).isdisjoint(other.claim.users)


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


def adjust(claim: Claim, repository: Repository, judged: Judged) -> Adjustment | None:
    """Adjust a claim for the number of claims in its family; None if it has no p value.

    The family has the claims of the repository on the same base that share a text with the claim,
    or with another claim of the family. Claims of NOT_MET and withdrawn claims do not count. A
    primary claim stays the only one though it is withdrawn, or one could follow another until one
    holds.

    Raises:
        ClaimError: two claims of the family are primary.
        NoisefloorError: the claim's own evidence cannot be judged.
    """
    if not claim.has_p:
        return None
    own, *others = _family(claim, repository, judged)
    if isinstance(own.evidence, NoisefloorError):
        raise own.evidence
    marked = [one.claim for one in (own, *others) if one.claim.primary]
    if len(marked) > 1:
        first, second = (_named(one, claim) for one in marked[:2])
        raise ClaimError(
            f"{claim.file}: claims {first} and {second} are both "
            "primary; expected one primary claim on one base and its texts, withdrawn claims "
            "included"
        )
    counted = [one for one in (own, *others) if one.claim.has_p and not one.claim.primary]
    ps = [one.p for one in counted]
    return Adjustment(
        claim=claim.id,
        p=own.p,
        adjusted=own.p if claim.primary else holm(ps)[0],
        place=1 + sum(p < own.p for p in ps),
        size=len(ps),
        primary=marked[0].id if marked else "",
        unjudged=tuple(
            _named(one.claim, claim) for one in counted if isinstance(one.evidence, NoisefloorError)
        ),
        unknown=repository.unknown,
        decides=claim.date >= ADJUSTED_SINCE or own.evidence.written >= began(ADJUSTED_SINCE),
    )


def _family(claim: Claim, repository: Repository, judged: Judged) -> list[_Member]:
    """Return the members of a claim's family; the first is the claim itself."""
    family = [_Member(claim, judged(claim))]
    rest = [
        _Member(one, judged(one))
        for one in repository.claims
        if (one.file, one.id) != (claim.file, claim.id)
        and _same_base(one, claim)
        and (one.has_p or one.primary)
    ]
    while more := [one for one in rest if any(map(one.shares_texts, family))]:
        family += more
        rest = [one for one in rest if one not in more]
    return family


def _same_base(one: Claim, other: Claim) -> bool:
    """Whether the digits that two claims give may be those of one base."""
    digits = min(len(one.fingerprint), len(other.fingerprint))
    return one.fingerprint[:digits] == other.fingerprint[:digits]


def _named(one: Claim, beside: Claim) -> str:
    return repr(one.id) if one.file == beside.file else f"{one.id!r} in {one.file}"
