"""Comparisons within and between results: matrix, budget curve and Pareto front."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from typing import Any

from pytest_noisefloor.bets import OTHER, bet_roles
from pytest_noisefloor.specs import UNTRAINED
from pytest_noisefloor.stats import UserInference

from .collection import LoadedResult, quotient_record
from .errors import ResultError
from .files import errors_about
from .parts_measured import UnitPart
from .schema import ResultFile

# --- every adapter on every user --------------------------------------------------------------


@dataclass(frozen=True)
class Matrix:
    """Mean NLL in nats per token: a row for each user trained on, a column for each scored."""

    users: tuple[str, ...]
    nll: tuple[tuple[float, ...], ...]

    @property
    def perplexity(self) -> tuple[tuple[float, ...], ...]:
        """The matrix as perplexities."""
        return tuple(tuple(map(math.exp, row)) for row in self.nll)

    @property
    def over_mean(self) -> tuple[tuple[float, ...], ...]:
        """Nats per token above the mean of the column; negative if below."""
        means = [fmean(column) for column in zip(*self.nll, strict=True)]
        return tuple(
            tuple(x - mean for x, mean in zip(row, means, strict=True)) for row in self.nll
        )


def matrix(found: LoadedResult) -> Matrix:
    """Build the matrix from Bet 61's result; a user's own adapter is the denominator's.

    Raises:
        ResultError: a user has no mean under another user's adapter.
    """
    own = found.verdict.bet.contrast.denominator
    with errors_about(found.path):
        rows = {row.user: row for row in found.file.users}
        columns = {
            user: _others(row, tuple(rows)) | {user: row.nll(own)} for user, row in rows.items()
        }
        for scored, column in columns.items():
            for trained in rows:
                if trained not in column:
                    raise ResultError(f"{scored}: no mean NLL under the adapter of {trained!r}")
    return Matrix(
        tuple(rows),
        tuple(tuple(columns[scored][trained] for scored in rows) for trained in rows),
    )


def _others(row: UnitPart, users: Sequence[str]) -> dict[str, float]:
    """Return a user's mean NLL under each other user's adapter, by that user's name."""
    if OTHER in row.candidates:
        by_name = row.candidates[OTHER]
        return {name.removeprefix(f"{OTHER}-"): nll for name, nll in by_name.items()}
    others = [user for user in users if user != row.user]
    return {other: row.nll(OTHER) for other in others[:1]}  # a single other has no candidates


# --- the budget curve -------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class BudgetPoint:
    """One user at one rate and number of steps: quotients of perplexities with their bounds."""

    bet: str
    lr: float
    steps: int
    user: str
    figures: Mapping[str, Mapping[str, Any]]

    @property
    def budget(self) -> float:
        """The rate times the steps: how far AdamW could move a gain."""
        return self.lr * self.steps


FIGURES = ("ratio", "harm", "help", "oracle_help")


def budget(found: Mapping[str, LoadedResult]) -> tuple[BudgetPoint, ...]:
    """Return the budget curve, ordered by rate × steps, from results on one base by bet id."""
    points: list[BudgetPoint] = []
    for bet, one in found.items():
        if bet not in bet_roles().budget:
            continue
        recipe, reach = one.file.recipe, one.verdict.bet.contrast.reach
        resolved = {of.user: of for of in one.verdict.resolved}
        for effect in one.verdict.effects:
            help_of_oracle = _quotient(effect.nll, UNTRAINED, reach)
            values = (effect.ratio, effect.harm, effect.help, help_of_oracle)
            points.append(
                BudgetPoint(
                    bet=bet,
                    lr=recipe.lr,
                    steps=recipe.steps,
                    user=effect.user,
                    figures=_figures(values, resolved.get(effect.user)),
                )
            )
    return tuple(sorted(points, key=lambda point: (point.budget, point.steps)))


def _quotient(nll: Mapping[str, float], over: str, under: str) -> float | None:
    return math.exp(nll[over] - nll[under]) if {over, under} <= nll.keys() else None


def _figures(
    values: Sequence[float | None], resolved: UserInference | None
) -> dict[str, dict[str, Any]]:
    found = {}
    for name, value in zip(FIGURES, values, strict=True):
        if value is not None:
            bounds = getattr(resolved, "delta" if name == "ratio" else name, None)
            found[name] = quotient_record("value", value, bounds)
    return found


# --- what an adapter of each method costs -----------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class MethodCost:
    """A method's adapter size and training time, and the mean NLL of each user's held-out text.

    ``seconds`` is the mean over its trainings. ``dominated_by`` lists the methods that are no
    larger and no worse for any user, and better in at least one of these.
    """

    method: str
    trained_values: int
    bytes: int
    seconds: float
    nll: Mapping[str, float]
    dominated_by: tuple[str, ...] = ()


def pareto(found: LoadedResult) -> tuple[MethodCost, ...]:
    """Return the methods of Bet 49's result: the base alone, the bet's own method, then the others.

    Raises:
        ResultError: an adapter has no size or time, or sizes differ between users.
    """
    contrast, own = found.verdict.bet.contrast, found.file.method.name
    nll: dict[str, dict[str, float]] = {UNTRAINED: {}, own: {}}
    with errors_about(found.path):
        for row in found.file.users:
            nll[UNTRAINED][row.user] = row.nll(UNTRAINED)
            nll[own][row.user] = row.nll(contrast.denominator)
            for name, value in row.nll_by_adapter(contrast.numerator).items():
                nll.setdefault(name.removesuffix("-real"), {})[row.user] = value
        offers = [_offer(found.file, method, of) for method, of in nll.items()]
    return tuple(
        replace(one, dominated_by=tuple(o.method for o in offers if _dominates(o, one)))
        for one in offers
    )


def _offer(file: ResultFile, method: str, nll: Mapping[str, float]) -> MethodCost:
    if method == UNTRAINED:
        return MethodCost(method=method, trained_values=0, bytes=0, seconds=0, nll=nll)
    if missing := {row.user for row in file.users} - nll.keys():
        raise ResultError(f"no mean NLL of {method} for {', '.join(sorted(missing))}")
    adapters = [one for one in file.adapters if one.method == method]
    sizes = {(one.trained_values, one.bytes) for one in adapters}
    if len(sizes) != 1:
        raise ResultError(f"adapters of {method} of {len(sizes)} sizes; expected one")
    if untimed := [one.name for one in adapters if one.name not in file.times.training_s]:
        raise ResultError(f"times.training_s: key {untimed[0]!r} is missing; expected seconds")
    ((values, nbytes),) = sizes
    seconds = fmean(file.times.training_s[one.name] for one in adapters)
    return MethodCost(method=method, trained_values=values, bytes=nbytes, seconds=seconds, nll=nll)


def _dominates(one: MethodCost, other: MethodCost) -> bool:
    pairs = [(one.bytes, other.bytes), *((one.nll[u], other.nll[u]) for u in other.nll)]
    return all(a <= b for a, b in pairs) and any(a < b for a, b in pairs)
