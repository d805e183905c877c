"""The judge: levels are ordered, exclusive and exhaustive, and rounding decides nothing."""

import math
from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_noisefloor.bets.bet import Level
from pytest_noisefloor.bets.judging import JudgeError, judge
from pytest_noisefloor.bets.registry import registered_bet
from pytest_noisefloor.stats.effect import Effect, effect_from_perplexities

BET = registered_bet("bet60")
STRICT, LENIENT, CATASTROPHIC = BET.criteria

# Log-ratios: around every threshold, and anywhere that a base may bring.
THRESHOLDS = [math.log(threshold) for threshold in (1.0, 1.1, 1.5)]
DELTA = st.one_of(
    st.sampled_from([t + step for t in THRESHOLDS for step in (-0.01, -1e-9, 0.0, 1e-9, 0.01)]),
    st.floats(-2, 2),
)
USERS = st.lists(DELTA, min_size=1, max_size=12)


def effects(deltas):
    """Users with these differences; a whole number of nats beside 0 keeps them exact."""
    return [effect(f"user{i}", real=0.0, random=d) for i, d in enumerate(deltas)]


def effect(user, **nll):
    return Effect(user=user, nll=nll, contrast=BET.contrast)


def level(*deltas):
    return judge(BET, effects(deltas)).level


def of_ratios(*ratios):
    return level(*map(math.log, ratios))


# --- promise: exclusive, exhaustive, ordered ---------------------------------------------------


def in_words(deltas):
    """The level by the words of the bet, for 2/3 and all of n users, without its code."""
    ratios = [math.exp(d) for d in deltas]
    many = -(-2 * len(ratios) // 3)
    if all(r >= 1.5 * (1 - 1e-12) for r in ratios):
        return Level.STRICT
    if sum(r >= 1.1 * (1 - 1e-12) for r in ratios) >= many:
        return Level.LENIENT
    if sum(r < 1 * (1 - 1e-12) for r in ratios) >= many:
        return Level.CATASTROPHIC
    return Level.NOT_MET


@given(USERS)
def test_every_outcome_has_one_level_and_it_is_the_one_in_the_bets_words(deltas):
    assert level(*deltas) == in_words(deltas)


@given(USERS)
def test_what_holds_together_is_only_strict_with_lenient(deltas):
    verdict = judge(BET, effects(deltas))
    holds = {
        c.level for c in BET.criteria if len(verdict.met[c.level]) >= c.n_required(len(deltas))
    }
    assert holds in (
        set(),
        {Level.CATASTROPHIC},
        {Level.LENIENT},
        {Level.LENIENT, Level.STRICT},
    )
    assert verdict.level == max(holds, default=Level.NOT_MET)


def test_levels_are_ordered():
    order = [Level.CATASTROPHIC, Level.NOT_MET, Level.LENIENT, Level.STRICT]
    assert all(worse < better for worse, better in pairwise(order))
    assert list(Level) == order


@given(USERS, st.data())
def test_a_better_real_arm_never_lowers_the_level(deltas, data):
    user = data.draw(st.integers(0, len(deltas) - 1))
    gain = data.draw(st.floats(0, 1))
    better = effects(deltas)
    before = judge(BET, better).level
    better[user] = effect(f"user{user}", real=-gain, random=deltas[user])
    assert judge(BET, better).level >= before


@given(USERS, st.randoms(use_true_random=False))
def test_the_order_of_users_changes_nothing(deltas, random):
    users = effects(deltas)
    shuffled = random.sample(users, len(users))
    before, after = judge(BET, users), judge(BET, shuffled)
    assert before.level == after.level
    assert {k: sorted(v) for k, v in before.met.items()} == {
        k: sorted(v) for k, v in after.met.items()
    }


@given(USERS)
def test_names_and_untrained_scores_change_nothing(deltas):
    renamed = [effect(f"x{i}", real=0.0, random=d, untrained=1.0) for i, d in enumerate(deltas)]
    assert judge(BET, renamed).level == level(*deltas)


def test_levels_are_not_turned_round_when_the_arms_change_places():
    """Δ is; the thresholds are not: 1.05 one way round is no level, the other way catastrophic."""
    ratios = (1.05, 1.05, 0.9)
    assert of_ratios(*ratios) is Level.NOT_MET
    assert of_ratios(*(1 / ratio for ratio in ratios)) is Level.CATASTROPHIC


# --- the thresholds ----------------------------------------------------------------------------


def published(real, random):
    return effect_from_perplexities("scientist", {"real": real, "random": random}, BET.contrast)


def test_143_over_130_is_the_1_1_of_lenient_though_its_logarithms_round_below():
    one = published(130, 143)
    assert one.ratio < 1.1  # 1.0999999999999999: what the slack is for
    assert LENIENT.is_met_by(one.ratio)


@pytest.mark.parametrize("random", [142, 142.9, 143 * (1 - 2e-12)])
def test_the_nearest_quotients_below_1_1_are_not_lenient(random):
    assert not LENIENT.is_met_by(published(130, random).ratio)


def test_a_ratio_of_exactly_1_is_no_win_for_random_tokens():
    assert of_ratios(1.0, 1.0, 1.2) is Level.NOT_MET
    assert of_ratios(0.999, 0.999, 1.2) is Level.CATASTROPHIC


@pytest.mark.parametrize(
    ("ratios", "expected"),
    [
        ((1.5, 1.5, 1.5), Level.STRICT),
        ((1.5, 1.5, 1.499), Level.LENIENT),
        ((9.0, 9.0, 0.1), Level.LENIENT),
        ((1.1, 1.1, 0.5), Level.LENIENT),
        ((1.1, 1.099, 1.099), Level.NOT_MET),
        ((9.0, 1.0, 0.9), Level.NOT_MET),
        ((0.9, 0.9, 9.0), Level.CATASTROPHIC),
        ((1.5,), Level.STRICT),
        ((0.99,), Level.CATASTROPHIC),
        ((1.1, 0.99), Level.NOT_MET),
        ((1.1, 1.1, 0.9, 0.9), Level.NOT_MET),
        ((1.1, 1.1, 1.1, 0.9), Level.LENIENT),
    ],
)
def test_levels_by_example(ratios, expected):
    assert of_ratios(*ratios) is expected


def test_the_verdict_says_which_users_met_what():
    verdict = judge(BET, effects([math.log(r) for r in (1.6, 1.2, 0.9)]))
    assert verdict.met == {
        Level.STRICT: ("user0",),
        Level.LENIENT: ("user0", "user1"),
        Level.CATASTROPHIC: ("user2",),
    }


def test_effects_of_another_contrast_than_the_bets_cannot_be_judged():
    other = replace(BET.contrast, numerator="oracle", reach="random")
    one = Effect(user="ann", nll={"real": 1.0, "oracle": 2.0}, contrast=other)
    with pytest.raises(JudgeError, match="effects of another statistic than Bet 60's"):
        judge(BET, [one])
