"""Parts of a result file that hold its verdict: level, reach, error rates and findings."""

from __future__ import annotations

from collections.abc import Mapping

from pydantic import Field, FiniteFloat

from .parts_design import LevelName, Part, Rows


class CriterionPart(Part):
    """A criterion of the bet, and who satisfies it."""

    level: LevelName
    """the level"""
    condition: str
    """its condition, in words"""
    n_required: int = Field(alias="needed")
    """how many users it needs"""
    met_by: Rows[str]
    """the users that satisfy it"""


class ReachPart(Part):
    """Whether a level could have been met, by help alone."""

    level: LevelName
    """a level with a least ratio"""
    n_required: int = Field(alias="needed")
    """how many users it needs"""
    outcome: str
    """`within reach`, `out of reach`, `out of this recipe's reach` (by its oracle alone) or
    `not known`. Absent from files of versions 1 to 3"""
    shown: Rows[str]
    """the users who are shown to be able to meet it. Absent from files of versions 1 to 3"""
    beyond: Rows[str]
    """the users who are estimated to be unable to, by their ceiling or, without one, by the
    recipe's own oracle. Absent from files of versions 1 to 3"""
    by_ceilings: bool
    """whether ceilings alone put the level out of reach. Absent from files of versions 1 to 3"""


class RatesPart(Part):
    """How often each level came out in simulated repetitions."""

    ratio: FiniteFloat = Field(alias="true_ratio")
    """the true ratio of all users"""
    trials: int
    """simulated repetitions"""
    counts: Mapping[LevelName, int]
    """in how many of them each level came out"""
    bounds: Mapping[LevelName, Rows[FiniteFloat]]
    """95 % bounds of each level's probability, from `counts` (Clopper and Pearson). Empty in files
    of versions 1 and 2"""


class SlicesDifferPart(Part):
    """The users whose slices differ."""

    ratio: Rows[str]
    """in the ratio"""
    help: Rows[str]
    """in help. Empty if the ratio is help alone"""


class FindingsPart(Part):
    """What a verdict shows beyond its level."""

    alpha: FiniteFloat
    """level of significance of every test here"""
    won: Rows[str]
    """units whose ratio is shown to be above 1: its lower bound is"""
    lost: Rows[str]
    """units whose ratio is shown to be below 1: its upper bound is"""
    not_shown: Rows[str]
    """units with an interval that shows neither"""
    helped: Rows[str]
    """units whose own text is shown to improve the base: help's lower bound is above 1"""
    of_adapters: Rows[str]
    """units whose interval lacks the spread of trainings: it is about these adapters"""
    slices_differ: SlicesDifferPart
    """users whose slices differ in the ratio (`ratio`) and in help (`help`), by `slices_p` and
    `slices_help_p`"""
    below_level: Rows[str]
    """users who won and were helped, though the verdict meets no level"""
    users_p: FiniteFloat | None
    """one-sided sign-flip p value across users. Null where it is not given"""
    users_p_exact: bool
    """whether it counts all flips, and not random ones"""
    users_p_least_users: int | None
    """the fewest users for whom it can fall below `alpha`. Null where it is not given"""
    coin_flip_rates: Mapping[LevelName, FiniteFloat]
    """for each level with a threshold of 1, the share of coin tosses in the users' place that
    meet it. Empty where a condition is the best of several, or where not users are counted"""
    gaining: Rows[str]
    """units shown, with the spread of trainings, to beat the control and to improve the base"""
    losing: Rows[str]
    """units shown, with the spread of trainings, to lose to the control"""
    claimable: Rows[str]
    """what a claim may assert"""
    why_not_absent: str
    """why ABSENT may not be claimed. Empty if it may"""
    bar_shown: Rows[str]
    """levels among `claimable` whose bar lies below the intervals of as many units as they need"""


class VerdictPart(Part):
    """What came out."""

    level: LevelName
    """`STRICT`, `LENIENT`, `NOT_MET` or `CATASTROPHIC`"""
    planted: bool
    """true where only the machinery is proved"""
    criteria: Rows[CriterionPart]
    """for each level its condition, and which units satisfy it"""
    rests_on_harm: Rows[LevelName]
    """levels that would not be met with help in place of the ratio"""
    reach: Rows[ReachPart]
    """for each level with a least ratio whether it was within reach. Empty where that is not known,
    and not read from files of versions 1 to 3"""
    error_rates: Rows[RatesPart]
    """how often each level comes out by chance. Where the spread of trainings is not known, the
    noise lacks it. Empty for slices, which share adapters, and in files of version 1"""
    unresolved: str
    """why intervals are missing, and for whom. Empty where all are there"""
    findings: FindingsPart | None
    """what was found, below. Not read from files of versions 1 to 3"""
