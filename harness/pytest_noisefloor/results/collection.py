"""The collection: every result in a folder, judged again, beside all registered bets."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pytest_noisefloor._files import resource_path
from pytest_noisefloor.bets import (
    Bet,
    Verdict,
    bet_roles,
    lock_entries,
    other_design,
    registered_bet,
)
from pytest_noisefloor.models import SHIPPED
from pytest_noisefloor.specs import DEFAULT_BASE
from pytest_noisefloor.stats import Interval

from .errors import ResultError
from .files import errors_about, read_file
from .lifting import lift
from .rejudging import rejudge_file
from .schema import ResultFile, is_whole

SUMMARY_NAME = "SUMMARY"
NOT_RUN = "not run"
LARGER = "1B and more (a hub id)"

_OWN, _OTHER = "of a bet that is not shipped", "of another program"
_KEYS = frozenset({"verdict", "bet"})
"""A file with neither key was written by another program."""


@dataclass(frozen=True)
class LoadedResult:
    """A result file of a registered bet, judged by today's text; ``marks`` lists what is odd."""

    path: Path
    file: ResultFile
    verdict: Verdict
    marks: tuple[str, ...]

    @property
    def base(self) -> str:
        """The name of the base measured."""
        return self.file.base.name


@dataclass(frozen=True)
class Collection:
    """The registered bets in the order of their ids, and the results found for them.

    ``found`` is keyed by the bet's id and the base's name. ``left_out`` counts the files that are
    not results of a registered bet, by kind.
    """

    bets: tuple[Bet, ...]
    found: Mapping[tuple[str, str], LoadedResult]
    left_out: Mapping[str, int]

    @property
    def bases(self) -> tuple[str, ...]:
        """The bases that have results, in the order of a table."""
        return tuple(sorted({base for _, base in self.found}, key=_base_order))

    def on(self, base: str) -> dict[str, LoadedResult]:
        """Return the results on a base by the bet's id, in the order of the bets."""
        rows = ((bet.id, self.found.get((bet.id, base))) for bet in self.bets)
        return {bet: found for bet, found in rows if found}


def read_collection(folder: Path) -> Collection:
    """Judge every result in ``folder/results``, and in ``results`` one folder down.

    Raises:
        ResultError: there are no results, a file cannot be judged, or two are of one bet on one
            base.
        BetError: a registered bet is not the locked one.
    """
    paths = [
        path
        for pattern in ("results/*.json", "*/results/*.json")
        for path in sorted(folder.glob(pattern))
        if path.stem != SUMMARY_NAME
    ]
    bets = registered_bets()
    by_id = {bet.id: bet for bet in bets}
    found: dict[tuple[str, str], LoadedResult] = {}
    left_out = {"PLANTED": 0, "UNREGISTERED": 0, _OWN: 0, _OTHER: 0}
    for path in paths:
        content = read_file(path)
        if not (isinstance(content, dict) and _KEYS & content.keys()):
            left_out[_OTHER] += 1
            continue
        file = lift(content, str(path))
        with errors_about(path):
            if other := _no_result(path, file, by_id):
                left_out[other] += 1
                continue
            one = _judged(path, file, by_id[file.bet.id], sealed=is_whole(content))
            key = (one.verdict.bet.id, one.base)
            if key in found:
                raise ResultError(
                    f"a second result of Bet {key[0]} on {key[1]}, beside {found[key].path}; "
                    "expected one"
                )
            found[key] = one
    if len(paths) == left_out[_OTHER]:
        raise ResultError(f"{folder / 'results'}: no result file; expected <name of a bet>.json")
    return Collection(bets, found, {what: n for what, n in left_out.items() if n})


def registered_bets() -> tuple[Bet, ...]:
    """Open all shipped bets in the order of their ids, with numbers sorted by value.

    Raises:
        BetError: a bet is not the locked one.
    """
    names = (path.stem for path in resource_path("bets").glob("*.toml"))
    return tuple(sorted(map(registered_bet, names), key=lambda bet: _in_order(bet.id)))


def _in_order(words: str) -> list[tuple[bool, int, str]]:
    """Return a sorting key that puts numbers before words and sorts them by value."""
    parts = re.findall(r"\d+|\D+", words)
    return [(not part.isdigit(), int(part) if part.isdigit() else 0, part) for part in parts]


def _no_result(path: Path, file: ResultFile, bets: Mapping[str, Bet]) -> str:
    """Return the kind of a file that is not a result of a registered bet; empty if it is one."""
    if file.verdict.planted:
        return "PLANTED"
    if path.name.startswith("UNREGISTERED_"):
        return "UNREGISTERED"
    bet = bets.get(file.bet.id)
    if bet is None:
        return _OWN
    locked = {e.sha256 for e in lock_entries(f"bet{bet.id}.toml", resource_path("bets", "LOCK"))}
    made = file.bet.sha256
    altered = bet.has_text(made) and other_design(file.design, bet)
    if made not in locked or altered or bet.on(file.texts).registration.other_texts:
        return "UNREGISTERED"
    return ""


def _judged(path: Path, file: ResultFile, bet: Bet, *, sealed: bool) -> LoadedResult:
    """Judge a result by today's bet, whatever level the file gives."""
    verdict = rejudge_file(file, bet)
    said = file.verdict.level
    marks = (
        (not bet.has_text(file.bet.sha256), "made under an older text"),
        (not sealed, "seal broken"),
        (said != verdict.level.name, f"the file says {said}"),
        (file.seeds != bet.seeds, "other seeds than registered"),
    )
    return LoadedResult(path, file, verdict, tuple(words for holds, words in marks if holds))


# --- a row for every bet and base -------------------------------------------------------------


def collection_rows(collection: Collection) -> list[dict[str, Any]]:
    """Return a row for each registered bet on each base that it needs or has a result on."""
    return [
        collection_row(bet, base, collection.found.get((bet.id, base)))
        for bet in collection.bets
        for base in _bases(bet, collection)
    ]


def _bases(bet: Bet, collection: Collection) -> list[str]:
    bases = {base for of, base in collection.found if of == bet.id}
    bases.add(bet.base or DEFAULT_BASE)
    if bet.id in bet_roles().larger_bases:
        bases.add("smollm2-135m")
        bases |= set() if any(map(_is_larger, bases)) else {LARGER}
    return sorted(bases, key=_base_order)


def _is_larger(base: str) -> bool:
    """Return whether a base's name says 1B parameters or more, as hub ids do."""
    sizes = re.findall(r"(?<![\w.])(\d+(?:\.\d+)?)[bB](?![a-zA-Z])", base)
    return base not in SHIPPED and any(float(size) >= 1 for size in sizes)


def _base_order(base: str) -> tuple[bool, bool, bool, str]:
    """Return a sorting key: the default base, then shipped bases, others, and the placeholder."""
    return base == LARGER, base != DEFAULT_BASE, base not in SHIPPED, base


def collection_row(bet: Bet, base: str, found: LoadedResult | None) -> dict[str, Any]:
    """Return one row: quotients of perplexities, and LENIENT's reach in words."""
    head = {
        "bet": bet.id,
        "title": bet.title,
        "base": base,
        "level": NOT_RUN,
        "bars": {c.level.name: c.of(bet.contrast.unit_word) for c in bet.criteria},
    }
    if found is None:
        return head | {"sha256": bet.sha256, "marks": []}
    verdict, file = found.verdict, found.file
    figures = _figures(verdict)
    return head | {
        "level": verdict.level.name,
        "claimable": list(verdict.findings.claimable),
        "least": min(figures, key=lambda one: one["ratio"]),
        "largest": max(figures, key=lambda one: one["ratio"]),
        "units": len(figures),
        "met": {level.name: len(units) for level, units in sorted(verdict.met.items())},
        "reach": verdict.lenient_reach.value,
        "rests_on_harm": [level.name for level in verdict.rests_on_harm],
        "written": file.times.written,
        "sha256": file.bet.sha256,
        "marks": list(found.marks),
    }


def _figures(verdict: Verdict) -> list[dict[str, Any]]:
    deltas = {one.user: one.delta for one in verdict.resolved}
    return [
        {
            "unit": effect.user,
            **quotient_record("ratio", effect.ratio, deltas.get(effect.user)),
        }
        for effect in verdict.effects
    ]


def quotient_record(
    name: str, value: float, interval: Interval | None
) -> dict[str, float | list[float] | None]:
    """Return a quotient of perplexities under its name, with the bounds of its 95 % interval."""
    bounds = list(interval.ratios[1:]) if interval else None
    return {name: value, "interval": bounds}
