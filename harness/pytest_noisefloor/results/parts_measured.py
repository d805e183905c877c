"""Parts of a result file that hold what was measured: units, their slices, and intervals."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

from pydantic import Field, FiniteFloat, NonNegativeInt, PositiveInt

from pytest_noisefloor._files import Expected
from pytest_noisefloor.stats import Source

from .errors import ResultError
from .parts_design import Part, Rows, T

Means = Mapping[str, FiniteFloat]

Deviation = Annotated[FiniteFloat, Expected("more than 0", lambda value, _: value > 0)]
"""A standard deviation; trainings that do not differ are no replicates."""


class IntervalPart(Part):
    """A 95 % interval, in nats per token."""

    estimate: FiniteFloat
    """the point estimate"""
    low: FiniteFloat
    """lower bound"""
    high: FiniteFloat
    """upper bound"""
    se: FiniteFloat = Field(alias="standard_error")
    """standard error"""
    df: FiniteFloat = Field(alias="freedom")
    """its degrees of freedom"""
    groups: int
    """the groups of consecutive tokens that it rests on"""
    spread_se: FiniteFloat = Field(alias="spread")
    """the part of the error that comes from the variation between trainings"""
    of_trainings: bool = Field(alias="trainings")
    """whether that variation is known for each arm of the difference. If not, the interval is
    conditional on these adapters"""


class SpreadPart(Part):
    """How much an arm varies between trainings that differ in the seed."""

    sd: Deviation
    """standard deviation of the arm's mean NLL, in nats per token"""
    df: Annotated[FiniteFloat, Expected("1 or more", lambda value, _: value >= 1)] = Field(
        alias="freedom"
    )
    """its degrees of freedom"""
    source: Source
    """`own seeds` of this unit, `other users` of this bet, or `filed`: other users in a file of
    `fixtures/spread/`"""
    sha256: str
    """SHA-256 of that file. Empty for the other sources"""


class IntervalsPart(Part):
    """The intervals of a unit. One is absent if it has too little text."""

    delta: IntervalPart
    """interval of `delta`"""
    harm: IntervalPart | None = None
    """of the logarithm of `harm`"""
    help: IntervalPart | None = None
    """of the logarithm of `help`"""
    oracle: IntervalPart | None = None
    """of the logarithm of the oracle's ratio"""
    oracle_help: IntervalPart | None = None
    """of the logarithm of the oracle's help"""


class UnitReachPart(Part):
    """How far a unit's held-out NLL could have fallen, by help, without any training."""

    moved: FiniteFloat = Field(ge=0)
    """r: how far the value that moved most is from its start, over the user's adapters of this
    method and rate, the oracle's among them"""
    norm: FiniteFloat | None = Field(alias="gradient_norm", ge=0)
    """‖∇L‖₁: the gradient of the mean NLL of all scored tokens at the untrained base, in nats per
    token per unit that all values move. Null if the method has no first-order term at its start"""
    ceiling: FiniteFloat | None
    """r · ‖∇L‖₁, in nats per token: a first-order estimate of the most that help could be, no
    bound. Null if there is no `gradient_norm`"""
    step: FiniteFloat
    """the size of the best step against the gradient's sign, of a quarter, a half and all of r"""
    floor: IntervalPart | None
    """what that step gained. Null if too little text is left for an interval"""
    sums: Rows[str]
    """the NLL after that step summed over bins, by slice"""


class LeakPart(Part):
    """How much of a slice stands in the training text."""

    share: FiniteFloat
    """share of the slice's word 13-grams that stand in the training text"""
    paragraphs: int
    """how many of its paragraphs of 50 words or more do"""


class EffectPart(Part):
    """The figures of a unit or of one slice."""

    mean_nll: Means
    """mean NLL by the bet's labels (in Bet 60 they are arms), `untrained`, `real`, `random` and
    `oracle` (trained on the held-out text itself, to learn what was reachable): over this entry's
    tokens, then over seeds"""
    perplexity: Means
    """perplexity of each label"""
    delta: FiniteFloat
    """NLL(random) − NLL(real): the labels are those of the bet file's `statistic`"""
    ratio: FiniteFloat
    """perplexity random / real = exp `delta` = `harm` × `help`"""
    harm: FiniteFloat | None
    """perplexity random / untrained: above 1, random tokens made the base worse"""
    help: FiniteFloat | None
    """perplexity untrained / real: above 1, the user's text made the base better"""
    winner: str
    """`real`, `random` or `tie`"""


class _SliceNamed(Part):
    slice: str
    """the slice's name"""
    sha256: str
    """SHA-256 of its text"""
    tokens: PositiveInt
    """scored tokens"""


class SlicePart(EffectPart, _SliceNamed):  # the fields of the last class come first
    """One held-out slice of a unit."""

    leak: LeakPart
    """what of the slice stands in the training text"""
    mean_nll_by_seed: Mapping[str, Rows[FiniteFloat]]
    """mean NLL under each seed, by label"""
    sums: Mapping[str, Rows[str]]
    """the NLL summed over bins, by label and then by seed. Empty in files of version 1"""


class _UnitNamed(Part):
    user: str
    """the user's name"""
    unit: str | None = None
    """name of an entry that is less than a user: a slice, or a slice under a seed. Absent where
    the entry is a user"""
    seed: int | None = None
    """the seed, where the bet counts slices under seeds. Absent elsewhere"""
    divergence: FiniteFloat | None = None
    """where the bet counts pairs of slices: Jensen-Shannon divergence, in nats, between the
    frequencies of the slice's scored tokens and those of the whole training text. Absent
    elsewhere"""


class UnitPart(EffectPart, _UnitNamed):
    """An entry of ``users``."""

    candidates: Mapping[str, Means]
    """for each of the bet's labels that several adapters stand for (`other`; `a | b`): the mean
    NLL of each, of which the lowest counts. Empty in the oldest files"""
    train_sha256: str
    """SHA-256 of the cleaned training text"""
    tokens: NonNegativeInt
    """scored tokens, over all slices"""
    slices: Rows[SlicePart]
    """one entry a slice, below"""
    spread: Mapping[str, SpreadPart] | None = None
    """for each of the bet's labels whose variation between trainings is known: that variation,
    below. Absent, with all keys down to `normalised`, where there is too little text for an
    interval of `delta`, and from files of versions 1 to 3"""
    intervals: IntervalsPart | None = None
    """95 % intervals, below"""
    p: FiniteFloat | None = None
    """two-sided p value of no difference in `delta` (Student's t)"""
    equivalence_p: FiniteFloat | None = Field(default=None, alias="absent_p")
    """probability, were the ratio 1.1 or 1/1.1, of an estimate so far inside it (two one-sided
    tests)"""
    mde: FiniteFloat | None = Field(default=None, alias="detectable")
    """the least `delta` that such a design finds with 80 % power, in nats per token"""
    slices_p: FiniteFloat | None = None
    """probability of slices that differ so in `delta`, if it were the same on all (Welch's analysis
    of variance over blocks of four autocorrelation times). Null where a slice has too few"""
    slices_help_p: FiniteFloat | None = None
    """the same of help"""
    aa: Mapping[str, FiniteFloat] = Field(default={}, alias="a_a")
    """for each compared label that trains: the standard deviation of the difference between two of
    its adapters that differ in the seed (A/A), in nats per token. Without labels of which nothing
    is known"""
    fraction_of_oracle: FiniteFloat | None = Field(default=None, alias="normalised")
    """Δ(real) / Δ(oracle), where the latter is resolved above 0; else null"""
    reach: UnitReachPart | None = None
    """how far the unit's NLL could have fallen, below. Absent from files of versions 1 to 3, of
    pairs of slices, and where the denominator is not the user's own text"""

    @property
    def name(self) -> str:
        """What the entry is about: a user, or a unit of one."""
        return self.unit or self.user

    def nll(self, label: str) -> float:
        """Return the mean NLL under a label.

        Raises:
            ResultError: the entry has none.
        """
        return self.given(f"mean_nll.{label}", self.mean_nll.get(label))

    def nll_by_adapter(self, label: str) -> Means:
        """Return the mean NLL of each adapter that stands for a label.

        Raises:
            ResultError: the entry has none.
        """
        return self.given(f"candidates.{label}", self.candidates.get(label))

    @property
    def piece(self) -> SlicePart:
        """The slice of an entry that is one slice.

        Raises:
            ResultError: it has none, or several.
        """
        if len(self.slices) != 1:
            raise ResultError(f"{self.name}: {len(self.slices)} slices; expected one")
        return self.slices[0]

    def given(self, key: str, value: T | None) -> T:
        """Return the value of a key that only some entries have.

        Raises:
            ResultError: this one lacks it.
        """
        if value is None:
            raise ResultError(f"{self.name}: key {key!r} is missing; expected it of such a bet")
        return value
