"""Whose is an adapter: do users' own adapters predict their texts better than the others' do?

Every adapter is scored on every user's text. Under the hypothesis that it is arbitrary which text
an adapter was trained on, every assignment of adapters to users is as likely, so the test is exact
whatever the texts are like. That one text is hard, or one adapter good for all, cancels.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations, permutations

import numpy as np

from pytest_noisefloor._typing import Floats

from .significance import ALPHA, FLIPS, SEED

LEAST_USERS = 4
"""With three users no assignment is rarer than one in six."""

EXACT = 7
"""Up to so many users in all, every assignment is counted."""

BLOCK = 24
"""Most users whose adapters are all scored on each other's texts."""


@dataclass(frozen=True)
class Identification:
    """What the scores of all adapters on all texts say.

    ``advantages`` has, for each user, by how much the own adapter's mean log-likelihood is above
    the mean of the others', in nats per token. ``ranks`` has the own adapter's place among all of
    the block on that user's text, 1 for the best, once each adapter's mean over users is taken
    off. ``p`` is that of the trace test; it is None for fewer than LEAST_USERS users.
    """

    advantages: tuple[float, ...]
    ranks: tuple[int, ...]
    p: float | None


def user_blocks(users: int) -> list[list[int]]:
    """Cut users into random blocks of at most BLOCK, as equal as can be."""
    order = np.random.default_rng(SEED).permutation(users) if users > BLOCK else np.arange(users)
    parts = np.array_split(order, -(-users // BLOCK))
    return [sorted(part.tolist()) for part in parts]


def identify(blocks: Sequence[Floats]) -> Identification:
    """Test whether adapters go with their users, by a trace test over permutations.

    T is the sum, over users, of the own adapter's log-likelihood; p is the share of assignments of
    adapters to users, within blocks, whose T is at least as large. Up to EXACT users all of them
    are counted, beyond that FLIPS random ones and the true one (Phipson & Smyth 2010, Statistical
    Applications in Genetics and Molecular Biology 9:39).

    Args:
        blocks: for each block of users, the mean log-likelihood (users, adapters) in nats per
            token; the own adapter's is on the diagonal.
    """
    users = sum(len(block) for block in blocks)
    advantages, ranks = [], []
    for block in blocks:
        own = np.diagonal(block)
        others = (block.sum(axis=1) - own) / max(1, len(block) - 1)
        advantages += [float(one) for one in own - others] if len(block) > 1 else [0.0]
        adjusted = block - block.mean(axis=0)
        ranks += [int((row > row[at]).sum()) + 1 for at, row in enumerate(adjusted)]
    p = _trace_test(blocks) if users >= LEAST_USERS else None
    return Identification(tuple(advantages), tuple(ranks), p)


def swapped_pairs(blocks: Sequence[Floats]) -> list[list[tuple[int, int]]]:
    """Find, in each block, pairs of users of whom each is better off with the other's adapter.

    With d the log-likelihood that the pair would gain by exchanging adapters, t = d / (2s), where s
    is the residual standard deviation of other users' adapters about what text and adapter
    contribute. A pair is named if its one-sided p, times the number of all pairs, is below 5 %. So
    noise between trainings is in it, if it is alike for all users. It needs four users in a block.
    """
    from scipy import stats

    count = sum(len(block) * (len(block) - 1) // 2 for block in blocks)
    found = []
    for block in blocks:
        named = []
        for one, other in combinations(range(len(block)), 2):
            gain = block[one, other] + block[other, one] - block[one, one] - block[other, other]
            if gain <= 0:
                continue
            spread, df = _residual_spread(block, one, other)
            if df and count * stats.t.sf(gain / (2 * spread), df) < ALPHA:
                named.append((one, other))
        found.append(named)
    return found


def _residual_spread(block: Floats, one: int, other: int) -> tuple[float, int]:
    """Residual standard deviation, and its df, of all others' adapters but the pair's own."""
    users = len(block)
    rows, columns = np.nonzero(~np.eye(users, dtype=bool))
    kept = ~np.isin(rows * users + columns, [one * users + other, other * users + one])
    rows, columns = rows[kept], columns[kept]
    df = len(rows) - (2 * users - 1)
    if df <= 0:
        return math.inf, 0
    design = np.zeros((len(rows), 2 * users))
    design[np.arange(len(rows)), rows] = design[np.arange(len(rows)), users + columns] = 1
    values = block[rows, columns]
    residual = values - design @ np.linalg.lstsq(design, values, rcond=None)[0]
    return max(math.sqrt(float(residual @ residual) / df), np.finfo(float).tiny), df


def _trace_test(blocks: Sequence[Floats]) -> float:
    trace = sum(float(np.trace(block)) for block in blocks)
    slack = 1e-12 * max(1.0, abs(trace))  # sums in another order
    if len(blocks) == 1 and len(blocks[0]) <= EXACT:
        (block,) = blocks
        every = np.array([*permutations(range(len(block)))])
        sums = block[np.arange(len(block)), every].sum(axis=1)
        return float((sums >= trace - slack).mean())
    rng = np.random.default_rng(SEED)
    sums = np.zeros(FLIPS)
    for block in blocks:
        drawn = rng.permuted(np.tile(np.arange(len(block)), (FLIPS, 1)), axis=1)
        sums += block[np.arange(len(block)), drawn].sum(axis=1)
    return float(1 + (sums >= trace - slack).sum()) / (1 + FLIPS)
