"""Registered bets: hypothesis, design, statistic and levels, as dated and locked data."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from enum import IntEnum
from fractions import Fraction
from functools import lru_cache
from pathlib import Path
from typing import Literal

from pytest_noisefloor._files import parse_toml, read_bytes, text_sha256, validated
from pytest_noisefloor.data import TextDigests
from pytest_noisefloor.errors import BetError
from pytest_noisefloor.specs import UNTRAINED, Recipe, Scoring
from pytest_noisefloor.stats import Contrast
from pytest_noisefloor.training import METHODS, is_method

from .bet_file import BetFile, LevelTable, Refused
from .conditions import ConditionError, parse_label
from .registration import Registration, Status


class Level(IntEnum):
    """The level of a verdict: ordered, exclusive, exhaustive."""

    CATASTROPHIC = 0
    NOT_MET = 1
    LENIENT = 2
    STRICT = 3


SLACK = 1e-12
"""Relative slack at a threshold, for rounding alone.

143/130 is exactly 1.1, while exp(log 143 − log 130) is 1.0999999999999999. The next published
quotient that could be meant, 142/130, misses the threshold by 7e-3.
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """A level's condition: the ratio is ``at least`` or ``below`` a threshold for enough users.

    ``fraction`` is the fraction of users that must satisfy it.
    """

    level: Level
    comparison: Literal["at least", "below"]
    threshold: float
    fraction: Fraction

    def n_required(self, users: int) -> int:
        """Return how many users must satisfy the condition: the fraction of them, rounded up."""
        return math.ceil(self.fraction * users)

    def is_met_by(self, quotient: float) -> bool:
        """Return whether a quotient of perplexities satisfies the condition."""
        bar = self.threshold * (1 - SLACK)
        return quotient >= bar if self.comparison == "at least" else quotient < bar

    def __str__(self) -> str:
        return self.of("user")

    def of(self, unit: str) -> str:
        """Describe the condition; ``unit`` is the word for what the bet counts."""
        return f"ratio {self.comparison} {self.threshold:g} on {self.share(unit)}"

    def share(self, unit: str) -> str:
        """Describe how many units must satisfy the condition."""
        return f"all {unit}s" if self.fraction == 1 else f"{self.fraction} of the {unit}s"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bet:
    """A bet as it stands in its file; ``sha256`` is the hash of that file.

    ``base`` is the base that the bet is about, or None if the session chooses it. ``planted`` marks
    a bet that only proves the machinery. ``design_of`` is the id of the shipped bet whose design
    this is, or None. ``texts`` has the digests of each user's texts; it is empty if the file has
    none. ``refused`` lists the candidates who were refused when the bet was registered.

    Raises:
        BetError: the method is unknown, the users or seeds are invalid, empty or repeated, the
            texts are not those of the users, a user was refused, a level has no criterion or
            several, two levels could both hold, a condition is compared with itself, or none uses
            the bet's own method.
    """

    id: str
    name: str
    title: str
    registered: date
    hypothesis: str
    method: str
    users: tuple[str, ...]
    seeds: tuple[int, ...]
    recipe: Recipe
    scoring: Scoring
    contrast: Contrast
    criteria: tuple[Criterion, ...]
    sha256: str
    base: str | None
    planted: bool
    design_of: str | None = None
    texts: Mapping[str, TextDigests] = field(default_factory=dict, hash=False)
    refused: tuple[Refused, ...] = ()
    registration: Registration = field(default_factory=Registration)

    def __post_init__(self) -> None:
        if not is_method(self.method):
            known = " or ".join(METHODS)
            raise BetError(
                f"method = {self.method!r}; expected {known} or an import path, as "
                "package.module:object"
            )
        for key, value in (("id", self.id), ("name", self.name)):
            if not re.fullmatch(r"[\w-]+", value):
                raise BetError(f"{key} = {value!r}; expected letters, digits, _ and -")
        for key, values, right, words in (
            ("users", self.users, all(self.users), "names"),
            ("seeds", self.seeds, all(n >= 0 for n in self.seeds), "whole numbers of 0 or more"),
        ):
            if not values or not right or len(set(values)) < len(values):
                raise BetError(f"{key} {list(values)}; expected {words}, each once, at least one")
        levels = sorted(c.level for c in self.criteria)
        if levels != [Level.CATASTROPHIC, Level.LENIENT, Level.STRICT]:
            raise BetError("expected one [[level]] each of STRICT, LENIENT, CATASTROPHIC")
        catastrophic, lenient, strict = sorted(self.criteria, key=lambda c: c.level)
        ways = [c.comparison for c in (catastrophic, lenient, strict)]
        if (
            ways != ["below", "at least", "at least"]
            or not catastrophic.threshold <= lenient.threshold <= strict.threshold
            or lenient.fraction > strict.fraction
            or catastrophic.fraction + lenient.fraction <= 1
        ):
            raise BetError(
                "levels that could hold together or out of order; expected CATASTROPHIC's bar at "
                "most LENIENT's, STRICT's bar and share at least LENIENT's, and the shares of "
                "LENIENT and CATASTROPHIC to add up to more than 1"
            )
        self._check_texts()
        self._check_conditions()

    @property
    def refused_names(self) -> tuple[str, ...]:
        """The names of the candidates who were refused: a session leaves them out of a folder."""
        return tuple(one.user for one in self.refused)

    def criterion(self, level: Level) -> Criterion:
        """The criterion of a level."""
        return next(c for c in self.criteria if c.level == level)

    def _check_texts(self) -> None:
        """Refuse texts of others than the users, and a user who was refused."""
        if self.texts and self.texts.keys() != set(self.users):
            raise BetError(
                f"texts of {', '.join(self.texts)}; expected those of the users, "
                f"{', '.join(self.users)}"
            )
        refused = self.refused_names
        if len({*self.users, *refused}) < len(self.users) + len(refused):
            raise BetError(f"refused {[*refused]}; expected each name once, and no user's")

    def _check_conditions(self) -> None:
        """Refuse a condition compared with itself, and comparisons without the bet's own method."""
        for key in ("numerator", "denominator", "reach"):
            try:
                parse_label(getattr(self.contrast, key))
            except ConditionError as error:
                raise BetError(f"{key} = {error}") from None
        whole = [
            replace(c, method=c.method or self.method, lr=c.lr or self.recipe.lr)
            for label in self.contrast.compared
            for c in parse_label(label)
        ]
        if len(set(whole)) < len(whole):
            labels = " against ".join(self.contrast.compared)
            raise BetError(f"{labels}: one condition twice, by the bet's own method and rate")
        own = (self.method, self.recipe.lr)
        if not any((c.method, c.lr) == own for c in whole if c.source != UNTRAINED):
            raise BetError(
                f"{' against '.join(self.contrast.compared)}: expected an adapter by the bet's "
                f"own method, {self.method}, at its own rate"
            )

    @property
    def controlled(self) -> bool:
        """Whether the user's own text is compared with random tokens at one method and rate.

        They may be fresh for ever (``random``) or a finite text (``random-text``).
        """
        (own, *more), rivals = map(parse_label, self.contrast.compared)
        controls = {replace(own, source=source) for source in ("random", "random-text")}
        return own.source == "real" and not more and not controls.isdisjoint(rivals)

    def status(self, *, planted: bool = False) -> Status:
        """Return the bet's standing; ``planted`` says that the base only proves the machinery."""
        if planted or self.planted:
            return Status.PLANTED
        return Status.REGISTERED if self.registration.holds else Status.UNREGISTERED

    def on(self, texts: Mapping[str, TextDigests]) -> Bet:
        """Return the bet as it stands on users' texts: it is registered for its own alone.

        A bet that names no texts is registered for none.
        """
        other = not self.texts or dict(texts) != dict(self.texts)
        return replace(self, registration=replace(self.registration, other_texts=other))

    def has_text(self, sha256: str) -> bool:
        """Return whether a hash is that of its text, or of an older one that says the same."""
        return sha256 == self.sha256 or sha256 in self.registration.older

    def same_as(self, older: Bet) -> bool:
        """Return whether an older text of the bet says the same, but may name no users' texts."""
        return older.texts in ({}, self.texts) and older.bare == self.bare

    @property
    def bare(self) -> Bet:
        """The bet without its texts, its hash and its registration."""
        bare: Bet = replace(self, texts={}, refused=(), sha256="", registration=Registration())
        return bare

    @property
    def registration_note(self) -> str:
        """When the bet was registered, by whom and with whose design, or that it is not locked."""
        if self.registration.locked is None:
            return f"{self.registered}, not locked"
        by = " by its own project" if self.registration.by_project else ""
        design = f" with Bet {self.design_of}'s design" if self.design_of else ""
        return f"registered {self.registered}{by}{design}"

    @property
    def why_unregistered(self) -> str:
        """Why a bet that is not planted is UNREGISTERED."""
        found = self.registration
        if found.altered:
            return "by another design than it registers"
        if found.locked is None:
            return "a bet of one's own"
        return f"Bet {self.id}'s design on texts that nobody registered"


def load_bet(path: Path) -> Bet:
    """Read a bet file.

    Raises:
        BetError: the file is not TOML, or has a key or value that a bet cannot have.
    """
    return parse_bet(read_bytes(path), path)


@lru_cache(maxsize=256)  # opening a bet reads the texts that were locked before it, too
def parse_bet(content: bytes, path: Path) -> Bet:
    """Read the content of a bet file, which ``path`` names in messages.

    Raises:
        BetError: the content is not TOML, or has a key or value that a bet cannot have.
    """
    file = validated(BetFile, parse_toml(content, path), str(path), BetError)
    design = file.design
    try:
        return Bet(
            id=file.id,
            name=file.name,
            title=file.title,
            registered=file.registered,
            hypothesis=file.hypothesis.strip(),
            method=design.method,
            users=design.users,
            seeds=design.seeds,
            recipe=design.recipe,
            scoring=design.scoring,
            contrast=file.statistic,
            criteria=tuple(map(_criterion, file.level)),
            sha256=text_sha256(content),
            base=design.base or None,
            planted=file.planted,
            design_of=file.design_of or None,
            texts=design.texts,
            refused=design.refused,
        )
    except BetError as error:
        raise BetError(f"{path}: {error}") from None


def _criterion(row: LevelTable) -> Criterion:
    return Criterion(
        level=Level[row.name],
        comparison="at least" if row.at_least else "below",
        threshold=row.at_least or row.below,
        fraction=Fraction(row.share),
    )
