"""Measure reach: the gradient at the untrained base, and steps down it. Nothing is trained."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pytest_noisefloor.bets import STEP, Bet, Forecast, UnitReach, has_reach, unit_reach
from pytest_noisefloor.data import User
from pytest_noisefloor.errors import NoisefloorError
from pytest_noisefloor.specs import GRADIENT, SCORER, UNTRAINED, GradientSpec, ScoreSpec
from pytest_noisefloor.stats import bin_sums, mean_nll

from .planning import Plan
from .request import Request
from .runner import Runner
from .task import Task

FRACTIONS = (0.25, 0.5, 1.0)
"""Sizes of the steps, as fractions of the distance r. Within r the NLL may rise again."""


@dataclass(frozen=True)
class Ask:
    """Asks how far a unit's NLL can fall within a distance. Its slices are ``user.heldout``."""

    unit: str
    user: User
    moved: float


@dataclass(frozen=True)
class _Specs:
    """What a unit's records depend on. Scores go by slice; ``steps`` by their size first."""

    gradient: GradientSpec
    untrained: tuple[ScoreSpec, ...]
    steps: Mapping[float, tuple[ScoreSpec, ...]]


def forecast(plan: Plan, bet: Bet, seeds: Sequence[int], *, planted: bool) -> Forecast:
    """Measure the reach of a bet's units before anything is trained, at rate × steps.

    Raises:
        NoisefloorError: the bet's levels do not measure what a user's own text does.
    """
    contrast, runner = bet.contrast, plan.own_runner
    if not has_reach(contrast):
        raise NoisefloorError(
            f"Bet {bet.id}: counts each {contrast.unit} by {contrast.numerator!r} against "
            f"{contrast.denominator!r}; reach is that of 'real', for users or cells"
        )
    far = dict.fromkeys(plan.users, runner.recipe.lr * runner.recipe.steps)
    return Forecast(
        bet=bet,
        base=runner.base.name,
        planted=planted,
        recipe=runner.recipe,
        method=runner.method.name,
        measured=tuple(measure_reach(plan, far, seeds[:1])),
    )


def measure_reach(plan: Plan, moved: Mapping[User, float], seeds: Sequence[int]) -> list[UnitReach]:
    """Measure the reach of a plan's units, each within its user's distance."""
    asked = [
        Ask(place.name, replace(place.user, heldout=place.slices), moved[place.user])
        for place in plan.places(seeds)
    ]
    return answer(plan.own_runner, asked)


def answer(runner: Runner, asked: Sequence[Ask]) -> list[UnitReach]:
    """Measure what is asked. What the store has is read from it."""
    runner.prepare([ask.user for ask in asked])
    planned = [(ask, _specs(runner, ask)) for ask in asked]
    tasks = {task.key: task for plan in planned for task in _tasks(runner, *plan)}
    runner.make(list(tasks.values()))
    return [_read(runner, *plan) for plan in planned]


def _specs(runner: Runner, ask: Ask) -> _Specs:
    base, pieces = Request(ask.user, UNTRAINED), ask.user.heldout
    gradient = GradientSpec(
        base=runner.base.fingerprint,
        method=runner.method_version,
        slices=tuple(runner.texts.slice_sha256(piece) for piece in pieces),
        scoring=runner.scoring,
        prefix=runner.base.facts.prefix,
        scorer=SCORER,
        gradient=GRADIENT,
        kernel=runner.kernel,
        device=runner.device,
        torch=runner.torch,
    )
    untrained = tuple(runner.score_spec(base, piece) for piece in pieces)
    steps = {
        size: tuple(
            replace(one, adapter=f"step of {size!r} down {gradient.key}") for one in untrained
        )
        for size in (fraction * ask.moved for fraction in FRACTIONS)
    }
    return _Specs(gradient, untrained, steps)


def _tasks(runner: Runner, ask: Ask, specs: _Specs) -> list[Task]:
    base, pieces = Request(ask.user, UNTRAINED), ask.user.heldout
    untrained = [runner.scoring_task(base, piece) for piece in pieces]
    gradient = Task(
        kind="gradients",
        key=specs.gradient.key,
        request=base,
        spec=specs.gradient,
        cost=2 * runner.scoring_cost * len(pieces),
    )
    steps = [
        replace(task, key=spec.key, spec=spec, needs=("gradients", gradient.key), step=size)
        for size, of_slices in specs.steps.items()
        for task, spec in zip(untrained, of_slices, strict=True)
    ]
    return [*untrained, gradient, *steps]


def _read(runner: Runner, ask: Ask, specs: _Specs) -> UnitReach:
    found = {
        size: [runner.read_scores(spec) for spec in of_slices]
        for size, of_slices in specs.steps.items()
    }
    best = min(found, key=lambda size: mean_nll([one.nll for one in found[size]]))
    untrained = [runner.read_scores(spec) for spec in specs.untrained]
    slices = [
        {UNTRAINED: [before], STEP: [after]}
        for before, after in zip(untrained, found[best], strict=True)
    ]
    facts = runner.read("gradients", specs.gradient.key).facts
    return unit_reach(
        moved=ask.moved,
        norm=facts["norm"] if facts["first_order"] else None,
        step=best,
        bins=bin_sums(ask.unit, slices),
    )
