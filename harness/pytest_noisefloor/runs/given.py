"""Adapters that others trained, scored on users' held-out texts: whose are they, do they help?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_noisefloor._typing import Floats
from pytest_noisefloor.data import User
from pytest_noisefloor.errors import NoisefloorError
from pytest_noisefloor.models import (
    Base,
    GivenAdapter,
    attached,
    check_positions,
    lm_head,
    score,
)
from pytest_noisefloor.specs import UNTRAINED, Scoring
from pytest_noisefloor.stats import (
    ALPHA,
    BinSums,
    Identification,
    Interval,
    Scores,
    TooLittleText,
    bin_sums,
    group_interval,
    identify,
    swapped_pairs,
    user_blocks,
)

if TYPE_CHECKING:
    from torch import nn


@dataclass(frozen=True)
class GivenUser:
    """A user's own adapter on the user's held-out text.

    ``nll`` and ``untrained`` are in nats per token, with the adapter and without. ``help`` is the
    interval of their difference, None where the text is too short for one.
    """

    name: str
    nll: float
    untrained: float
    help: Interval | None
    rank: int
    of: int
    advantage: float


@dataclass(frozen=True)
class GivenUsers:
    """All users, the test of whose adapters they are, and pairs that look swapped."""

    users: tuple[GivenUser, ...]
    p: float | None
    swapped: tuple[tuple[str, str], ...]
    tokens: int

    @property
    def harmed(self) -> tuple[str, ...]:
        """Users whose own adapter is shown to make their text less likely than the base does."""
        return tuple(one.name for one in self.users if one.help and one.help.high < 0)

    @property
    def helped(self) -> tuple[str, ...]:
        """Users whose own adapter is shown to make their text more likely."""
        return tuple(one.name for one in self.users if one.help and one.help.low > 0)

    @property
    def failed(self) -> bool:
        """Whether an adapter is shown to harm its user, or to be another's."""
        return bool(self.harmed or self.swapped)

    @property
    def unclear(self) -> bool:
        """Whether nobody is shown to be helped, or adapters are not shown to be their users'.

        Too few users to test that leave it to the other questions.
        """
        return not self.helped or (self.p is not None and self.p >= ALPHA)


def match_users(adapters: Sequence[GivenAdapter], users: Sequence[User]) -> list[User]:
    """The users of the adapters, in the adapters' order.

    Raises:
        NoisefloorError: an adapter has no user.
    """
    known = {user.name: user for user in users}
    for given in adapters:
        if given.name not in known:
            raise NoisefloorError(
                f"{given.folder}: no user {given.name!r}; expected an adapter's folder to have the "
                f"name of its user: {', '.join(sorted(known)[:5])}"
            )
    return [known[given.name] for given in adapters]


def score_given(
    base: Base,
    adapters: Sequence[GivenAdapter],
    users: Sequence[User],
    scoring: Scoring,
    on_adapter: Callable[[], None] = lambda: None,
) -> GivenUsers:
    """Score every adapter of a block on every user's held-out text, and the base alone, on the CPU.

    Args:
        base: the base.
        adapters: one for each user, in the users' order.
        users: whose texts are scored.
        scoring: how, and how many tokens of each slice.
        on_adapter: called after each adapter.

    Raises:
        NoisefloorError: a text, the base or an adapter cannot be scored.
    """
    alone = base.shared_model("cpu")
    texts = [{0: _scores(base, alone, user, scoring)} for user in users]
    blocks = user_blocks(len(users))
    for block in blocks:
        for number in block:
            model = deepcopy(alone)  # PEFT may change weights of the base
            with attached(model, adapters[number]):
                for at in block:
                    texts[at][number + 1] = _scores(base, model, users[at], scoring)
            on_adapter()
    found = [_bins(user, by_adapter) for user, by_adapter in zip(users, texts, strict=True)]
    matrices = [_log_likelihoods(found, block) for block in blocks]
    who = identify(matrices)
    of = {at: (row, len(block)) for row, (at, block) in enumerate(_each(blocks))}
    return GivenUsers(
        users=tuple(_user(bins, str(at + 1), who, *of[at]) for at, bins in enumerate(found)),
        p=who.p,
        swapped=tuple(
            (users[block[one]].name, users[block[other]].name)
            for block, pairs in zip(blocks, swapped_pairs(matrices), strict=True)
            for one, other in pairs
        ),
        tokens=sum(int(bins.tokens.sum()) for bins in found),
    )


def _each(blocks: Sequence[Sequence[int]]) -> Iterator[tuple[int, Sequence[int]]]:
    """Each user's place, with the user's block, in the blocks' order."""
    return ((at, block) for block in blocks for at in block)


def _scores(base: Base, model: nn.Module, user: User, scoring: Scoring) -> list[Scores]:
    """A user's slices under a model as it stands."""
    head = lm_head(model)
    check_positions(model, {"windows": scoring.window})
    found = []
    for piece in user.heldout:
        tokens = base.encode(piece.text)[: scoring.tokens]
        rows = len(head.weight)
        if not len(tokens) or (largest := int(tokens.max())) >= rows:
            said = f"token {largest}" if len(tokens) else "no tokens"
            raise NoisefloorError(
                f"user {user.name!r}, slice {piece.name!r}: {said}; expected tokens below {rows}, "
                "the rows of the base's embeddings"
            )
        nll = score(model, head, tokens, base.tokenizer.prefix, scoring)
        found.append(Scores(nll, piece.sha256))
    return found


def _bins(user: User, by_adapter: Mapping[int, Sequence[Scores]]) -> BinSums:
    """A user's scores: those of the base as untrained, those of an adapter by its number from 1."""
    slices = [
        {str(number) if number else UNTRAINED: [of[at]] for number, of in by_adapter.items()}
        for at in range(len(user.heldout))
    ]
    return bin_sums(user.name, slices)


def _log_likelihoods(found: Sequence[BinSums], block: Sequence[int]) -> Floats:
    """For each user of a block (rows), the mean log-likelihood under each adapter (columns)."""
    return np.array([[-found[at].mean(str(other + 1)) for other in block] for at in block])


def _user(bins: BinSums, own: str, who: Identification, row: int, of: int) -> GivenUser:
    return GivenUser(
        name=bins.user,
        nll=bins.mean(own),
        untrained=bins.mean(UNTRAINED),
        help=_interval(bins, UNTRAINED, own),
        rank=who.ranks[row],
        of=of,
        advantage=who.advantages[row],
    )


def _interval(bins: BinSums, minuend: str, subtrahend: str) -> Interval | None:
    try:
        return group_interval(bins, minuend, subtrahend, {})
    except TooLittleText:
        return None
