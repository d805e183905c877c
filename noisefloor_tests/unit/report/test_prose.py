"""What is said of a verdict holds of its bet: of cells, of thresholds of 1, of what is compared."""

from dataclasses import replace
from functools import cache
from itertools import product

import pytest

from noisefloor_tests.support.results_planted import effects_of, planted_bins
from pytest_noisefloor.bets.bet import Level
from pytest_noisefloor.bets.error_rates import assess
from pytest_noisefloor.bets.judging import SimulatedRates, judge
from pytest_noisefloor.bets.licensing import MARGIN, claimable
from pytest_noisefloor.bets.registry import registered_bet
from pytest_noisefloor.report.prose import criterion_sentence, render_prose
from pytest_noisefloor.report.tables import chance_table, interval_table, level_table, render, table
from pytest_noisefloor.stats.effect import Effect
from pytest_noisefloor.stats.inference import infer
from pytest_noisefloor.stats.spread import spreads_of

RATES = {Level.CATASTROPHIC: 5, Level.NOT_MET: 4, Level.LENIENT: 2, Level.STRICT: 1}


@cache
def measured(name, gains, seeds=1):
    """A bet with the bin sums of units whose help is given; control and oracle leave the base."""
    bet = registered_bet(name)
    spreads = {arm: tuple(0.01 * s * k for s in range(seeds)) for k, arm in enumerate(ARMS, 1)}
    users = {f"u{n}": (gain, 1.0, 1.0) for n, gain in enumerate(gains)}
    own = {
        "real": bet.contrast.denominator,
        "random": bet.contrast.numerator,
        "oracle": bet.contrast.reach,
    }
    all_bins = [
        replace(
            one,
            sums={
                **{own.get(arm, arm): sums for arm, sums in one.sums.items()},
                "untrained": one.sums["untrained"],
            },
        )
        for one in planted_bins(users, spreads=spreads)
    ]
    return bet, all_bins


ARMS = ("real", "random", "oracle")


def verdict(name, gains, *, seeds=1, units=None, trainings=False):
    """Judge; ``units`` names more units than were measured, each like one of those, in turn.

    With ``trainings`` their intervals are said to have the spread of trainings in them.
    """
    bet, all_bins = measured(name, tuple(gains), seeds)
    known = spreads_of(all_bins, bet.contrast)
    few = infer(all_bins, bet.contrast, margin=MARGIN, spreads=known)
    named = units or [one.user for one in all_bins]
    effects = [
        Effect(
            user=user,
            nll={arm: all_bins[n % len(few)].mean(arm) for arm in all_bins[0].sums},
            contrast=bet.contrast,
        )
        for n, user in enumerate(named)
    ]
    if trainings:
        few = [
            replace(
                one,
                delta=replace(one.delta, of_trainings=True),
                help=replace(one.help, of_trainings=True),
            )
            for one in few
        ]
    resolved = [replace(few[n % len(few)], user=user) for n, user in enumerate(named)]
    ratios = sorted({1.0, *(c.threshold for c in bet.criteria if c.comparison == "at least")})
    rates = tuple(SimulatedRates(ratio, 12, RATES) for ratio in ratios if bet.contrast.by_user)
    return replace(judge(bet, effects, resolved=resolved), error_rates=rates)


CELLS = [f"{u}, seed {s}, s{k}" for u, s, k in product("abc", range(5), range(3))]


# --- cells -------------------------------------------------------------------------------------


def test_of_cells_counts_are_said_and_only_those_that_lost_are_named():
    """Of 45 every third lost: 15 are named, the others nowhere."""
    one = verdict("bet60-seeds", (1.1, 1.05, 0.95), units=CELLS)
    text = render_prose(one)
    assert "The ratio is resolved above 1 in 30 of 45 cells and below 1 in 15; " in text
    assert "the user's own text made the base better, resolved, in 30 of 45." in text
    assert "In 15 of 45 cells random tokens beat the user's own text: a, seed 0, s2 (0.9" in text
    assert [text.count(f"{name} (") for name in CELLS] == [0, 0, 1] * 15
    assert [text.count(name) for name in CELLS] == [0, 0, 1] * 15
    low, high = min(e.ratio for e in one.effects), max(e.ratio for e in one.effects)
    assert criterion_sentence(one, one.bet.criteria[0]) == (
        "STRICT (ratio at least 1 on 45 of 45 cells) does not hold: 30 of 45 "
        f"(ratios from {low:.4f} to {high:.4f})."
    )


def test_of_many_cells_that_lost_twenty_are_named():
    text = render_prose(verdict("bet60-seeds", (0.95,), units=CELLS))
    assert sum(text.count(name) for name in CELLS) == 20
    assert "and 25 more." in text


def test_nothing_that_takes_cells_for_users_is_said_of_them():
    one = verdict("bet60-seeds", (1.1, 1.05, 0.95), units=CELLS)
    text = render(one)
    for word in ("Across", "chance alone", "Were every true ratio", "that the bet registers"):
        assert word not in text
    for word in ("seeds stand", "one seed", "One seed", "true ratio of all", "45 users", "user "):
        assert word not in text
    assert "Cells share users and adapters, so no test across them" in text
    assert "`noisefloor summary`" in text
    assert table(one.effects).startswith("cell ")
    assert "… and 25 more of 45 cells;" in interval_table(one)


def test_a_level_of_cells_that_may_not_be_claimed_counts_where_it_is_not_shown():
    """Ratios just above 1 meet a threshold of 1 and are not resolved: noise is 0.0016 nats."""
    one = verdict("bet60-seeds", (1.1, 1.0005), units=CELLS, trainings=True)
    assert one.level is Level.STRICT
    text = render_prose(one)
    assert text.startswith("STRICT, by points. ")
    assert "STRICT stands by points and may not be claimed. It needs 45 cells that meet its" in text
    assert "beat random tokens and made the base better: 23 of 45 are so." in text


def short(bins):
    """Bin sums cut to two bins, of which no interval can be had."""
    sums = {arm: of[:, :2] for arm, of in bins.sums.items()}
    return replace(bins, tokens=bins.tokens[:2], slices=bins.slices[:2], sums=sums)


def assessed(name, all_bins):
    bet = registered_bet(name)
    return assess(bet, effects_of(all_bins, bet.contrast), all_bins)


def test_a_user_too_short_for_an_interval_costs_no_other_its_own():
    _, (one, other, third) = measured("bet60", (1.2, 1.2, 1.0))
    found = assessed("bet60", [one, short(other), third])
    assert (found.won, found.level, found.error_rates) == (("u0",), Level.LENIENT, ())
    assert claimable(found) == ("NOT_MET",)
    text = render(found)
    assert "For u0 the ratio is 1." in text
    assert "Too little held-out text for any interval: u1." in text
    assert found.unresolved == "too little held-out text: u1"
    assert "is absent may not be claimed: not every user has an interval." in text
    assert "How often this bet errs by chance is not known, since not all users have" in text
    assert "true ratio of all users" not in text


def test_a_cell_too_short_for_an_interval_costs_no_other_its_own():
    _, (one, other, third) = measured("bet60-seeds", (1.1, 1.1, 1.1))
    found = assessed("bet60-seeds", [one, short(other), third])
    assert found.won == ("u0", "u2")
    assert found.level is Level.STRICT
    assert found.error_rates == ()
    assert claimable(found) == ("NOT_MET",)
    text = render(found)
    assert "The ratio is resolved above 1 in 2 of 3 cells" in text
    assert "Too little held-out text for any interval: 1 of 3 cells." in text
    assert "STRICT stands by points and may not be claimed. It needs 3 cells that" in text


def test_users_or_cells_that_are_all_too_short_leave_point_estimates():
    _, all_bins = measured("bet60-seeds", (1.1, 1.1))
    assert (
        "an interval needs 2.5 times" in assessed("bet60-seeds", [*map(short, all_bins)]).unresolved
    )
    _, all_bins = measured("bet60", (1.1, 1.1))
    found = assessed("bet60", list(map(short, all_bins)))
    assert (
        "These are point estimates only. User 'u1': 128 held-out tokens in 6 groups"
        in render_prose(found)
    )
    assert "times as many in each group.\n\nCATASTROPHIC has no margin" in render_prose(found)


def test_point_estimates_of_cells_name_no_cell_that_won():
    one = verdict("bet60-seeds", (1.1,), units=CELLS)
    text = render_prose(replace(one, resolved=(), reach=(), error_rates=()))
    assert "These are point estimates only." in text
    assert not [name for name in CELLS if name in text]


# --- thresholds of 1 ---------------------------------------------------------------------------


def test_where_the_threshold_is_no_difference_absence_is_still_that_of_a_gain_of_1_1():
    one = verdict("bet63-01", (1.05, 0.95, 0.95))
    assert one.level is Level.CATASTROPHIC
    text = render(one)
    for word in ("LENIENT's bar", "level's bar"):
        assert word not in text
    assert "p of 1.1 or more (TOST)" in chance_table(one)
    assert "of repetitions. That the best of several" in text
    assert "An effect below the registered levels is shown, of these adapters, for u0" in text
    assert "no margin" not in text  # whose sign is no toss where the best of several was chosen


def test_at_a_threshold_that_two_levels_share_each_has_its_power():
    """Of 12 repetitions 3 are LENIENT or more, 1 is STRICT; one that is below asks nothing."""
    one = verdict("bet60", (1.2, 1.2, 1.2))
    bars = {Level.STRICT: 1.1, Level.LENIENT: 1.1, Level.CATASTROPHIC: 1.1}
    same = [replace(c, threshold=bars[c.level]) for c in one.bet.criteria]
    bet = replace(one.bet, criteria=tuple(sorted(same, key=lambda c: c.level)))
    rates = (SimulatedRates(1.0, 12, RATES), SimulatedRates(1.1, 12, RATES))
    text = render_prose(replace(one, bet=bet, error_rates=rates))
    assert "were it a level's bar, LENIENT in 25% at 1.1, STRICT in 8% at 1.1." in text


# --- what is compared --------------------------------------------------------------------------


def test_against_the_untrained_base_there_is_help_alone():
    one = verdict("bet52", (1.05, 1.05, 0.95))
    text = render(one)
    assert "For u0 the ratio, which is help alone, is 1.05" in text
    assert "harm" not in text
    assert "personalisation" not in text
    assert table(one.effects).splitlines()[0].count("untrained") == 1
    assert "Reach by help, with the recipe's own oracle: Whether STRICT" in text
    points = render(replace(one, resolved=(), reach=(), error_rates=()))
    assert "For u0 the user's own text changed the base's perplexity by -4." in points
    assert "harm" not in points


def test_reach_is_said_only_where_the_users_own_text_is_measured():
    """Bet 60's why sets the base against random tokens: the held-out text is no better of those."""
    one = verdict("bet60-why-harm", (1.05, 1.05, 0.95))
    text = render(one)
    for word in ("each of", "reach", "held-out text", "oracle", "score", "within"):
        assert word not in text
    real = verdict("bet60", (1.2, 1.2, 1.2))
    assert "reach by help" in level_table(real)
    assert "oracle's ratio" in interval_table(real)


def test_absence_is_spoken_of_only_against_random_tokens():
    assert "a gain of 1.1 is absent" in render_prose(verdict("bet60", (1.05, 1.0, 1.0)))
    for name in ("bet37", "bet61"):
        assert "absent" not in render_prose(verdict(name, (1.02, 1.0, 1.0)))


def test_no_sentence_speaks_of_personalisation():
    """The word needs more than any bet here can show: users of one kind, told apart."""
    for gains in ((1.2, 1.2, 1.2), (1.0, 1.0, 1.0), (0.95, 0.95, 0.95)):
        for name in ("bet60", "bet61", "bet63-01", "bet37"):
            assert "personal" not in render_prose(verdict(name, gains, seeds=3))


def test_the_spread_of_trainings_is_said_even_where_the_control_has_none():
    many = render_prose(verdict("bet52", (1.05, 1.05, 1.05), seeds=3))
    assert "The spread between trainings is in the intervals of u0, u1, u2." in many
    assert "differ (A/A) by up to 0.015 nats per token (the user's own text), one" in many
    assert "come by chance at least that often" not in many
    one = render_prose(verdict("bet52", (1.05, 1.05, 1.05)))
    assert "Those of u0, u1, u2 are about these adapters alone: how much two" in one
    assert "so LENIENT and STRICT come by chance at least that often." in one
    assert "A/A" not in one


@pytest.mark.parametrize(
    ("name", "said"), [("bet49", True), ("bet61", True), ("bet37", False), ("bet60", False)]
)
def test_that_the_best_of_several_was_chosen_by_the_held_out_text_is_said(name, said):
    one = verdict(name, (1.2, 1.2, 1.2))
    chosen = "The best of several was chosen by the held-out text itself, and intervals take the"
    assert (chosen in render_prose(one)) is said
    points = render_prose(replace(one, resolved=(), reach=(), error_rates=()))
    assert ("was chosen by the held-out text itself." in points) is said
