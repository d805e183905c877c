"""The standing of a bet: since when it is locked, and whether it was run as it was locked."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum


class Status(StrEnum):
    """The standing of a bet: only a registered bet, run as registered, proves a criterion."""

    REGISTERED = "REGISTERED"
    UNREGISTERED = "UNREGISTERED"
    PLANTED = "PLANTED"

    def prefix(self, separator: str) -> str:
        """Return what to print before a statement about a bet; empty for a registered bet."""
        return "" if self is Status.REGISTERED else f"{self}{separator}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What is known of a bet besides its text.

    ``locked`` is the day from which a lock has the bet, or None if no lock has it. ``older`` has
    the hashes of older locked texts that say the same, but may not name the users' texts yet.
    ``by_project`` says that another project locked it. ``altered`` says that the bet was run with a
    different design from its file's, and ``other_texts`` that it was run on other texts.
    """

    locked: date | None = None
    older: frozenset[str] = frozenset()
    by_project: bool = False
    altered: bool = False
    other_texts: bool = False

    @property
    def holds(self) -> bool:
        """Whether the bet was locked, and run as it was locked."""
        return self.locked is not None and not (self.altered or self.other_texts)

    @property
    def on_other_texts_alone(self) -> bool:
        """Whether a locked bet was run as it registers, but on other texts."""
        return self.other_texts and self.locked is not None and not self.altered
