"""Run one bet on one base: plan, runs, effects, verdict, files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from pytest_noisefloor.bets import Bet, Forecast, UnitReach, Verdict, assess, has_reach
from pytest_noisefloor.data import Slice, SliceLeak, User, check_contamination
from pytest_noisefloor.results import (
    LeakPart,
    SlicePart,
    Unit,
    effect_record,
    result,
    write_result,
)
from pytest_noisefloor.runs import (
    Adapter,
    Ask,
    Plan,
    PlannedRun,
    Request,
    Runner,
    export_adapters,
    measure_reach,
)
from pytest_noisefloor.stats import Effect, Scores, bin_sums, encode_sums, jensen_shannon, mean_nll

from .errors import NoisefloorError
from .specs import UNTRAINED

Place = tuple[str, User, tuple[Slice, ...], tuple[int, ...]]
"""A unit: its name, its user, the slices that it is scored on, and the seeds of its adapters."""

Scored = dict[str, list[list[Scores]]]
"""Scores by run name, then by slice, then by seed. Several runs can stand for one label."""


class Experiment:
    """One bet on one base and its users. Nothing is trained or scored until it is asked for.

    Raises:
        LeakError: a user's training text contains held-out text or another user's text.
    """

    def __init__(
        self, *, bet: Bet, runner: Runner, users: Sequence[User], seeds: Sequence[int], out: Path
    ) -> None:
        self.bet = bet
        self.runner = runner
        self.users = tuple(users)
        self.seeds = tuple(seeds)
        self.out = out
        self._plan = Plan(bet, runner, users)
        self._leaks = check_contamination(self.users)

    @property
    def planted(self) -> bool:
        """Whether this experiment only proves the machinery."""
        return self.bet.planted or self.runner.base.planted

    @property
    def _prefix(self) -> str:
        return self.bet.status(planted=self.planted).prefix("_")

    def adapter(self, user: str, arm: str) -> Adapter:
        """Return a user's adapter for the first seed. It is trained if the store lacks it.

        Raises:
            NoisefloorError: there is no such user.
        """
        for candidate in self.users:
            if candidate.name == user:
                return self.runner.adapter(Request(candidate, arm, self.seeds[0]))
        names = ", ".join(u.name for u in self.users)
        raise NoisefloorError(f"user {user!r}: expected one of {names}")

    @cached_property
    def verdict(self) -> Verdict:
        """The verdict over all units. Computing it also writes the adapter and result files."""
        self._check_names()
        planned = list(self._plan.all_runs(self.seeds))
        for runner in dict.fromkeys(run.runner for run in planned):
            runner.complete([run.request for run in planned if run.runner is runner])
        self._check_that_arms_differ()
        every = list(self._units())
        units = list(_distinct(every))
        kept = {one.effect.user for one in units}
        verdict = assess(
            self.bet,
            [one.effect for one in units],
            [one.bin_sums for one in units],
            planted=self.planted,
            divergences=[one.divergence for one in units if one.divergence is not None],
            reachable=[one.reach for one in units if one.reach is not None],
        )
        exported = export_adapters(
            planned, self.out, bet=self.bet, prefix=self._prefix, first_seed=self.seeds[0]
        )
        file = result(
            bet=self.bet,
            runner=self.runner,
            seeds=self.seeds,
            verdict=verdict,
            units=units,
            repeats=[one.effect.user for one in every if one.effect.user not in kept],
            exported=exported,
        )
        write_result(self.result_path, file.content)
        return verdict

    def _check_names(self) -> None:
        """Refuse two users whose adapter files would have the same name.

        Raises:
            NoisefloorError: there are two such users; the message names them.
        """
        names = {user.name for user in self.users}
        for user in self.users:
            for seed in self.seeds[1:]:
                if (other := f"{user.name}_seed{seed}") in names:
                    raise NoisefloorError(
                        f"users {user.name!r} and {other!r}: their adapter files would have the "
                        "same name; rename one user"
                    )

    @property
    def result_path(self) -> Path:
        """The path of the result file, whose content docs/results.md describes."""
        return self.out / "results" / f"{self._prefix}{self.bet.name}.json"

    def _check_that_arms_differ(self) -> None:
        """Refuse identical adapters from two arms, because the arms' tokens differ.

        Raises:
            NoisefloorError: two arms left the same adapter.
        """
        labels = self.bet.contrast.compared
        for user, seed in product(self.users, self.seeds):
            one, other = (self._plan.runs_for(label, user, seed) for label in labels)
            for a, b in product(one, other):
                if a.runner is b.runner and UNTRAINED not in (a.name, b.name):
                    _check_different(a, b)

    # --- from scores to units -------------------------------------------------------------

    def _units(self) -> Iterator[Unit]:
        """Yield the units: users, slices that the bet pairs, or cells (one seed and one slice)."""
        contrast, texts = self.bet.contrast, self.runner.texts
        reach: dict[str, UnitReach] = {}
        if has_reach(contrast):
            moved = {user: self._plan.moved(user, self.seeds) for user in self.users}
            reach = {one.user: one for one in self._measure_reach(moved, self.seeds)}
        for place in self._places(self.seeds):
            name, user, pieces, seeds = place
            one = replace(self._measure(*place), reach=reach.get(name))
            if contrast.by_pair:
                far = jensen_shannon(texts.training(user), texts.scored(pieces[0]))
                one = replace(one, divergence=far)
            yield replace(one, seed=seeds[0]) if contrast.by_cell else one

    def _places(self, seeds: Sequence[int]) -> Iterator[Place]:
        contrast = self.bet.contrast
        for user in self.users:
            if contrast.by_user:
                yield user.name, user, user.heldout, tuple(seeds)
            elif contrast.by_pair:
                for piece in user.heldout:
                    yield f"{user.name}, {piece.name}", user, (piece,), tuple(seeds)
            else:
                for seed, piece in product(seeds, user.heldout):
                    yield f"{user.name}, seed {seed}, {piece.name}", user, (piece,), (seed,)

    @cached_property
    def forecast(self) -> Forecast:
        """How far each unit's NLL can fall, and each level's reach, before anything is trained.

        Raises:
            NoisefloorError: the bet's levels do not measure what a user's own text does.
        """
        contrast, runner = self.bet.contrast, self._plan.own_runner
        if not has_reach(contrast):
            raise NoisefloorError(
                f"Bet {self.bet.id}: counts each {contrast.unit} by {contrast.numerator!r} against "
                f"{contrast.denominator!r}; reach is that of 'real', for users or cells"
            )
        far = dict.fromkeys(self.users, runner.recipe.lr * runner.recipe.steps)
        return Forecast(
            bet=self.bet,
            base=runner.base.name,
            planted=self.planted,
            recipe=runner.recipe,
            method=runner.method.name,
            measured=tuple(self._measure_reach(far, self.seeds[:1])),
        )

    def _measure_reach(self, moved: Mapping[User, float], seeds: Sequence[int]) -> list[UnitReach]:
        asked = [
            Ask(name, replace(user, heldout=pieces), moved[user])
            for name, user, pieces, _ in self._places(seeds)
        ]
        return measure_reach(self._plan.own_runner, asked)

    def _measure(
        self, name: str, user: User, pieces: Sequence[Slice], seeds: Sequence[int]
    ) -> Unit:
        """Compute a unit's effect and record. All scores must cover the same tokens.

        Each score is read once.
        """
        labels = (UNTRAINED, *self.bet.contrast.trained)
        found = {label: self._scored(label, user, pieces, seeds) for label in labels}
        means = {
            label: {name: _mean(scores) for name, scores in by_name.items()}
            for label, by_name in found.items()
        }
        best = {label: min(of_label, key=of_label.__getitem__) for label, of_label in means.items()}
        scores = [
            {label: found[label][best[label]][at] for label in labels} for at in range(len(pieces))
        ]
        bins = bin_sums(name, scores)
        effect = self._effect(name, {label: means[label][best[label]] for label in labels})
        leaks = dict(zip(user.heldout, self._leaks[user.name], strict=True))
        slices = []
        for at, piece in enumerate(pieces):
            in_slice = bins.slices == at
            sums = {label: encode_sums(of[:, in_slice]) for label, of in bins.sums.items()}
            slices.append(self._slice_part(piece, leaks[piece], scores[at], sums))
        return Unit(
            effect=effect,
            bin_sums=bins,
            user=user.name,
            train_sha256=user.train_sha256,
            candidates={label: of for label, of in means.items() if len(of) > 1},
            slices=tuple(slices),
        )

    def _slice_part(
        self,
        piece: Slice,
        leak: SliceLeak,
        scores: Mapping[str, Sequence[Scores]],
        sums: Mapping[str, Sequence[str]],
    ) -> SlicePart:
        """Return what the result file says of one slice."""
        nll = {label: [mean_nll([one.nll]) for one in of] for label, of in scores.items()}
        effect = self._effect("", {label: float(np.mean(of)) for label, of in nll.items()})
        return SlicePart(
            slice=piece.name,
            sha256=piece.sha256,
            tokens=int(scores[UNTRAINED][0].nll.size),
            leak=LeakPart(share=leak.share, paragraphs=leak.paragraphs),
            mean_nll_by_seed={label: tuple(of) for label, of in nll.items()},
            sums={label: tuple(of) for label, of in sums.items()},
            **effect_record(effect),
        )

    def _effect(self, name: str, means: Mapping[str, float]) -> Effect:
        return Effect(user=name, nll=means, contrast=self.bet.contrast)

    def _scored(
        self, label: str, user: User, pieces: Sequence[Slice], seeds: Sequence[int]
    ) -> Scored:
        """The scores of every run that stands for a label. The untrained base has one seed."""
        found: Scored = {}
        for piece in pieces:
            by_name: dict[str, list[Scores]] = {}
            for seed in (0,) if label == UNTRAINED else seeds:
                for one in self._plan.runs_for(label, user, seed):
                    scored = one.runner.scored(one.request, piece)
                    by_name.setdefault(one.name, []).append(scored)
            for name, of_seeds in by_name.items():
                found.setdefault(name, []).append(of_seeds)
        return found


def _mean(scores: Sequence[Sequence[Scores]]) -> float:
    """Mean NLL over all slices' tokens and over seeds, in nats per token."""
    seeds = range(len(scores[0]))
    return float(np.mean([mean_nll([of_slice[at].nll for of_slice in scores]) for at in seeds]))


def _check_different(a: PlannedRun, b: PlannedRun) -> None:
    one, other = (run.runner.adapter(run.request).tensors for run in (a, b))
    if all(np.array_equal(one[name], other[name]) for name in one):
        raise NoisefloorError(
            f"user {a.request.user.name!r}, seed {a.request.seed}: the {a.name} and the {b.name} "
            "adapter are the same to the last bit; a method that ignores its data gives no "
            "comparison"
        )


def _distinct(units: Sequence[Unit]) -> Iterator[Unit]:
    """Yield the units without repeats, so that runs with identical scores count once."""
    seen: set[tuple[Any, ...]] = set()
    for unit in units:
        slices = tuple(piece.sha256 for piece in unit.slices)
        compared = unit.effect.contrast.compared
        sums = (unit.bin_sums.sums[label].tobytes() for label in compared)
        found = (unit.user, slices, *sums)
        if found not in seen:
            seen.add(found)
            yield unit
