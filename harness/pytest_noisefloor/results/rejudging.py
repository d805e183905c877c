"""Judge a result file or a published table again, without training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pytest_noisefloor._files import resource_path
from pytest_noisefloor.bets import (
    Bet,
    Level,
    Verdict,
    assess,
    judge,
    open_bet,
    other_design,
    read_lock,
    registered_bet,
)
from pytest_noisefloor.specs import UNTRAINED
from pytest_noisefloor.stats import (
    BIN_TOKENS,
    Effect,
    bin_sums_from_record,
    effect_from_perplexities,
)

from .files import ResultError, errors_about, read_file
from .schema import RESULT_SCHEMA, seal, unit_name

READABLE = (1, RESULT_SCHEMA)
"""Schema versions that can be judged again; version 1 has no sums, so it gives no intervals."""


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
    if not isinstance(content, dict):
        raise ResultError(f"{path}: not a result file (a JSON {type(content).__name__})")
    bet = None if against is None else open_bet(against)
    with errors_about(path):
        if path.suffix == ".toml":
            return _judge_table(content, bet)
        return _judge_result(content, bet)


def _by_another(bet: Bet | None) -> list[str]:
    """Return the note for a file that is judged by a bet other than its own."""
    if bet is None:
        return []
    never = "" if bet.registration.locked else " This text was never locked."
    return [f"Judged by {bet.name} ({bet.sha256[:12]}), as asked for.{never}"]


def _made_under(sha256: str, bet: Bet) -> list[str]:
    """Return the note for a result made under a text other than the bet's present one."""
    if sha256 == bet.sha256:
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


def _judge_table(content: dict[str, Any], other: Bet | None) -> Rejudged:
    named = registered_bet(content["bet"])
    bet = other or named
    effects = [
        effect_from_perplexities(
            row["name"],
            {
                arm: float(row[arm])
                for arm in (*bet.contrast.compared, UNTRAINED)
                if arm in row or arm != UNTRAINED
            },
            bet.contrast,
        )
        for row in content["user"]
    ]
    verdict = judge(bet, effects)
    if content["published_level"] not in Level.__members__:
        expected = " or ".join(Level.__members__)
        raise ResultError(f"published_level {content['published_level']!r}; expected {expected}")
    published = Level[content["published_level"]]
    agrees = "agrees" if published == verdict.level else "DISAGREES"
    return Rejudged(
        verdict,
        (
            f"Published table: {content['source']}. Point estimates only: intervals and reach "
            "are unknown.",
            *_by_another(other),
            f"The source's own verdict, {published.name}, {agrees}.",
        ),
    )


def _judge_result(content: dict[str, Any], other: Bet | None) -> Rejudged:
    if content["schema"] not in READABLE:
        expected = " or ".join(map(str, READABLE))
        raise ResultError(f"schema {content['schema']!r}; expected {expected}")
    bet = other or registered_bet(f"bet{content['bet']['id']}")
    if design := other_design(content, bet):
        bet = replace(bet, registration=replace(bet.registration, altered=True))
    verdict = rejudge_content(content, bet)
    notes = [f"Base {content['base']['name']} ({content['base']['fingerprint'][:12]})."]
    notes += _made_under(content["bet"]["sha256"], bet) + _by_another(other)
    if design:
        notes.append(f"It was made by another design than this bet's: {design}.")
    if content.get("seal", "") not in ("", seal(content)):
        notes.append("Its seal is not that of its content: it was edited after it was written.")
    if content["verdict"]["level"] != verdict.level.name:
        notes.append(f"The file itself says {content['verdict']['level']}.")
    return Rejudged(verdict, tuple(notes))


def rejudge_content(content: dict[str, Any], bet: Bet) -> Verdict:
    """Judge a result file's content from its sums, or from its means if it has no sums.

    Raises:
        NoisefloorError: a figure is invalid, or the means are not those of the sums.
        KeyError, TypeError, ValueError, AttributeError: this is not the content of a result file.
    """
    planted = content["verdict"]["planted"]
    rows = content["users"]
    contrast = bet.contrast
    keys = {"unit", "seed", "divergence"}
    named = {"unit"} | ({"seed"} if contrast.by_cell else {"divergence"})
    if any(row.keys() & keys != (set() if contrast.by_user else named) for row in rows):
        raise ValueError(f"its units are not those that Bet {bet.id} counts, {contrast.unit}")
    if contrast.by_pair:
        _check_slices(rows)
    for row in rows:
        for label, means in row.get("candidates", {}).items():
            if row["mean_nll"].get(label) != min(means.values()):
                raise ValueError(f"{unit_name(row)}, {label}: not the best of its candidates")
    effects = [Effect(user=unit_name(row), nll=row["mean_nll"], contrast=contrast) for row in rows]
    divergences = [row["divergence"] for row in rows if contrast.by_pair]
    if not (contrast.by_pair or any("slices" in row for row in rows if content["schema"] != 1)):
        return judge(bet, effects, planted=planted)
    if content["cell"] != BIN_TOKENS:
        raise ValueError(f"cell {content['cell']!r}; expected {BIN_TOKENS} tokens")
    all_bins = [bin_sums_from_record(unit_name(row), row["slices"]) for row in rows]
    return assess(bet, effects, all_bins, planted=planted, divergences=divergences)


def _check_slices(rows: Sequence[Mapping[str, Any]]) -> None:
    """Refuse rows of a result unless each is a different slice under its own name.

    Raises:
        ValueError: a row has another slice's name, or a slice is repeated.
    """
    seen: set[tuple[str, str]] = set()
    for row in rows:
        (piece,) = row["slices"]
        if row["unit"] != f"{row['user']}, {piece['slice']}":
            raise ValueError(f"unit {row['unit']!r} of slice {piece['slice']!r}")
        seen |= {(row["user"], piece["slice"])}
    if len(seen) < len(rows):
        raise ValueError("a slice that stands there twice")
