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

PLAIN = "/plain"
"""Follows the hash of a text, in keys, where the names of special tokens in it are read as text.

Version 0.1.0 read them as special tokens. All other texts have the same tokens as then, and keys.
"""


@dataclass(frozen=True)
class _Source:
    """What an arm reads of a user: the hash of it, and a function that gives its tokens (n,).

    The hash is empty and the tokens are None where an arm reads nothing.
    """

    sha256: str
    tokens: Callable[[], Ids | None]


class Texts:
    """The users' texts in a base's tokens. ``encode`` turns a text into tokens.

    ``has_special`` says whether a text has the name of a special token in it.
    """

    def __init__(
        self,
        encode: Callable[[str], Ids],
        recipe: Recipe,
        scoring: Scoring,
        has_special: Callable[[str], bool] = lambda _: False,
    ) -> None:
        self._encode = encode
        self._has_special = has_special
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
                return _Source(
                    self._hash(user.train, user.train_sha256), lambda: self.training(user)
                )
            case Reads.HELDOUT_TEXT:
                slices = [self.slice_sha256(piece) for piece in user.heldout]
                return _Source(
                    digest({"slices": slices, "tokens": self._scoring.tokens}),
                    lambda: np.concatenate([self.scored(piece) for piece in user.heldout]),
                )

    def slice_sha256(self, piece: Slice) -> str:
        """The hash of a slice's text, as keys have it."""
        return self._hash(piece.text, piece.sha256)

    def _hash(self, text: str, sha256: str) -> str:
        """A text's hash; it says so where an earlier version would have had other tokens."""
        return f"{sha256}{PLAIN}" if self._has_special(text) else sha256

    def check_lengths(self, user: User) -> None:
        """Refuse texts that are too short, before anything trains.

        Raises:
            NoisefloorError: the training text is shorter than a block, or a slice is shorter than a
                window.
        """
        for what, text, least in self._texts(user):
            found = len(self._encode(text))
            if found < least:
                raise NoisefloorError(
                    f"user {user.name!r}, {what}: {found} tokens; expected at least {least}"
                )

    def check_rows(self, user: User, rows: int, name: Callable[[int], str | None]) -> None:
        """Refuse tokens for which a base has no row in its embeddings, before anything trains.

        ``name`` gives a token's text.

        Raises:
            NoisefloorError: a text has such a token.
        """
        for what, text, _ in self._texts(user):
            if (found := int(self._encode(text).max())) >= rows:
                raise NoisefloorError(
                    f"user {user.name!r}, {what}: token {found}, {name(found)!r}; expected tokens "
                    f"below {rows}, the rows of the base's embeddings"
                )

    def _texts(self, user: User) -> list[tuple[str, str, int]]:
        """A user's texts: what each is called, its text, and the fewest tokens it may have."""
        texts = [("training text", user.train, self._recipe.sequence)]
        return texts + [(f"slice {s.name!r}", s.text, self._scoring.window) for s in user.heldout]


class Tokenizer(Protocol):
    """What the suite needs from a tokenizer."""

    @property
    def prefix(self) -> int:
        """The token that stands in front of every scored document: end of text, or BOS."""
        ...

    @property
    def text_ids(self) -> Ids:
        """The ids (n,) that ``encode`` can give, ascending; not special or added tokens."""
        ...

    def encode(self, text: str) -> Ids:
        """Token ids (n,) of a text, without special tokens, whatever the text says."""
        ...

    def name(self, token: int) -> str | None:
        """The text of a token, for messages; None if there is no such token."""
        ...
