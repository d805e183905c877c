"""Files that say how much an arm varies between trainings, made from earlier evidence.

A bet with one seed cannot tell how much another training would differ. A spread file can, for the
same base, method and recipe. ``scripts/make_spread.py`` makes them from result files.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, replace
from datetime import date
from functools import cache
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, PositiveInt

from pytest_noisefloor._files import Expected, read_bytes, resource_path, text_sha256, validated
from pytest_noisefloor.data import open_arm
from pytest_noisefloor.runs import Runner
from pytest_noisefloor.specs import Scoring
from pytest_noisefloor.stats import Spread, pooled

from .errors import ResultError
from .files import read_file
from .parts_design import Part, RecipePart, Rows, ScoringPart
from .parts_measured import Deviation


def _is_date(words: str, _: object) -> bool:
    try:
        date.fromisoformat(words)
    except ValueError:
        return False
    return True


class ArmSpreadPart(Part):
    """How much one arm of one user varies between trainings."""

    sd: Deviation
    """standard deviation of the arm's mean NLL over the user's held-out text, in nats per token"""
    seeds: Annotated[int, Expected("2 or more", lambda value, _: value > 1)]
    """how many trainings it was computed from"""


class EvidencePart(Part):
    """A result file that a spread file was made from."""

    file: str
    """its name in `fixtures/evidence/`"""
    sha256: str
    """SHA-256 of its bytes"""


class SpreadMethodPart(Part):
    """The method."""

    name: str
    """its name"""
    version: PositiveInt
    """its version"""


class SpreadBasePart(Part):
    """The base."""

    name: str
    """its name"""
    fingerprint: str
    """SHA-256 over config, weights and tokenizer"""


class SpreadFile(Part):
    """A spread file: for one base, method and recipe, how much each arm varies."""

    layout: Literal[1] = Field(alias="spread")
    """version of this layout: 1"""
    made: Annotated[str, Expected("a date, as 2026-11-26", _is_date)]
    """the day on which it was made"""
    base: SpreadBasePart
    """the base"""
    method: SpreadMethodPart
    """the method"""
    recipe: RecipePart
    """how each adapter was trained"""
    scoring: ScoringPart
    """how held-out text was scored"""
    arms: Mapping[str, PositiveInt]
    """versions of the arms, by name"""
    users: Mapping[str, Mapping[str, ArmSpreadPart]]
    """the spread of each arm, by user and then by arm"""
    evidence: Rows[EvidencePart]
    """the result files that it was made from"""

    def is_for(self, runner: Runner) -> bool:
        """Return whether it is about what a runner trains. How much is scored may differ."""
        scoring = Scoring(**self.scoring.model_dump())
        return (
            self.base.fingerprint == runner.base.fingerprint
            and (self.method.name, self.method.version)
            == (runner.method.name, runner.method.version)
            and self.recipe.model_dump() == asdict(runner.recipe)
            and replace(scoring, tokens=runner.scoring.tokens) == runner.scoring
        )

    def without(self, user: str, arm: str) -> tuple[float, float] | None:
        """Return an arm's standard deviation, pooled over all other users, and its freedom."""
        others = [arms[arm] for name, arms in self.users.items() if name != user and arm in arms]
        return pooled((one.sd, one.seeds - 1.0) for one in others)


def filed_spread(runner: Runner, user: str, arm: str, folder: Path | None = None) -> Spread | None:
    """Return an arm's spread from a spread file, pooled over all users but this one.

    Args:
        runner: what trains the arm.
        user: the user's name, which is left out.
        arm: the arm, as a bet names it.
        folder: the folder of the files; None for the shipped one.

    Raises:
        ResultError: a file is no spread file, or two are about the same trainings.
    """
    found = [
        (path, sha256, file)
        for path, sha256, file in read_spread_files(folder or resource_path("spread"))
        if file.is_for(runner)
    ]
    if len(found) > 1:
        one, other = (str(path) for path, _, _ in found[:2])
        raise ResultError(
            f"{one} and {other}: both are about {runner.method.name} on {runner.base.name} by the "
            "same recipe; expected one file"
        )
    opened = open_arm(arm)
    for _, sha256, file in found:
        if file.arms.get(opened.name) == opened.version:
            known = file.without(user, opened.name)
            return known and Spread(sd=known[0], df=known[1], source="filed", sha256=sha256)
    return None


@cache
def read_spread_files(folder: Path) -> tuple[tuple[Path, str, SpreadFile], ...]:
    """Read the spread files of a folder, each with its path and its hash.

    Raises:
        ResultError: a file is no spread file.
    """
    return tuple(
        (
            path,
            text_sha256(read_bytes(path, ResultError)),
            validated(SpreadFile, read_file(path), str(path), ResultError),
        )
        for path in sorted(folder.glob("*.json"))
    )
