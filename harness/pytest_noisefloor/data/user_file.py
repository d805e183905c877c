"""The layout of a shipped user's file: where each text comes from, and its hash."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, Field, model_validator

from pytest_noisefloor._files import STRICT, Expected, Table
from pytest_noisefloor.errors import NoisefloorError

Part = Annotated[
    Annotated[str, Field(min_length=1)] | Annotated[int, Field(ge=1)],
    Expected("a file's name, a chapter's number of 1 or more, or an article's number as text"),
]


Sha256 = Annotated[str, Field(pattern="^[0-9a-f]{64}$"), Expected("64 hexadecimal digits")]


class TextParts(BaseModel):
    """One text: the parts of the package that it joins, and the SHA-256 of the cleaned text."""

    model_config = STRICT

    parts: Annotated[tuple[Part, ...], Table()] = Field(min_length=1)
    sha256: Sha256


class Article(BaseModel):
    """An article that a text quotes, as its licence asks."""

    model_config = STRICT

    doi: str
    year: int
    title: str
    authors: str


class UserFile(BaseModel):
    """A shipped user: the package that holds the texts, which parts are read, and the licence."""

    model_config = STRICT

    name: str
    package: str
    version: str
    kind: Literal["code", "novel", "articles"]
    file: str = ""
    licence: str
    attribution: str
    limits: str
    train: Annotated[TextParts, Field(description="a table [train] with parts and sha256")]
    heldout: Annotated[
        dict[str, TextParts],
        Field(description="tables [heldout.<slice>], each with parts and sha256"),
    ]
    articles: Annotated[tuple[Article, ...], Table()] = ()

    @model_validator(mode="after")
    def _fits_kind(self) -> UserFile:
        if (self.kind == "code") == bool(self.file):
            raise NoisefloorError(
                f"file = {self.file!r}, kind = {self.kind!r}; expected the key file for a novel "
                "or for articles, and none for code"
            )
        right = int if self.kind == "novel" else str
        for part in (part for text in (self.train, *self.heldout.values()) for part in text.parts):
            if not isinstance(part, right):
                words = "numbers of chapters" if right is int else "text"
                raise NoisefloorError(f"part {part!r}, kind = {self.kind!r}; expected {words}")
        return self
