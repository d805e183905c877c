"""Arms: seeded streams of training tokens that differ in nothing but their tokens.

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
    """The part of a user's text that an arm may see. An arm may declare it as a plain string."""

    NOTHING = "nothing"
    TRAINING_TEXT = "training text"
    HELDOUT_TEXT = "held-out text"


class ArmError(NoisefloorError):
    """An arm that cannot be used, or cannot yield the tokens that its recipe asks for."""


@dataclass(frozen=True, slots=True)
class ArmInput:
    """What an arm may use: the user's name, the text it reads, and the base's vocabulary.

    ``vocabulary`` is its size. ``text_ids`` (n,) are those of its ids that the tokenizer can give
    for a text, in ascending order.
    """

    user: str
    vocabulary: int
    text: Ids | None
    text_ids: Ids


class Arm(Protocol):
    """What an adapter is trained on. A custom arm has these four members.

    ``reads`` is one of the values of ``Reads``.
    """

    name: str
    version: int
    reads: str

    def batches(self, arm_input: ArmInput, recipe: Recipe, seed: int) -> Iterator[Ids]:
        """Yield ``recipe.steps`` arrays (batch, sequence) of token ids."""
        ...


def generator(seed: int, *names: str) -> np.random.Generator:
    """The random generator of a run. Its draws depend only on the seed and the user's name.

    Add a further name for draws that must not disturb the run's own draws.
    """
    words = [int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little") for name in names]
    return np.random.default_rng([seed, *words])


def _text(arm_input: ArmInput, recipe: Recipe, reads: str) -> Ids:
    """The text that an arm draws on: at least one block.

    Raises:
        ArmError: the text is missing or shorter than one block.
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
        """Yield blocks of consecutive tokens whose starts are uniform over the text.

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
    """The user's own tokens without their order: the draws of ``real`` from a permuted text."""

    name = "shuffled"
    version = 1

    def batches(self, arm_input: ArmInput, recipe: Recipe, seed: int) -> Iterator[Ids]:
        """Permute the tokens of the whole text once, then yield what ``real`` would draw from it.

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
        """Yield independent ids, each with a probability equal to its frequency in the text.

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
        """Yield independent, uniformly distributed ids. ``arm_input.text`` is never read."""
        rng = generator(seed, arm_input.user)
        for _ in range(recipe.steps):
            yield rng.integers(arm_input.vocabulary, size=(recipe.batch, recipe.sequence))


class RandomText(Real):
    """A random text as long as the user's own, read as ``real`` reads the user's.

    The text is drawn once, so the arm sees its tokens as often as ``real`` sees the user's. Its
    tokens are independent and uniform over the ids that a text can have.
    """

    name = "random-text"
    version = 1

    def batches(self, arm_input: ArmInput, recipe: Recipe, seed: int) -> Iterator[Ids]:
        """Draw the whole text once, then yield what ``real`` would draw from it.

        Only the length of ``arm_input.text`` is used.

        Raises:
            ArmError: the user's text is shorter than one block.
        """
        length = len(_text(arm_input, recipe, self.reads))
        rng = generator(seed, arm_input.user, self.name)
        text = arm_input.text_ids[rng.integers(len(arm_input.text_ids), size=length)]
        yield from super().batches(replace(arm_input, text=text), recipe, seed)


class Oracle(Real):
    """The scored held-out tokens themselves: an estimate of what the best text could have bought.

    Its adapter is not meant for use. The oracle is the only arm that is exempt from the leak check.
    It is not an upper bound, so a real arm may reach it.
    """

    name = "oracle"
    version = 1
    reads: str = Reads.HELDOUT_TEXT


ARMS: dict[str, Arm] = {
    arm.name: arm for arm in (Real(), Random(), RandomText(), Oracle(), Unigram(), Shuffled())
}
"""The shipped arms that train. ``untrained`` is the arm without an adapter."""


def is_arm(words: str) -> bool:
    """Whether a string names an arm: a shipped arm's name, or an import path."""
    return words in ARMS or is_import_path(words)


def open_arm(words: str) -> Arm:
    """Return a shipped arm by name, or a custom arm by import path, ``package.module:object``.

    Raises:
        ArmError: there is no such arm, or the custom object is not an arm. A custom arm must not
            have a shipped arm's name or a name that is not fit for file names. It must not read
            held-out text, which only the oracle may.
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
