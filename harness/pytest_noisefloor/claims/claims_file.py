"""The layout of a claims file: which keys a claim has, and what each may hold."""

from __future__ import annotations

import datetime as dt
import re
from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, Field, model_validator

from pytest_noisefloor._files import STRICT, Expected, Table, shown
from pytest_noisefloor.bets import ASSERTIONS
from pytest_noisefloor.data import USER_NAME
from pytest_noisefloor.errors import NoisefloorError
from pytest_noisefloor.models import SHIPPED, TERNARY
from pytest_noisefloor.training import METHODS, is_method

_PROVING = tuple(name for name in SHIPPED if name != "tiny")
"""Shipped bases that a claim can be about; ``tiny`` only proves the machinery."""


def _is_base(value: str, here: Path) -> bool:
    value = value.removesuffix(TERNARY)
    hub_id = re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", value)
    return value in _PROVING or _is_folder(value, here) or bool(hub_id)


def _is_evidence(value: str, here: Path) -> bool:
    try:
        inside = (here / value).resolve().is_relative_to(here.resolve())
    except (OSError, ValueError):  # too long, or with a null
        return False
    return value.endswith(".json") and inside and not Path(value).is_absolute()


def _is_folder(value: str, here: Path) -> bool:
    try:
        return bool(value) and (here / value).is_dir()
    except (OSError, ValueError):  # too long, or with a null
        return False


_UserNames = Annotated[
    tuple[Annotated[str, Field(pattern=f"^{USER_NAME.pattern}$")], ...],
    Table(),
    Field(min_length=1, json_schema_extra={"uniqueItems": True}),
]

_TEXTS = "the folder of the users' texts, seen from the claims file (none for those shipped)"


class ClaimTable(BaseModel):
    """A claim: what is asserted, about which adapters, by which bet and on which evidence."""

    model_config = STRICT

    id: Annotated[
        str,
        Field(pattern=r"^\w[\w.-]*$"),
        Expected("letters, digits, '-', '_' and '.'", about="a name that no other claim has"),
    ]
    bet: Annotated[str, Expected("text", about="a registered bet's name, or a locked file's path")]
    base: Annotated[
        str,
        Expected(
            "reference, smollm2-135m, a folder seen from the claims file, or a hub id; each with "
            f"{TERNARY} or without",
            _is_base,
            about="the base that the adapters are for",
        ),
    ]
    fingerprint: Annotated[
        str,
        Field(pattern="^[0-9a-f]{12,64}$"),
        Expected("12 hexadecimal digits or more", about="how the base's fingerprint begins"),
    ]
    users: Annotated[
        Literal["shipped"] | _UserNames,
        Expected(
            '"shipped" or a list of names, each once',
            lambda users, _: users == "shipped" or len(set(users)) == len(users),
            about="whom the adapters are for",
        ),
    ]
    method: Annotated[
        str,
        Expected(
            f"{' or '.join(METHODS)} or an import path, as package.module:object",
            lambda value, _: is_method(value),
            about="what trains",
        ),
    ]
    asserts: Annotated[
        str,
        Field(json_schema_extra={"enum": list(ASSERTIONS)}),
        Expected(
            " or ".join(ASSERTIONS),
            lambda value, _: value in ASSERTIONS,
            about="the bet's level that the evidence must show, or that a gain of 1.1 is absent",
        ),
    ]
    evidence: Annotated[
        str,
        Field(json_schema_extra={"pattern": r"\.json$"}),
        Expected(
            "a .json file in the claims file's folder or below it, seen from there",
            _is_evidence,
            about="the result that the claim rests on",
        ),
    ]
    date: Annotated[dt.date, Expected("a date", about="the day of the claim")]
    texts: Annotated[str, Expected(_TEXTS, _is_folder)] = ""
    note: Annotated[str, Expected("text", about="a remark that is printed, but not checked")] = ""
    primary: Annotated[
        bool,
        Expected(
            "true or false",
            about="whether this is the one claim on its base and texts that is not adjusted",
        ),
    ] = False
    withdrawn: Annotated[
        dt.date | None, Expected("a date", about="the day on which the claim was withdrawn")
    ] = None
    reason: Annotated[str, Expected("text", about="why the claim was withdrawn")] = ""

    @model_validator(mode="after")
    def _names_texts_of_its_own_users(self) -> ClaimTable:
        if self.texts and isinstance(self.users, str):
            raise NoisefloorError(f"claim {self.id!r}.texts = {self.texts!r}; expected {_TEXTS}")
        return self

    @model_validator(mode="after")
    def _is_withdrawn_for_a_reason(self) -> ClaimTable:
        claim, reason = f"claim {self.id!r}", self.reason.strip()
        if self.withdrawn is None and self.reason:
            raise NoisefloorError(
                f"{claim}.reason = {shown(self.reason)}; expected none without 'withdrawn', the "
                "day on which the claim was withdrawn"
            )
        if self.withdrawn is not None and not reason:
            raise NoisefloorError(
                f"{claim}.withdrawn = {self.withdrawn}, but 'reason' is missing; expected why the "
                "claim was withdrawn, in words"
            )
        if self.withdrawn is not None and self.withdrawn < self.date:
            raise NoisefloorError(
                f"{claim}.withdrawn = {self.withdrawn}; expected {self.date}, the day of the "
                "claim, or a later day"
            )
        return self


class ClaimsFile(BaseModel):
    """A claims file: the claims that a project makes, each held to the evidence that it names."""

    model_config = STRICT

    claim: Annotated[
        tuple[ClaimTable, ...], Table(), Field(description="the claims, each a [[claim]]")
    ] = ()
