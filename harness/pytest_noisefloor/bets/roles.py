"""The roles that registered bets play in a summary: ladder, budget curve, matrix, Pareto front."""

from __future__ import annotations

from functools import cache
from typing import Annotated

from pydantic import BaseModel

from pytest_noisefloor._files import STRICT, Table, read_toml, resource_path, validated
from pytest_noisefloor.errors import BetError


class RungRole(BaseModel):
    """One rung of the control ladder: the bet that measures it, and its label there."""

    model_config = STRICT

    rung: str
    bet: str
    label: str


class Roles(BaseModel):
    """The ids of the bets in each role; ``ladder`` is in the ladder's order."""

    model_config = STRICT

    larger_bases: Annotated[tuple[str, ...], Table()]
    budget: Annotated[tuple[str, ...], Table()]
    matrix: str
    pareto: str
    ladder: Annotated[tuple[RungRole, ...], Table()]


@cache
def bet_roles() -> Roles:
    """Return the roles of the registered bets, from ``fixtures/bets/ROLES``."""
    path = resource_path("bets", "ROLES")
    return validated(Roles, read_toml(path), str(path), BetError)
