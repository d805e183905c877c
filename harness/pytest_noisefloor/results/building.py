"""Build the result file of a verdict that was just measured."""

from __future__ import annotations

import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.util import find_spec
from math import exp
from typing import Any

from pytest_noisefloor.bets import STEP, Bet, UnitReach, Verdict, parse_label
from pytest_noisefloor.data import open_arm
from pytest_noisefloor.runs import ExportedAdapter, LedgerLine, Runner
from pytest_noisefloor.specs import END, SCORER, Recipe
from pytest_noisefloor.stats import (
    BIN_TOKENS,
    BinSums,
    Effect,
    Interval,
    Spread,
    UserInference,
    encode_sums,
)

from .building_verdict import verdict_part
from .ledger import ledger_parts, text_digests
from .parts_design import (
    AdapterPart,
    BasePart,
    BetPart,
    EnvironmentPart,
    MethodPart,
    RecipePart,
    ScoringPart,
    TimesPart,
    VersionsPart,
)
from .parts_measured import (
    IntervalPart,
    IntervalsPart,
    SlicePart,
    SpreadPart,
    UnitPart,
    UnitReachPart,
)
from .schema import RESULT_SCHEMA, ResultFile, seal


@dataclass(frozen=True, kw_only=True)
class Unit:
    """What is kept of one unit's scores, before anything is judged.

    ``seed`` or ``divergence`` stands where the unit is less than a user, as the bet counts it.
    """

    effect: Effect
    bin_sums: BinSums
    user: str
    train_sha256: str
    candidates: Mapping[str, Mapping[str, float]]
    slices: tuple[SlicePart, ...]
    seed: int | None = None
    divergence: float | None = None
    reach: UnitReach | None = None


def result(
    *,
    bet: Bet,
    runner: Runner,
    seeds: Sequence[int],
    verdict: Verdict,
    units: Sequence[Unit],
    repeats: Sequence[str],
    exported: Sequence[ExportedAdapter],
    ledger: Sequence[LedgerLine],
) -> ResultFile:
    """Build the result file, which docs/results.md describes.

    ``ledger`` has the ledger's lines up to this verdict's. It is empty for a PLANTED verdict.
    """
    own = next(one for one in exported if one.run.runner is runner)
    inferred = {one.user: one for one in verdict.resolved}
    more: dict[str, Any] = {"repeats": tuple(repeats)} if bet.contrast.by_cell else {}
    if ledger:
        more["ledger"] = ledger_parts(ledger, runner.base.fingerprint, text_digests(units))
    file = ResultFile(
        schema=RESULT_SCHEMA,
        bet=bet_part(bet),
        base=BasePart(
            name=runner.base.name,
            fingerprint=runner.base.fingerprint,
            model=runner.base.model_fingerprint,
            prefix=None if runner.base.facts.prefix == END else runner.base.facts.prefix,
        ),
        method=MethodPart(
            name=runner.method.name, trained_values=own.count, adapter_bytes=own.nbytes
        ),
        versions=_versions_part(bet, runner, exported),
        recipe=RecipePart(**asdict(runner.recipe)),
        kernel=runner.kernel,
        scoring=ScoringPart(**asdict(runner.scoring)),
        seeds=tuple(seeds),
        cell=BIN_TOKENS,
        users=tuple(unit_part(unit, inferred.get(unit.effect.user)) for unit in units),
        adapters=tuple(map(_adapter_part, exported)),
        verdict=verdict_part(verdict),
        times=_times_part(exported, runner.recipe),
        environment=_environment_part(runner.device),
        seal="",
        **more,
    )
    return sealed(file)


def sealed(file: ResultFile) -> ResultFile:
    """Return a result file with the seal that it should have."""
    return file.model_copy(update={"seal": seal(file.content)})


def bet_part(bet: Bet) -> BetPart:
    """Return the part of a result file that identifies its bet."""
    return BetPart(
        id=bet.id,
        name=bet.name,
        title=bet.title,
        registered=bet.registered.isoformat(),
        sha256=bet.sha256,
    )


def _versions_part(bet: Bet, runner: Runner, exported: Sequence[ExportedAdapter]) -> VersionsPart:
    methods = {one.run.runner.method.name: one.run.runner.method.version for one in exported}
    arms = {one.run.request.arm for one in exported}
    arms |= {c.arm for c in parse_label(bet.contrast.reach)}
    return VersionsPart(
        method=runner.method.version,
        other_methods={
            name: methods[name] for name in sorted(methods.keys() - {runner.method.name})
        },
        arms={arm: open_arm(arm).version for arm in sorted(arms)},
        scorer=SCORER,
    )


def _adapter_part(one: ExportedAdapter) -> AdapterPart:
    return AdapterPart(
        name=one.stem,
        user=one.adapter.user,
        arm=one.adapter.arm,
        seed=one.adapter.seed,
        method=one.run.runner.method.name,
        lr=one.run.runner.recipe.lr,
        trained_values=one.count,
        bytes=one.nbytes,
        key=one.adapter.key,
        file=f"out/{one.stem}.pt" if one.written else None,
        first_loss=one.adapter.losses[0],
        last_loss=one.adapter.losses[-1],
        moved=one.moved,
    )


def _times_part(exported: Sequence[ExportedAdapter], recipe: Recipe) -> TimesPart:
    times = {one.stem: one.adapter.seconds for one in exported}
    return TimesPart(
        written=datetime.now(UTC).isoformat(timespec="seconds"),
        training_s={stem: round(seconds, 3) for stem, seconds in times.items()},
        over_budget=tuple(stem for stem, seconds in times.items() if seconds > recipe.budget_s),
    )


def _environment_part(device: str) -> EnvironmentPart:
    libraries = ["numpy", "torch", "transformers", *(["peft"] if find_spec("peft") else [])]
    return EnvironmentPart.model_validate(
        {
            "python": platform.python_version(),
            "platform": platform.platform(),
            "machine": platform.machine(),
            "device": device,
            **{name: version(name) for name in (*libraries, "pytest-noisefloor")},
        }
    )


# --- what was measured ------------------------------------------------------------------------


def unit_part(unit: Unit, inference: UserInference | None) -> UnitPart:
    """Return the entry of a unit, with its intervals and tests if it has them."""
    less: dict[str, Any] = {"seed": unit.seed, "divergence": unit.divergence}
    less = {key: value for key, value in less.items() if value is not None}
    if less:
        less["unit"] = unit.effect.user
    if unit.reach:
        less["reach"] = reach_part(unit.reach)
    return UnitPart(
        user=unit.user,
        candidates=unit.candidates,
        train_sha256=unit.train_sha256,
        tokens=int(unit.bin_sums.tokens.sum()),
        slices=unit.slices,
        **less,
        **effect_record(unit.effect),
        **(inference_record(inference) if inference else {}),
    )


def reach_part(reach: UnitReach) -> UnitReachPart:
    """Return how far a unit's NLL could have fallen."""
    bins, floor = reach.bins, reach.floor
    by_slice = (bins.sums[STEP][:, bins.slices == at] for at in range(int(bins.slices.max()) + 1))
    return UnitReachPart(
        moved=reach.moved,
        gradient_norm=reach.norm,
        ceiling=reach.ceiling,
        step=reach.step,
        floor=interval_part(floor) if floor else None,
        sums=tuple(encode_sums(sums)[0] for sums in by_slice),
    )


def effect_record(effect: Effect) -> dict[str, Any]:
    """Return the figures of one effect by key: nats per token, perplexities and quotients."""
    return {
        "mean_nll": dict(effect.nll),
        "perplexity": {arm: exp(value) for arm, value in effect.nll.items()},
        "delta": effect.delta,
        "ratio": effect.ratio,
        "harm": effect.harm,
        "help": effect.help,
        "winner": effect.winner,
    }


def inference_record(one: UserInference) -> dict[str, Any]:
    """Return by key what a unit with intervals has besides its effect."""
    named = {
        "delta": one.delta,
        "harm": one.harm,
        "help": one.help,
        "oracle": one.oracle,
        "oracle_help": one.oracle_help,
    }
    return {
        "spread": {label: spread_part(of) for label, of in one.spreads.items()},
        "intervals": IntervalsPart.model_validate(
            {name: interval_part(found) for name, found in named.items() if found}
        ),
        "p": one.delta.p,
        "absent_p": one.equivalence_p,
        "detectable": one.mde,
        "slices_p": one.slices_p,
        "slices_help_p": one.slices_help_p,
        "a_a": dict(one.aa),
        "normalised": one.fraction_of_oracle,
    }


def spread_part(spread: Spread) -> SpreadPart:
    """Return a spread in nats per token, with where it comes from."""
    return SpreadPart(sd=spread.sd, freedom=spread.df, source=spread.source, sha256=spread.sha256)


def interval_part(interval: Interval) -> IntervalPart:
    """Return an interval in nats per token, with the standard error and what it rests on."""
    return IntervalPart(
        estimate=interval.estimate,
        low=interval.low,
        high=interval.high,
        standard_error=interval.se,
        freedom=interval.df,
        groups=interval.groups,
        spread=interval.spread_se,
        trainings=interval.of_trainings,
    )
