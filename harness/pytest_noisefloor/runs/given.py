"""Adapters that others trained, scored on users' held-out texts: whose are they, do they help?"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from pytest_noisefloor._typing import Floats
from pytest_noisefloor.data import Texts, User
from pytest_noisefloor.errors import NoisefloorError
from pytest_noisefloor.models import (
    Base,
    GivenAdapter,
    attached,
    check_positions,
    lm_head,
    score,
)
from pytest_noisefloor.specs import UNTRAINED, Recipe, Scoring
from pytest_noisefloor.stats import (
    ALPHA,
    BinSums,
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
    check_positions(alone, {"windows": scoring.window})
    texts = Texts(base.encode, Recipe(), scoring)
    for user in users:
        texts.check_rows(user, len(lm_head(alone).weight), base.tokenizer.name)

    def scores(model: nn.Module, of: Sequence[int]) -> Iterator[tuple[int, list[Scores]]]:
        head, prefix = lm_head(model), base.tokenizer.prefix
        for at in of:
            slices = [(texts.scored(piece), piece.sha256) for piece in users[at].heldout]
            yield at, [Scores(score(model, head, t, prefix, scoring), sha) for t, sha in slices]

    by_user = [{UNTRAINED: found} for _, found in scores(alone, range(len(users)))]
    blocks = user_blocks(len(users))
    for block in blocks:
        for number in block:
            model = deepcopy(alone)  # PEFT may change weights of the base
            with attached(model, adapters[number]):
                for at, found in scores(model, block):
                    by_user[at][_label(number)] = found
            on_adapter()
    bins = [_bins(user, found) for user, found in zip(users, by_user, strict=True)]
    matrices = [_log_likelihoods(bins, block) for block in blocks]
    who = identify(matrices)
    rows = [(at, len(block)) for block in blocks for at in block]
    given = {
        at: _user(bins[at], _label(at), who.ranks[row], of, who.advantages[row])
        for row, (at, of) in enumerate(rows)
    }
    return GivenUsers(
        users=tuple(given[at] for at in range(len(users))),
        p=who.p,
        swapped=tuple(
            (users[block[one]].name, users[block[other]].name)
            for block, pairs in zip(blocks, swapped_pairs(matrices), strict=True)
            for one, other in pairs
        ),
        tokens=sum(int(one.tokens.sum()) for one in bins),
    )


def _label(number: int) -> str:
    """How an adapter is called among a user's scores, so that none has the name of an arm."""
    return str(number)


def _bins(user: User, by_label: Mapping[str, Sequence[Scores]]) -> BinSums:
    slices = range(len(user.heldout))
    return bin_sums(user.name, [{n: [of[at]] for n, of in by_label.items()} for at in slices])


def _log_likelihoods(bins: Sequence[BinSums], block: Sequence[int]) -> Floats:
    """For each user of a block (rows), the mean log-likelihood under each adapter (columns)."""
    return np.array([[-bins[at].mean(_label(other)) for other in block] for at in block])


def _user(bins: BinSums, own: str, rank: int, of: int, advantage: float) -> GivenUser:
    try:
        help_: Interval | None = group_interval(bins, UNTRAINED, own, {})
    except TooLittleText:
        help_ = None
    nll, untrained = bins.mean(own), bins.mean(UNTRAINED)
    return GivenUser(bins.user, nll, untrained, help_, rank, of, advantage)
