"""The parts that registered bets play in a summary: ladder, budget curve, matrix, Pareto front."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from pytest_noisefloor._files import read_toml, resource_path


@dataclass(frozen=True, slots=True)
class RungRole:
    """One rung of the control ladder: the bet whose result has it, and its label there."""

    rung: str
    bet: str
    label: str


@dataclass(frozen=True, slots=True)
class Roles:
    """Ids of bets by the part that each plays; ``ladder`` is in the ladder's order."""

    larger_bases: tuple[str, ...]
    budget: tuple[str, ...]
    matrix: str
    pareto: str
    ladder: tuple[RungRole, ...]


@cache
def bet_roles() -> Roles:
    """The roles of the registered bets, as ``fixtures/bets/ROLES`` has them."""
    content = read_toml(resource_path("bets", "ROLES"))
    return Roles(
        larger_bases=tuple(content["larger_bases"]),
        budget=tuple(content["budget"]),
        matrix=content["matrix"],
        pareto=content["pareto"],
        ladder=tuple(RungRole(**row) for row in content["ladder"]),
    )
