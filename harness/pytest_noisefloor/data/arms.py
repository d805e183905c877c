"""Arms: seeded streams of training tokens, alike in everything but the tokens.

Each arm yields exactly ``recipe.steps`` arrays of shape (batch, sequence), int64, on the CPU.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Protocol

import numpy as np

from pytest_noisefloor._import_path import imported, is_import_path
from pytest_noisefloor._typing import Ids
from pytest_noisefloor.errors import NoisefloorError
from pytest_noisefloor.specs import Recipe


class Reads(StrEnum):
    """What an arm may see of its user. An arm may also declare it as the plain string."""

    NOTHING = "nothing"
    TRAINING_TEXT = "training text"
    HELDOUT_TEXT = "held-out text"


class ArmError(NoisefloorError):
    """An arm cannot give the tokens that its recipe asks for."""


@dataclass(frozen=True, slots=True)
class ArmInput:
    """What an arm may draw on: the vocabulary's size, and of its user what the arm reads."""

    user: str
    vocabulary: int
    text: Ids | None


class Arm(Protocol):
    """What an adapter is trained on. Anybody's own arm has these four members.

    ``reads`` is one of the values of ``Reads``.
    """

    name: str
    version: int
    reads: str

    def batches(self, arm_input: ArmInput, recipe: Recipe, seed: int) -> Iterator[Ids]:
        """Yield ``recipe.steps`` arrays (batch, sequence) of token ids."""
        ...


def generator(seed: int, *names: str) -> np.random.Generator:
    """The random draws of a run: a function of its seed and its user's name alone.

    A further name is for draws that leave those in their order.
    """
    words = [int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little") for name in names]
    return np.random.default_rng([seed, *words])


def _text(arm_input: ArmInput, recipe: Recipe, reads: str) -> Ids:
    """The text to draw on, of at least one block.

    Raises:
        ArmError: the text is shorter than that.
    """
    text = arm_input.text
    if text is None or len(text) < recipe.sequence:
        raise ArmError(
            f"user {arm_input.user!r}: {0 if text is None else len(text)} "
            f"{reads.removesuffix(' text')} tokens; "
            f"expected at least one block of {recipe.sequence}"
        )
    return text


class Real:
    """The user's own training text, in blocks that start anywhere in it."""

    name = "real"
    version = 1
    reads: str = Reads.TRAINING_TEXT

    def batches(self, arm_input: ArmInput, recipe: Recipe, seed: int) -> Iterator[Ids]:
        """Yield blocks of consecutive tokens, their starts uniform over the text.

        Raises:
            ArmError: the text is shorter than one block.
        """
        text = _text(arm_input, recipe, self.reads)
        rng = generator(seed, arm_input.user)
        within = np.arange(recipe.sequence)
        for _ in range(recipe.steps):
            starts = rng.integers(len(text) - recipe.sequence + 1, size=(recipe.batch, 1))
            yield text[starts + within]


class Shuffled(Real):
    """The user's own tokens without their order: what is drawn of ``real``, of a permuted text."""

    name = "shuffled"
    version = 1

    def batches(self, arm_input: ArmInput, recipe: Recipe, seed: int) -> Iterator[Ids]:
        """Yield what ``real`` would, of the whole text after one permutation of its tokens.

        Raises:
            ArmError: the text is shorter than one block.
        """
        text = _text(arm_input, recipe, self.reads)
        shuffled = generator(seed, arm_input.user, self.name).permutation(text)
        yield from super().batches(replace(arm_input, text=shuffled), recipe, seed)


class Unigram:
    """The user's own token frequencies and nothing else: tokens drawn with replacement."""

    name = "unigram"
    version = 1
    reads: str = Reads.TRAINING_TEXT

    def batches(self, arm_input: ArmInput, recipe: Recipe, seed: int) -> Iterator[Ids]:
        """Yield independent ids, each as likely as it is frequent in the text.

        Raises:
            ArmError: the text is shorter than one block, as for ``real``.
        """
        text = _text(arm_input, recipe, self.reads)
        rng = generator(seed, arm_input.user)
        for _ in range(recipe.steps):
            yield text[rng.integers(len(text), size=(recipe.batch, recipe.sequence))]


class Random:
    """Uniform tokens over the whole vocabulary: no grammar, no frequencies, no user."""

    name = "random"
    version = 1
    reads: str = Reads.NOTHING

    def batches(self, arm_input: ArmInput, recipe: Recipe, seed: int) -> Iterator[Ids]:
        """Yield independent, uniformly distributed ids; never reads ``arm_input.text``."""
        rng = generator(seed, arm_input.user)
        for _ in range(recipe.steps):
            yield rng.integers(arm_input.vocabulary, size=(recipe.batch, recipe.sequence))


class Oracle(Real):
    """The scored held-out tokens themselves: an estimate of what the best text could have bought.

    No adapter to be used: the one arm that is exempt from the leak check. A real arm may touch it.
    """

    name = "oracle"
    version = 1
    reads: str = Reads.HELDOUT_TEXT


ARMS: dict[str, Arm] = {
    arm.name: arm for arm in (Real(), Random(), Oracle(), Unigram(), Shuffled())
}
"""The arms that train; ``untrained`` is the arm without adapter."""


def is_arm(words: str) -> bool:
    """Whether words name an arm: a shipped one's name, or the import path of anybody's own."""
    return words in ARMS or is_import_path(words)


def open_arm(words: str) -> Arm:
    """A shipped arm by its name, or anybody's own by its import path, ``package.module:object``.

    Raises:
        ArmError: nothing of that name, or an object that is no arm, bears a shipped one's name or
            one that cannot be part of a file's, or reads held-out text, as the oracle alone may.
    """
    if words in ARMS:
        return ARMS[words]
    try:
        members = {"name": str, "version": int, "reads": str, "batches": Callable}
        found: Arm = imported(words, members, ARMS)
    except NoisefloorError as error:
        raise ArmError(f"arm {error}") from error.__cause__
    if not re.fullmatch(r"[\w-]+", found.name):
        raise ArmError(f"arm {words!r}: name {found.name!r}; expected letters, digits, _ and -")
    if found.reads not in (Reads.NOTHING, Reads.TRAINING_TEXT):
        raise ArmError(f"arm {words!r}: reads {found.reads!r}; expected nothing or training text")
    return found
