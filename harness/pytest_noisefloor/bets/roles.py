"""The roles that registered bets play in a summary: ladder, budget curve, matrix, Pareto front."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from pytest_noisefloor._files import read_toml, resource_path


@dataclass(frozen=True, slots=True)
class RungRole:
    """One rung of the control ladder: the bet that measures it, and its label there."""

    rung: str
    bet: str
    label: str


@dataclass(frozen=True, slots=True)
class Roles:
    """The ids of the bets in each role; ``ladder`` is in the ladder's order."""

    larger_bases: tuple[str, ...]
    budget: tuple[str, ...]
    matrix: str
    pareto: str
    ladder: tuple[RungRole, ...]


@cache
def bet_roles() -> Roles:
    """Return the roles of the registered bets, from ``fixtures/bets/ROLES``."""
    content = read_toml(resource_path("bets", "ROLES"))
    return Roles(
        larger_bases=tuple(content["larger_bases"]),
        budget=tuple(content["budget"]),
        matrix=content["matrix"],
        pareto=content["pareto"],
        ladder=tuple(RungRole(**row) for row in content["ladder"]),
    )
