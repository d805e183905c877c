"""Judge a result file or a published table again, without training."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pydantic import BaseModel, ConfigDict, FiniteFloat

from pytest_noisefloor._files import resource_path, validated
from pytest_noisefloor.bets import (
    STEP,
    Bet,
    UnitReach,
    Verdict,
    assess,
    judge,
    open_bet,
    other_design,
    read_lock,
    registered_bet,
    unit_reach,
)
from pytest_noisefloor.specs import UNTRAINED
from pytest_noisefloor.stats import (
    BinSums,
    Effect,
    Spread,
    bin_sums_from_record,
    effect_from_perplexities,
)

from .committed import commit_order
from .errors import ResultError
from .files import errors_about, read_file
from .lifting import lift
from .parts_design import LevelName, Part, Rows
from .parts_measured import UnitPart
from .schema import ResultFile, is_whole

AGREEMENT = 1e-9
"""Largest relative difference between a recorded spread and the one that the sums give.

It is far above the rounding error of float64, and far below any digit that is printed.
"""


class PublishedUser(BaseModel):
    """One user's perplexities in a published table, by arm."""

    model_config = ConfigDict(strict=True, frozen=True, extra="allow")
    __pydantic_extra__: dict[str, FiniteFloat]

    name: str

    def perplexity(self, arm: str) -> float:
        """Return the perplexity of an arm.

        Raises:
            ResultError: the table has none.
        """
        if arm not in self.__pydantic_extra__:
            raise ResultError(f"user {self.name!r}: key {arm!r} is missing; expected a perplexity")
        return self.__pydantic_extra__[arm]


class PublishedTable(Part):
    """A published table of perplexities."""

    bet: str
    """the name of a registered bet"""
    source: str
    """where it was published"""
    published_level: LevelName
    """the level that its source names"""
    user: Rows[PublishedUser]
    """one table a user"""


@dataclass(frozen=True)
class Rejudged:
    """A verdict on a file, and notes on the file that a reader needs."""

    verdict: Verdict
    notes: tuple[str, ...]


def rejudge(path: Path, *, against: str | None = None) -> Rejudged:
    """Judge a result file (.json) or a published table (.toml) without training.

    Args:
        path: the file.
        against: the name of a registered bet, or the path of a bet file, to judge by; None for the
            bet that the file names.

    Raises:
        ResultError: the file is neither, or lacks what a verdict needs.
        BetError: there is no such bet.
    """
    content = read_file(path)
    bet = None if against is None else open_bet(against)
    if path.suffix == ".toml":
        table = validated(PublishedTable, content, str(path), ResultError)
        with errors_about(path):
            return _judge_table(table, bet)
    file = lift(content, str(path))
    with errors_about(path):
        judged = _judge_result(file, bet, sealed=is_whole(content))
    order = commit_order(path, file.bet.sha256)
    return replace(judged, notes=(*judged.notes, str(order))) if order else judged


def _by_another(bet: Bet | None) -> list[str]:
    """Return the note for a file that is judged by a bet other than its own."""
    if bet is None:
        return []
    never = "" if bet.registration.locked else " This text was never locked."
    return [f"Judged by {bet.name} ({bet.sha256[:12]}), as asked for.{never}"]


def _made_under(sha256: str, bet: Bet) -> list[str]:
    """Return the note for a result made under a text that does not say what the bet says now."""
    if bet.has_text(sha256):
        return []
    lock, file = read_lock(resource_path("bets", "LOCK")), f"bet{bet.id}.toml"
    made = next((entry for entry in lock if entry.sha256 == sha256), None)
    if made and made.file == file:
        now = [entry for entry in lock if entry.file == file][-1]
        return [f"Made under an older text of the bet ({made}). Amended since ({now})."]
    if made or bet.registration.by_project or not bet.registration.locked:
        of = made.file if made else "another text than this bet's"
        return [f"Made under {of} ({sha256[:12]})."]
    return [f"Made under a text of the bet that was never locked ({sha256[:12]})."]


def _judge_table(table: PublishedTable, other: Bet | None) -> Rejudged:
    named = registered_bet(table.bet)
    bet = other or named
    effects = []
    for row in table.user:
        known = (UNTRAINED,) if UNTRAINED in row.__pydantic_extra__ else ()
        arms = dict.fromkeys((*bet.contrast.compared, *known))
        perplexities = {arm: row.perplexity(arm) for arm in arms}
        effects.append(effect_from_perplexities(row.name, perplexities, bet.contrast))
    verdict = judge(bet.on({}), effects)  # a table names no texts
    agrees = "agrees" if table.published_level == verdict.level.name else "DISAGREES"
    return Rejudged(
        verdict,
        (
            f"Published table: {table.source}. Point estimates only: intervals and reach "
            "are unknown.",
            *_by_another(other),
            f"The source's own verdict, {table.published_level}, {agrees}.",
        ),
    )


def _judge_result(file: ResultFile, other: Bet | None, *, sealed: bool) -> Rejudged:
    bet = other or registered_bet(f"bet{file.bet.id}")
    if design := other_design(file.design, bet):
        bet = replace(bet, registration=replace(bet.registration, altered=True))
    verdict = rejudge_file(file, bet)
    notes = [f"Base {file.base.name} ({file.base.fingerprint[:12]})."]
    notes += _made_under(file.bet.sha256, bet) + _by_another(other)
    if design:
        notes.append(f"It was made by another design than this bet's: {design}.")
    if not file.seal:
        notes.append("It has no seal: whether it was edited after it was written cannot be told.")
    elif not sealed:
        notes.append("Its seal is not that of its content: it was edited after it was written.")
    if file.verdict.level != verdict.level.name:
        notes.append(f"The file itself says {file.verdict.level}.")
    return Rejudged(verdict, tuple(notes))


def rejudge_file(file: ResultFile, bet: Bet) -> Verdict:
    """Judge a result file from its sums, or from its means if it has no sums.

    The verdict is UNREGISTERED if the file's texts are not those of the bet.

    Raises:
        NoisefloorError: a figure is invalid, the means are not those of the sums, or the file's
            units are not those that the bet counts.
    """
    rows, contrast, bet = file.users, bet.contrast, bet.on(file.texts)
    planted = file.verdict.planted
    for row in rows:
        _check_unit(row, bet)
    if contrast.by_pair:
        _check_slices(rows)
    effects = [Effect(user=row.name, nll=row.mean_nll, contrast=contrast) for row in rows]
    if file.layout == 1:
        if contrast.by_pair:
            raise ResultError(f"schema 1 has no sums, which Bet {bet.id} needs; expected 2, 3 or 4")
        # nothing in it shows that its means are of the texts that it names
        return judge(bet.on({}), effects, planted=planted)
    divergences = [row.given("divergence", row.divergence) for row in rows if contrast.by_pair]
    verdict = assess(
        bet,
        effects,
        list(map(bin_sums_of, rows)),
        planted=planted,
        divergences=divergences,
        filed=[_filed(row) for row in rows],
        reachable=[one for row in rows if (one := unit_reach_of(row))],
    )
    known = {one.user: one.spreads for one in verdict.resolved}
    for row in rows:
        _check_spread(row, known.get(row.name, {}))
    return verdict


def _filed(row: UnitPart) -> dict[str, Spread]:
    """Return the spreads that a unit has from a file, by label."""
    return {
        label: Spread(sd=of.sd, df=of.df, source=of.source, sha256=of.sha256)
        for label, of in (row.spread or {}).items()
        if of.source == "filed"
    }


def _check_spread(row: UnitPart, known: Mapping[str, Spread]) -> None:
    """Refuse a unit with another spread than its sums give.

    Raises:
        ResultError: it has one.
    """
    for label, given in known.items():
        said = (row.spread or {}).get(label)
        if said and not math.isclose(said.sd, given.sd, rel_tol=AGREEMENT):
            raise ResultError(
                f"{row.name}: spread.{label}.sd = {said.sd}; expected {given.sd}, as the sums give"
            )


def bin_sums_of(row: UnitPart) -> BinSums:
    """Return a unit's sums.

    Raises:
        StatisticsError: they are invalid.
    """
    lengths = [piece.tokens for piece in row.slices]
    found = bin_sums_from_record(row.name, lengths, [piece.sums for piece in row.slices])
    return replace(found, owner=row.user, part=row.piece.slice if row.unit else "")


def unit_reach_of(row: UnitPart) -> UnitReach | None:
    """Return how far a unit's NLL could have fallen; None if the file does not say it.

    Raises:
        StatisticsError: the sums after the step are invalid.
    """
    if row.reach is None:
        return None
    lengths = [piece.tokens for piece in row.slices]
    if len(row.reach.sums) != len(lengths):
        raise ResultError(
            f"{row.name}: reach.sums of {len(row.reach.sums)} slices; expected {len(lengths)}"
        )
    sums = [
        {UNTRAINED: piece.sums.get(UNTRAINED, ()), STEP: (after,)}
        for piece, after in zip(row.slices, row.reach.sums, strict=True)
    ]
    return unit_reach(
        moved=row.reach.moved,
        norm=row.reach.norm,
        step=row.reach.step,
        bins=bin_sums_from_record(row.name, lengths, sums),
    )


def _check_unit(row: UnitPart, bet: Bet) -> None:
    """Refuse an entry that is not a unit of the bet, or that has another mean than its best.

    Raises:
        ResultError: it is one.
    """
    contrast = bet.contrast
    named = {"unit", "seed" if contrast.by_cell else "divergence"}
    expected = set() if contrast.by_user else named
    of_unit = {"unit": row.unit, "seed": row.seed, "divergence": row.divergence}
    if {key for key, value in of_unit.items() if value is not None} != expected:
        keys = " and ".join(sorted(expected)) or "none of unit, seed and divergence"
        raise ResultError(
            f"{row.name}: its units are not those that Bet {bet.id} counts, {contrast.unit}; "
            f"expected {keys}"
        )
    for label, means in row.candidates.items():
        if not means or row.mean_nll.get(label) != min(means.values()):
            raise ResultError(
                f"{row.name}: mean_nll[{label!r}] = {row.mean_nll.get(label)}; "
                "expected that of the best of its candidates"
            )


def _check_slices(rows: Sequence[UnitPart]) -> None:
    """Refuse rows of a result unless each is a different slice under its own name.

    Raises:
        ResultError: a row has another slice's name, or a slice is repeated.
    """
    seen: set[str] = set()
    for row in rows:
        name = f"{row.user}, {row.piece.slice}"
        if row.unit != name:
            raise ResultError(f"unit {row.unit!r} of slice {row.piece.slice!r}; expected {name!r}")
        if name in seen:
            raise ResultError(f"unit {name!r}: given twice; expected each slice once")
        seen.add(name)
