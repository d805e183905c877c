"""Run one bet on one base: plan, runs, effects, verdict, files."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np

from pytest_noisefloor.bets import (
    OTHER,
    POOLED,
    Bet,
    Forecast,
    UnitReach,
    Verdict,
    assess,
    has_reach,
    parse_label,
)
from pytest_noisefloor.data import Slice, SliceLeak, User, check_contamination
from pytest_noisefloor.results import (
    LeakPart,
    SlicePart,
    Unit,
    effect_record,
    filed_spread,
    result,
    text_digests,
    write_result,
)
from pytest_noisefloor.runs import (
    Adapter,
    Ledger,
    LedgerLine,
    Place,
    Plan,
    PlannedRun,
    Request,
    Runner,
    check_file_names,
    export_adapters,
    forecast,
    measure_reach,
)
from pytest_noisefloor.stats import (
    Effect,
    Scores,
    Spread,
    bin_sums,
    encode_sums,
    jensen_shannon,
    mean_nll,
)

from .errors import NoisefloorError
from .specs import UNTRAINED


class Experiment:
    """One bet on one base and its users. Nothing is trained or scored until it is asked for.

    On other texts than the bet's it is UNREGISTERED.

    Raises:
        LeakError: a user's training text contains held-out text or another user's text.
    """

    def __init__(
        self, *, bet: Bet, runner: Runner, users: Sequence[User], seeds: Sequence[int], out: Path
    ) -> None:
        self.bet = bet.on({user.name: user.digests for user in users})
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
        """The verdict over all units. Computing it also writes the adapter and result files.

        Unless the verdict is PLANTED, its line is in the store's ledger before they are written.

        Raises:
            NoisefloorError: the verdict cannot be formed, or the ledger is damaged.
        """
        self._check_names()
        planned = list(self._plan.all_runs(self.seeds))
        naming: Any = {"bet": self.bet, "prefix": self._prefix, "first_seed": self.seeds[0]}
        check_file_names(planned, **naming)
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
            filed=[self._filed_spreads(one.user) for one in units],
            reachable=[one.reach for one in units if one.reach is not None],
        )
        ledger = () if self.planted else self._recorded(verdict, units)
        exported = export_adapters(planned, self.out, **naming)
        file = result(
            bet=self.bet,
            runner=self.runner,
            seeds=self.seeds,
            verdict=verdict,
            units=units,
            repeats=[one.effect.user for one in every if one.effect.user not in kept],
            exported=exported,
            ledger=ledger,
        )
        write_result(self.result_path, file.content)
        return verdict

    def _recorded(self, verdict: Verdict, units: Sequence[Unit]) -> tuple[LedgerLine, ...]:
        """Add the verdict to the store's ledger, and return the ledger's lines up to it."""
        return Ledger(self.runner.store).record(
            bet=self.bet,
            base=self.runner.base.fingerprint,
            texts=text_digests(units),
            seeds=self.seeds,
            level=verdict.level.name,
        )

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
            reach = {one.user: one for one in measure_reach(self._plan, moved, self.seeds)}
        for place in self._plan.places(self.seeds):
            one = replace(self._measure(place), reach=reach.get(place.name))
            if contrast.by_pair:
                training, scored = texts.training(place.user), texts.scored(place.slices[0])
                one = replace(one, divergence=jensen_shannon(training, scored))
            yield replace(one, seed=place.seeds[0]) if contrast.by_cell else one

    @cached_property
    def forecast(self) -> Forecast:
        """How far each unit's NLL can fall, and each level's reach, before anything is trained.

        Raises:
            NoisefloorError: the bet's levels do not measure what a user's own text does.
        """
        return forecast(self._plan, self.bet, self.seeds, planted=self.planted)

    def _measure(self, place: Place) -> Unit:
        """Compute a unit's effect and record. All scores must cover the same tokens.

        Each score is read once.
        """
        name, user, pieces = place.name, place.user, place.slices
        labels = (UNTRAINED, *self.bet.contrast.trained)
        found = {label: self._plan.scored(label, place) for label in labels}
        means = {
            label: {name: _mean(scores) for name, scores in by_name.items()}
            for label, by_name in found.items()
        }
        best = {label: min(of_label, key=of_label.__getitem__) for label, of_label in means.items()}
        scores = [
            {label: found[label][best[label]][at] for label in labels} for at in range(len(pieces))
        ]
        bins = bin_sums(name, scores)
        if not self.bet.contrast.by_user:
            bins = replace(bins, owner=user.name, part=pieces[0].name)
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

    def _filed_spreads(self, user: str) -> dict[str, Spread]:
        """What spread files say of a user's arms, by label.

        They are about all of a user's text, and not about other users' adapters.
        """
        owner = next(one for one in self.users if one.name == user)
        found: dict[str, Spread] = {}
        for label in self.bet.contrast.trained if self.bet.contrast.by_user else ():
            conditions = parse_label(label)
            if len(conditions) == 1 and conditions[0].source not in (OTHER, POOLED):
                (run,) = self._plan.runs_for(label, owner, self.seeds[0])
                if spread := filed_spread(run.runner, user, run.request.arm):
                    found[label] = spread
        return found

    def _effect(self, name: str, means: Mapping[str, float]) -> Effect:
        return Effect(user=name, nll=means, contrast=self.bet.contrast)


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
