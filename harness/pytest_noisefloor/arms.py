"""Arms: seeded streams of training tokens, alike in everything but the tokens.

Each arm yields exactly ``recipe.steps`` arrays of shape (batch, sequence), int64, on the CPU.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, Protocol

import numpy as np
import numpy.typing as npt

from .errors import NoisefloorError
from .recipe import Recipe

Ids = npt.NDArray[np.int64]
Reads = Literal["nothing", "training text", "held-out text"]
"""What an arm may see of its user."""


class ArmError(NoisefloorError):
    """An arm cannot give the tokens that its recipe asks for."""


@dataclass(frozen=True, slots=True)
class Material:
    """What an arm may draw on: the vocabulary's size, and of its user what the arm reads."""

    user: str
    vocabulary: int
    text: Ids | None


class Arm(Protocol):
    """What an adapter is trained on. Anybody's own arm has these four members."""

    name: str
    version: int
    reads: Reads

    def blocks(self, material: Material, recipe: Recipe, seed: int) -> Iterator[Ids]:
        """Yield ``recipe.steps`` arrays (batch, sequence) of token ids."""
        ...


def generator(seed: int, user: str) -> np.random.Generator:
    """The random draws of a run: a function of its seed and its user's name alone."""
    name = int.from_bytes(hashlib.sha256(user.encode()).digest()[:8], "little")
    return np.random.default_rng([seed, name])


class Real:
    """The user's own training text, in blocks that start anywhere in it."""

    name = "real"
    version = 1
    reads: Reads = "training text"

    def blocks(self, material: Material, recipe: Recipe, seed: int) -> Iterator[Ids]:
        """Yield blocks of consecutive tokens, their starts uniform over the text.

        Raises:
            ArmError: the text is shorter than one block.
        """
        text = material.text
        if text is None or len(text) < recipe.sequence:
            raise ArmError(
                f"user {material.user!r}: {0 if text is None else len(text)} "
                f"{self.reads.removesuffix(' text')} tokens; "
                f"expected at least one block of {recipe.sequence}"
            )
        rng = generator(seed, material.user)
        within = np.arange(recipe.sequence)
        for _ in range(recipe.steps):
            starts = rng.integers(len(text) - recipe.sequence + 1, size=(recipe.batch, 1))
            yield text[starts + within]


class Random:
    """Uniform tokens over the whole vocabulary: no grammar, no frequencies, no user."""

    name = "random"
    version = 1
    reads: Reads = "nothing"

    def blocks(self, material: Material, recipe: Recipe, seed: int) -> Iterator[Ids]:
        """Yield independent, uniformly distributed ids; never reads ``material.text``."""
        rng = generator(seed, material.user)
        for _ in range(recipe.steps):
            yield rng.integers(material.vocabulary, size=(recipe.batch, recipe.sequence))


class Oracle(Real):
    """The scored held-out tokens themselves: an estimate of what the best text could have bought.

    No adapter to be used: the one arm that is exempt from the leak check. A real arm may touch it.
    """

    name = "oracle"
    version = 1
    reads: Reads = "held-out text"


ARMS: dict[str, Arm] = {arm.name: arm for arm in (Real(), Random(), Oracle())}
"""The arms that train; ``untrained`` is the arm without adapter."""

UNTRAINED = "untrained"
