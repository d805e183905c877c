"""Texts as tokens: the tokens that are scored, and the tokens that an arm reads."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np

from pytest_noisefloor._typing import Ids
from pytest_noisefloor.errors import NoisefloorError
from pytest_noisefloor.specs import Recipe, Scoring, digest

from .arms import Arm, Reads
from .users import Slice, User


@dataclass(frozen=True)
class _Source:
    """What an arm reads of a user: the hash of it, and a function that gives its tokens (n,).

    The hash is empty and the tokens are None where an arm reads nothing.
    """

    sha256: str
    tokens: Callable[[], Ids | None]


class Texts:
    """The users' texts in a base's tokens. ``encode`` turns a text into tokens."""

    def __init__(self, encode: Callable[[str], Ids], recipe: Recipe, scoring: Scoring) -> None:
        self._encode = encode
        self._recipe = recipe
        self._scoring = scoring

    def scored(self, piece: Slice) -> Ids:
        """The tokens (n,) of a slice that are scored."""
        return self._encode(piece.text)[: self._scoring.tokens]

    def training(self, user: User) -> Ids:
        """The tokens (n,) of a user's training text."""
        return self._encode(user.train)

    def read(self, user: User, arm: Arm) -> Ids | None:
        """The tokens (n,) that an arm reads from a user's text. The arm gets no others."""
        return self._source(user, arm).tokens()

    def sha256(self, user: User, arm: Arm) -> str:
        """The hash of the text that an arm reads from a user. It is empty if the arm reads none."""
        return self._source(user, arm).sha256

    def _source(self, user: User, arm: Arm) -> _Source:
        match Reads(arm.reads):
            case Reads.NOTHING:
                return _Source("", lambda: None)
            case Reads.TRAINING_TEXT:
                return _Source(user.train_sha256, lambda: self.training(user))
            case Reads.HELDOUT_TEXT:
                slices = [piece.sha256 for piece in user.heldout]
                return _Source(
                    digest({"slices": slices, "tokens": self._scoring.tokens}),
                    lambda: np.concatenate([self.scored(piece) for piece in user.heldout]),
                )

    def check_lengths(self, user: User) -> None:
        """Refuse texts that are too short, before anything trains.

        Raises:
            NoisefloorError: the training text is shorter than a block, or a slice is shorter than a
                window.
        """
        texts = [("training text", user.train, self._recipe.sequence)]
        texts += [(f"slice {s.name!r}", s.text, self._scoring.window) for s in user.heldout]
        for what, text, least in texts:
            found = len(self._encode(text))
            if found < least:
                raise NoisefloorError(
                    f"user {user.name!r}, {what}: {found} tokens; expected at least {least}"
                )


class Tokenizer(Protocol):
    """What the suite needs from a tokenizer."""

    @property
    def prefix(self) -> int:
        """The end-of-text token, which stands in front of every scored document."""
        ...

    @property
    def text_ids(self) -> Ids:
        """The ids (n,) that ``encode`` can give, ascending; not special or added tokens."""
        ...

    def encode(self, text: str) -> Ids:
        """Token ids (n,) of a text, without special tokens."""
        ...
