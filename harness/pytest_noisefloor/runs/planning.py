"""Line-up: which runs stand for a bet's labels, user by user."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from pytest_noisefloor.bets import OTHER, POOLED, Bet, Condition, parse_label
from pytest_noisefloor.data import User, open_arm
from pytest_noisefloor.errors import NoisefloorError
from pytest_noisefloor.specs import UNTRAINED
from pytest_noisefloor.training import METHODS

from .request import Request
from .runner import Runner


@dataclass(frozen=True)
class PlannedRun:
    """One adapter that stands for a ``label`` of a ``user``: its name in results, and its maker.

    ``is_users_own`` says that it is an arm of the user's by the bet's own method and rate.
    """

    label: str
    user: str
    name: str
    runner: Runner
    request: Request
    is_users_own: bool


class Plan:
    """The entrants of a bet's labels, for users on one base."""

    def __init__(self, bet: Bet, runner: Runner, users: Sequence[User]) -> None:
        self._bet = bet
        self._runner = runner
        self._users = tuple(users)
        self._runners: dict[tuple[str, float], Runner] = {}
        self._found: dict[tuple[str, str, int], tuple[PlannedRun, ...]] = {}

    def runs_for(self, label: str, user: User, seed: int) -> tuple[PlannedRun, ...]:
        """All that stand for a label of one user and seed; the best of them counts.

        Raises:
            NoisefloorError: others are asked for, and there are none.
        """
        key = (label, user.name, seed)
        if key not in self._found:  # texts of others are joined and hashed once
            self._found[key] = tuple(
                entrant
                for condition in parse_label(label)
                for entrant in self._of(label, condition, user, seed)
            )
        if not self._found[key]:
            raise NoisefloorError(
                f"Bet {self._bet.id}, {label!r}: no user but {user.name!r}; expected others"
            )
        return self._found[key]

    def everything(self, seeds: Sequence[int]) -> Iterator[PlannedRun]:
        """All entrants, user by user, the base alone first."""
        for user in self._users:
            yield from self.runs_for(UNTRAINED, user, 0)
            for seed in seeds:
                for label in self._bet.contrast.trained:
                    yield from self.runs_for(label, user, seed)

    def _of(self, label: str, condition: Condition, user: User, seed: int) -> Iterator[PlannedRun]:
        runner = self._made_by(condition)
        if condition.source == UNTRAINED:
            request = Request(user, UNTRAINED)
            yield PlannedRun(label, user.name, UNTRAINED, runner, request, is_users_own=False)
            return
        source = condition.source
        if source not in (OTHER, POOLED):
            source = open_arm(source).name  # of one's own its name, not its import path
        others = [other for other in self._users if other.name != user.name]
        is_users_own = condition.source not in (OTHER, POOLED) and runner is self._runner
        trained = [user]
        if condition.source == OTHER:
            # the adapter is the other's own, the held-out text this user's
            trained = [replace(other, heldout=user.heldout) for other in others]
        elif condition.source == POOLED:
            trained = [replace(user, train="\n\n".join(other.train for other in others))]
        for one in trained:
            named = (
                condition.method,
                source,
                one.name if condition.source == OTHER else None,
                str(condition.lr) if condition.lr else None,
            )
            name = "-".join(filter(None, named))
            request = Request(one, condition.arm, seed)
            yield PlannedRun(label, user.name, name, runner, request, is_users_own)

    def _made_by(self, condition: Condition) -> Runner:
        """The runner of a condition's method and rate: one for each pair."""
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
