"""The plan of a bet: which runs its labels stand for, user by user."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import product

from pytest_noisefloor.bets import OTHER, POOLED, Bet, Condition, parse_label
from pytest_noisefloor.data import Slice, User, open_arm
from pytest_noisefloor.errors import NoisefloorError
from pytest_noisefloor.specs import UNTRAINED
from pytest_noisefloor.stats import Scores
from pytest_noisefloor.training import METHODS

from .request import Request
from .runner import Runner


@dataclass(frozen=True)
class PlannedRun:
    """One adapter that a ``label`` of a bet stands for, and the held-out text it is scored on.

    ``user`` is whose held-out text that is. ``name`` is the adapter's name in results. ``runner``
    makes the adapter from ``request``. ``is_users_own`` says that the adapter is trained for this
    user with the bet's own method and learning rate.
    """

    label: str
    user: str
    name: str
    runner: Runner
    request: Request
    is_users_own: bool


@dataclass(frozen=True)
class Place:
    """A unit of a bet by what it is scored on: its user, slices, and the seeds of its adapters."""

    name: str
    user: User
    slices: tuple[Slice, ...]
    seeds: tuple[int, ...]


Scored = dict[str, list[list[Scores]]]
"""Scores by run name, then by slice, then by seed. Several runs can stand for one label."""


class Plan:
    """All runs that a bet needs for some users on one base."""

    def __init__(self, bet: Bet, runner: Runner, users: Sequence[User]) -> None:
        self._bet = bet
        self._runner = runner
        self._users = tuple(users)
        self._runners: dict[tuple[str, float], Runner] = {}
        self._runs: dict[tuple[str, str, int], tuple[PlannedRun, ...]] = {}

    def runs_for(self, label: str, user: User, seed: int) -> tuple[PlannedRun, ...]:
        """All runs that a label stands for, for one user and seed; the best of them counts.

        Raises:
            NoisefloorError: the label asks for other users' adapters, and there are no other users.
        """
        key = (label, user.name, seed)
        if key not in self._runs:  # kept, so that pooled text is joined and hashed once
            self._runs[key] = tuple(
                run
                for condition in parse_label(label)
                for run in self._runs_under(condition, label, user, seed)
            )
        if not self._runs[key]:
            raise NoisefloorError(
                f"Bet {self._bet.id}, {label!r}: no user but {user.name!r}; expected others"
            )
        return self._runs[key]

    def all_runs(self, seeds: Sequence[int]) -> Iterator[PlannedRun]:
        """All runs of the bet, user by user; each user's first run is the untrained base."""
        for user in self._users:
            yield from self.runs_for(UNTRAINED, user, 0)
            for seed in seeds:
                for label in self._bet.contrast.trained:
                    yield from self.runs_for(label, user, seed)

    def places(self, seeds: Sequence[int]) -> Iterator[Place]:
        """The bet's units: users, their slices, or cells (one seed and one slice)."""
        contrast = self._bet.contrast
        for user in self._users:
            if contrast.by_user:
                yield Place(user.name, user, user.heldout, tuple(seeds))
            elif contrast.by_pair:
                for piece in user.heldout:
                    yield Place(f"{user.name}, {piece.name}", user, (piece,), tuple(seeds))
            else:
                for seed, piece in product(seeds, user.heldout):
                    name = f"{user.name}, seed {seed}, {piece.name}"
                    yield Place(name, user, (piece,), (seed,))

    def scored(self, label: str, place: Place) -> Scored:
        """The scores of every run that stands for a label. The untrained base has one seed."""
        found: Scored = {}
        for piece in place.slices:
            by_name: dict[str, list[Scores]] = {}
            for seed in (0,) if label == UNTRAINED else place.seeds:
                for one in self.runs_for(label, place.user, seed):
                    scored = one.runner.scored(one.request, piece)
                    by_name.setdefault(one.name, []).append(scored)
            for name, of_seeds in by_name.items():
                found.setdefault(name, []).append(of_seeds)
        return found

    @property
    def users(self) -> tuple[User, ...]:
        """The users, as given."""
        return self._users

    @property
    def own_runner(self) -> Runner:
        """The runner of the denominator: its method and its rate."""
        own, *_ = parse_label(self._bet.contrast.denominator)
        return self._runner_for(own)

    def moved(self, user: User, seeds: Sequence[int]) -> float:
        """How far any value is from its start, in all the user's adapters by ``own_runner``."""
        return max(
            run.runner.moved(run.request)
            for label, seed in product(self._bet.contrast.trained, seeds)
            for run in self.runs_for(label, user, seed)
            if run.runner is self.own_runner and run.request.user.name == user.name
        )

    def _runs_under(
        self, condition: Condition, label: str, user: User, seed: int
    ) -> Iterator[PlannedRun]:
        """The runs of one condition: one for each other user if it asks for others, else one."""
        runner = self._runner_for(condition)
        if condition.source == UNTRAINED:
            request = Request(user, UNTRAINED)
            yield PlannedRun(label, user.name, UNTRAINED, runner, request, is_users_own=False)
            return
        source = condition.source
        if source not in (OTHER, POOLED):
            source = open_arm(source).name  # the name of a project's own arm, not its import path
        others = [other for other in self._users if other.name != user.name]
        is_users_own = condition.source not in (OTHER, POOLED) and runner is self._runner
        trained_for = [user]
        if condition.source == OTHER:
            # each adapter is another user's own; the held-out text is this user's
            trained_for = [replace(other, heldout=user.heldout) for other in others]
        elif condition.source == POOLED:
            text = "\n\n".join(other.train for other in others)
            trained_for = [replace(user, train=text)] if others else []
        for owner in trained_for:
            parts = (
                condition.method,
                source,
                owner.name if condition.source == OTHER else None,
                str(condition.lr) if condition.lr else None,
            )
            name = "-".join(filter(None, parts))
            request = Request(owner, condition.arm, seed)
            yield PlannedRun(label, user.name, name, runner, request, is_users_own)

    def _runner_for(self, condition: Condition) -> Runner:
        """The runner for a condition's method and learning rate; one for each pair of these."""
        registered = self._runner
        method = METHODS[condition.method] if condition.method else registered.method
        lr = condition.lr or registered.recipe.lr
        if (method.name, lr) == (registered.method.name, registered.recipe.lr):
            return registered
        if (method.name, lr) not in self._runners:
            self._runners[method.name, lr] = Runner(
                replace(registered.context, method=method, recipe=replace(registered.recipe, lr=lr))
            )
        return self._runners[method.name, lr]
