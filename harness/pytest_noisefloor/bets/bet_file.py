"""The layout of a bet file: which keys it has, and what each may hold."""

from __future__ import annotations

from datetime import date
from fractions import Fraction
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, model_validator

from pytest_noisefloor._files import STRICT, Expected, Table
from pytest_noisefloor.data import TextDigests
from pytest_noisefloor.errors import BetError
from pytest_noisefloor.specs import Recipe, Scoring
from pytest_noisefloor.stats import Contrast


def _left_out(schema: dict[str, Any]) -> None:
    """Take the default from the JSON Schema of a key: it stands for a key that is left out."""
    schema.pop("default")


Bar = Annotated[
    float,
    Field(gt=0, allow_inf_nan=False),
    Expected("a finite ratio above 0"),
]

Share = Annotated[
    str,
    Field(pattern=r"^(1|[1-9][0-9]{0,8}/[1-9][0-9]{0,8})$"),
    Expected('"1" or a fraction of at most 1 such as "2/3"', lambda text, _: Fraction(text) <= 1),
]


class LevelTable(BaseModel):
    """A level: the ratio is at least or below a bar for a share of what the bet counts."""

    model_config = {
        **STRICT,
        "json_schema_extra": {"oneOf": [{"required": ["at_least"]}, {"required": ["below"]}]},
    }

    name: Annotated[
        Literal["STRICT", "LENIENT", "CATASTROPHIC"], Field(description="the level that it is")
    ]
    at_least: Bar = Field(
        default=0.0,
        description="the bar that the ratio must reach",
        json_schema_extra=_left_out,
    )
    below: Bar = Field(
        default=0.0,
        description="the bar that the ratio must stay under",
        json_schema_extra=_left_out,
    )
    share: Annotated[
        Share,
        Field(
            description="the share of what the bet counts that must satisfy it, rounded up: "
            '"1" or a fraction such as "2/3"'
        ),
    ]

    @model_validator(mode="after")
    def _one_bar(self) -> LevelTable:
        both = self.at_least and self.below
        if both or not (self.at_least or self.below):
            found = f"at_least = {self.at_least} and below = {self.below}" if both else "neither"
            raise BetError(
                f"level {self.name!r}: {found}; expected one of at_least and below, with a ratio"
            )
        return self


class Refused(BaseModel):
    """A candidate who was refused when the bet was registered."""

    model_config = STRICT

    user: str = Field(description="the name of the candidate's folder")
    why: str = Field(description="why no session could use the texts")


class Design(BaseModel):
    """What trains, for whom, from which seeds, and how it is scored."""

    model_config = STRICT

    method: str = Field(
        description="what trains: a shipped method's name, or an import path, as "
        "package.module:object"
    )
    base: str = Field(
        default="",
        description="the base that the bet is about; without it the session chooses",
        json_schema_extra=_left_out,
    )
    users: Annotated[tuple[str, ...], Table()] = Field(
        description="the users by name, each once, at least one",
        json_schema_extra={"minItems": 1, "uniqueItems": True},
    )
    seeds: Annotated[tuple[int, ...], Table()] = Field(
        description="the seeds that each arm trains from: whole numbers of 0 or more, each once, "
        "at least one",
        json_schema_extra={"minItems": 1, "uniqueItems": True},
    )
    recipe: Annotated[Recipe, Table()] = Field(description="how every adapter is trained")
    scoring: Annotated[Scoring, Table()] = Field(description="how held-out text is scored")
    texts: dict[str, Annotated[TextDigests, Table()]] = Field(
        default={},
        description="the digests of each user's texts: those that the bet is registered for",
    )
    refused: Annotated[tuple[Refused, ...], Table()] = Field(
        default=(), description="the candidates who were refused when the bet was registered"
    )


class BetFile(BaseModel):
    """A bet: hypothesis, design, statistic and levels, registered before anything runs."""

    model_config = STRICT

    id: str = Field(
        description="the bet's id: letters, digits, _ and -",
        json_schema_extra={"pattern": r"^[\w-]+$"},
    )
    name: str = Field(
        description="the name of its result file: letters, digits, _ and -",
        json_schema_extra={"pattern": r"^[\w-]+$"},
    )
    title: str = Field(description="the bet's title in a few words")
    registered: date = Field(description="the day on which the bet was registered, as a date")
    hypothesis: str = Field(description="what the bet says will happen, and what if not")
    planted: bool = Field(
        default=False, description="whether the bet only proves the machinery, and no claim"
    )
    design_of: str = Field(
        default="",
        description="the id of the shipped bet whose design this is",
        json_schema_extra=_left_out,
    )
    design: Design = Field(description="what trains, for whom, and how it is scored")
    statistic: Annotated[Contrast, Table()] = Field(
        description="which conditions are compared, and how scores become one ratio"
    )
    level: Annotated[tuple[LevelTable, ...], Table()] = Field(
        description="the levels: one each of STRICT, LENIENT and CATASTROPHIC",
        json_schema_extra={"minItems": 3, "maxItems": 3},
    )
