"""Pseudo-users: users whose training text is noise, so that nothing can be learned of them.

A pseudo-user has a shipped user's held-out text. The training text is another random draw, as long
as the shipped user's. It exists in token ids alone, because the tokenizer would cut its text into
other tokens. The control is ``random``, as in Bet 60.
"""

from dataclasses import replace

from pytest_noisefloor.bets.registry import registered_bet
from pytest_noisefloor.data.arms import RandomText
from pytest_noisefloor.runs.request import Request
from pytest_noisefloor.specs import UNTRAINED
from pytest_noisefloor.stats.blocks import bin_sums

COUNT = 39  # 13 of each shipped user
MOST_WON = 5
"""Most pseudo-users of COUNT whose text may be shown to beat their control.

An interval of 95 % lies above 0 by chance for 2.5 % of them. Then more than MOST_WON win with
probability 0.0004. If it lies above 0 for 5 %, they do with probability 0.012.
"""


class AnotherDraw(RandomText):
    """A random text by another draw than ``random-text``'s: the arm's name is part of the draw."""

    name = "another-draw"


TEXT = AnotherDraw()
CONTRAST = replace(registered_bet("bet60").contrast, denominator=f"{__name__}:TEXT")
ARMS = (UNTRAINED, *CONTRAST.compared)


def pseudo_users(users, count):
    """So many pseudo-users of each user; each name has draws of its own.

    They keep the user's training text, of which ``AnotherDraw`` reads nothing but the length.
    """
    return [replace(user, name=f"{user.name}-{n:02}") for user in users for n in range(count)]


def scored(runner, users, *, seeds=(0,)):
    """The bin sums of each user under ARMS. What is not stored is trained and scored first."""

    def requests(user, arm):
        return [Request(user, arm, seed) for seed in ((0,) if arm == UNTRAINED else seeds)]

    runner.complete([one for user in users for arm in ARMS for one in requests(user, arm)])
    return [
        bin_sums(
            user.name,
            [
                {arm: [runner.scored(one, piece) for one in requests(user, arm)] for arm in ARMS}
                for piece in user.heldout
            ],
        )
        for user in users
    ]


def won(units):
    """The users whose text is shown to beat their control: Δ's lower bound is above 0."""
    return [one.user for one in units if one.delta.low > 0]
