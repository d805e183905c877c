"""Whether adapters go with their users: exact, and blind to hard texts and to good adapters."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from pytest_noisefloor.stats.identification import FLIPS, identify, swapped_pairs, user_blocks


def noise(users, seed):
    return np.random.default_rng(seed).normal(size=(users, users))


@pytest.mark.parametrize(("users", "p"), [(4, 1 / 24), (5, 1 / 120), (8, 1 / (1 + FLIPS))])
def test_own_adapters_that_are_best_by_far_have_the_least_p(users, p):
    found = identify([noise(users, 0) + 50 * np.eye(users)])
    assert found.p == pytest.approx(p)
    assert found.ranks == (1,) * users


def test_three_users_are_too_few():
    assert identify([noise(3, 0)]).p is None


@pytest.mark.parametrize("sizes", [(5,), (8,), (19, 18)])
def test_without_any_effect_one_in_twenty_is_below_five_per_cent(sizes):
    """400 sets. More than 43 come out with probability below 1e-5 where the rate is 5 %."""
    assert binom.sf(43, 400, 0.05) < 1e-5
    rng = np.random.default_rng(1)
    sets = ([rng.normal(size=(n, n)) for n in sizes] for _ in range(400))
    below = sum(identify(blocks).p < 0.05 for blocks in sets)
    assert below <= 43


def test_all_that_is_shown_of_three_users_by_hand():
    scores = np.array([[-1.0, -2.0, -3.0], [-2.0, -1.0, -2.0], [-5.0, -3.0, -4.0]])
    found = identify([scores])
    assert found.advantages == pytest.approx((1.5, 1.0, 0.0))
    # adapters' means over users are -8/3, -2 and -3: taken off, the third user has -2.33, -1, -1
    assert found.ranks == (1, 1, 1)


def test_two_swapped_adapters_have_the_last_ranks():
    scores = 5 * np.eye(4)[[1, 0, 2, 3]]
    found = identify([scores])
    assert found.ranks == (2, 2, 1, 1)
    assert found.advantages[0] < 0 < found.advantages[2]
    assert found.p > 0.05


@given(st.integers(4, 8), st.integers(0, 99), st.floats(-9, 9), st.floats(-9, 9))
def test_a_hard_text_and_an_adapter_that_is_good_for_all_change_no_p(users, seed, text, adapter):
    scores = noise(users, seed)
    moved = scores.copy()
    moved[0] += text
    moved[:, 1] += adapter
    assert identify([moved]).p == pytest.approx(identify([scores]).p)


@pytest.mark.parametrize(
    ("users", "sizes"), [(1, [1]), (24, [24]), (25, [13, 12]), (37, [19, 18]), (72, [24, 24, 24])]
)
def test_users_are_cut_into_blocks_as_equal_as_can_be(users, sizes):
    blocks = user_blocks(users)
    assert [len(block) for block in blocks] == sizes
    assert sorted(at for block in blocks for at in block) == [*range(users)]
    assert user_blocks(users) == blocks


@pytest.mark.parametrize("users", [4, 6, 19])
def test_a_swapped_pair_is_named_and_nobody_else(users):
    scores = noise(users, 2) + 40 * np.eye(users)[[1, 0, *range(2, users)]]
    assert swapped_pairs([scores]) == [[(0, 1)]]


def test_a_pair_is_named_in_its_own_block():
    blocks = [noise(6, 0) + 40 * np.eye(6), noise(5, 1) + 40 * np.eye(5)[[0, 1, 2, 4, 3]]]
    assert swapped_pairs(blocks) == [[], [(3, 4)]]


def test_of_three_users_no_pair_is_named():
    assert swapped_pairs([40 * np.eye(3)[[1, 0, 2]]]) == [[]]


@pytest.mark.parametrize("own", [0, 40])
@pytest.mark.parametrize("users", [4, 7])
def test_no_pair_is_named_more_often_than_in_one_set_of_twenty(users, own):
    """300 sets, in which half of the users have an advantage, or none has.

    More than 35 that name a pair come out with probability below 1e-5 where the rate is 5 %.
    """
    assert binom.sf(35, 300, 0.05) < 1e-5
    helped = np.diag([own if at % 2 else 0 for at in range(users)])
    sets = ([noise(users, 1000 * users + seed) + helped] for seed in range(300))
    assert sum(bool(swapped_pairs(blocks)[0]) for blocks in sets) <= 35
