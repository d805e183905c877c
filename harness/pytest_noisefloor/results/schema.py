"""The result file as one typed model; docs/results.md describes it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Final, Literal

from pydantic import Field, model_validator

from pytest_noisefloor._files import Expected
from pytest_noisefloor.data import TextDigests
from pytest_noisefloor.specs import digest
from pytest_noisefloor.stats import BIN_TOKENS

from .errors import ResultError
from .parts_design import (
    AdapterPart,
    BasePart,
    BetPart,
    EnvironmentPart,
    MethodPart,
    Part,
    RecipePart,
    Rows,
    ScoringPart,
    TimesPart,
    VersionsPart,
)
from .parts_ledger import LedgerPart
from .parts_measured import UnitPart
from .parts_verdict import VerdictPart

RESULT_SCHEMA: Final = 4
"""Version of the layout of the result files that are written."""


def _is_bin(tokens: int, _: object) -> bool:
    return tokens == BIN_TOKENS


class ResultFile(Part):
    """A result file: what was run, what was measured, and what came out."""

    layout: Literal[1, 2, 3, 4] = Field(alias="schema")
    """version of this layout: 4. Version 3 has intervals and tests of another kind, which are left
    out when it is read, and no `spread` and no `ledger`. Version 2 has neither `findings` nor
    `bounds`. Version 1 has no sums either; it is still judged, by its means alone"""
    bet: BetPart
    """the bet"""
    base: BasePart
    """the base"""
    method: MethodPart
    """the bet's own method"""
    versions: VersionsPart
    """what was run, by version: evidence made by others is stale"""
    recipe: RecipePart
    """how each adapter was trained"""
    kernel: str
    """how the products of the head were made, with a version: the fastest way where the store was
    begun. Empty in the oldest files"""
    scoring: ScoringPart
    """how held-out text was scored"""
    seeds: Rows[int]
    """the seeds of each trained arm"""
    bin_tokens: Annotated[int, Expected(str(BIN_TOKENS), _is_bin)] = Field(alias="cell")
    """tokens in a bin of `sums` (the key is older than the word)"""
    users: Rows[UnitPart]
    """one entry a unit, below: a user, or each slice of a user, under each seed or over all, where
    the bet counts those or pairs of them"""
    repeats: Rows[str] = ()
    """where the bet counts slices under seeds: the units that repeat one of `users` to the last
    sum, and so count once. Absent elsewhere"""
    adapters: Rows[AdapterPart]
    """one entry an adapter that the level rests on"""
    verdict: VerdictPart
    """what came out, below"""
    times: TimesPart
    """when, and how long it took"""
    environment: EnvironmentPart
    """where it ran"""
    ledger: Rows[LedgerPart] = ()
    """the lines of the store's ledger about this base and any of these texts, below, oldest first,
    up to this result's own. Absent from files of versions 1 to 3, and where the verdict is
    PLANTED"""
    seal: str
    """SHA-256 of all else, as JSON with sorted keys and no spaces: a file edited by hand is no
    evidence. Empty in the oldest files"""

    @property
    def design(self) -> dict[str, Any]:
        """Recipe, scoring and seeds by key, as ``bets.other_design`` compares them."""
        recipe, scoring = self.recipe.model_dump(), self.scoring.model_dump()
        return {**recipe, **scoring, "seeds": list(self.seeds)}

    @property
    def texts(self) -> dict[str, TextDigests]:
        """The digests of each user's texts."""
        heldout: dict[str, dict[str, str]] = {row.user: {} for row in self.users}
        for row in self.users:
            heldout[row.user].update((piece.slice, piece.sha256) for piece in row.slices)
        return {
            row.user: TextDigests(train=row.train_sha256, heldout=heldout[row.user])
            for row in self.users
        }

    @model_validator(mode="after")
    def _gives_each_text_one_digest(self) -> ResultFile:
        texts = self.texts
        for row in self.users:
            of = texts[row.user]
            found = {piece.slice: piece.sha256 for piece in row.slices}
            if row.train_sha256 != of.train or not found.items() <= of.heldout.items():
                raise ResultError(
                    f"{row.name}: digests of texts that another entry of {row.user} gives "
                    "otherwise; expected one digest a text"
                )
        return self

    @property
    def content(self) -> dict[str, Any]:
        """What stands in the file."""
        return self.model_dump(mode="json", by_alias=True, exclude_unset=True)


def is_whole(content: Mapping[str, Any]) -> bool:
    """Return whether a file has the seal of its content, or none, as the oldest files."""
    try:
        return "seal" not in content or content["seal"] == seal(content)
    except ValueError:  # NaN or infinity, which no file was sealed with
        return False


def seal(content: Mapping[str, Any]) -> str:
    """Return the SHA-256 (hex) of a result file's content without its key ``seal``.

    It detects accidental edits, not forgery.
    """
    return digest({key: value for key, value in content.items() if key != "seal"})
