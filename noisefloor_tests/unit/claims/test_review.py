"""What a verdict shows of an assertion, in figures, and what it licenses in words."""

import math
from dataclasses import replace

import pytest

from noisefloor_tests.support.inferences import inferred
from noisefloor_tests.support.results_planted import FILED
from noisefloor_tests.support.verdicts import of_help_and_harm
from pytest_noisefloor.bets.judging import judge
from pytest_noisefloor.bets.registry import registered_bet
from pytest_noisefloor.claims.review import finding, licensed_words
from pytest_noisefloor.stats.effect import Effect

BET = registered_bet("bet60")


def verdict(users, unhelped=(), bar=1.1):
    """Of users given by their ratio's lower bound and estimate; all are helped but those named."""
    criteria = [replace(BET.criteria[0], threshold=max(bar, 1.5)), *BET.criteria[1:]]
    criteria[1] = replace(criteria[1], threshold=bar)
    effects = [
        Effect(
            user=user,
            nll={"real": 1.0, "random": 1 + math.log(ratio), "untrained": 2.0},
            contrast=BET.contrast,
        )
        for user, (_, ratio) in users.items()
    ]
    resolved = [
        inferred(user, delta=math.log(low), high=1.0, helped=-0.1 if user in unhelped else 0.1)
        for user, (low, _) in users.items()
    ]
    return judge(replace(BET, criteria=tuple(criteria)), effects, resolved=resolved)


def test_a_least_ratio_is_said_only_where_enough_lower_bounds_are_above_it():
    sure = verdict({"ann": (1.15, 1.2), "bob": (1.11, 1.2), "cy": (1.01, 1.3)})
    assert finding(sure, "LENIENT") == (
        "LENIENT: ratio at least 1.1, and the base made better, shown for 2 of 3 users (ann, bob)"
    )
    unsure = verdict({"ann": (1.15, 1.2), "bob": (1.09, 1.21), "cy": (0.99, 1.3)})
    assert finding(unsure, "LENIENT") == (
        "LENIENT: ratio above 1, estimated at 1.2000, 1.2100, and the base made better, shown for "
        "2 of 3 users (ann, bob)"
    )


def test_a_user_whose_base_was_not_made_better_counts_for_neither():
    users = {"ann": (1.15, 1.2), "bob": (1.11, 1.2), "cy": (1.01, 1.3)}
    assert finding(verdict(users, unhelped=("bob",)), "LENIENT") == (
        "LENIENT: ratio above 1, estimated at 1.2000, 1.3000, and the base made better, shown for "
        "2 of 3 users (ann, cy)"
    )


def test_a_bar_of_1_is_said_as_what_is_shown():
    of = verdict({"ann": (1.15, 1.2), "bob": (1.11, 1.2), "cy": (1.01, 1.3)}, bar=1.0)
    assert finding(of, "LENIENT").startswith("LENIENT: ratio above 1, estimated at 1.2000, 1.2000,")


def test_many_ratios_are_given_by_their_range():
    users = {f"user{n}": (1.01, 1.2 + n / 100) for n in range(21)}
    assert finding(verdict(users), "LENIENT").startswith(
        "LENIENT: ratio above 1, estimated at 1.2000 to 1.4000, and the base made better, shown "
        "for 21 of 21 users (user0, user1, "
    )


def test_what_is_not_shown_is_said_with_its_reach_in_the_same_sentence():
    of = of_help_and_harm(ann=(1.01, 1.3, 1.02), bob=(1.01, 1.3, 1.02))
    assert finding(of, "NOT_MET") == (
        "NOT_MET: LENIENT is not shown; by help it was out of this recipe's reach"
    )
    assert finding(replace(of, reach=()), "NOT_MET") == (
        "NOT_MET: LENIENT is not shown; whether help could reach it is not known"
    )


def test_a_control_that_won_is_said_of_the_users_for_whom_that_is_shown():
    of = of_help_and_harm(ann=(1.2, 0.8, 1.2), bob=(1.2, 0.8, 1.2), cy=(1.2, 1.0, 1.2), filed=FILED)
    assert finding(of, "CATASTROPHIC") == (
        "CATASTROPHIC: ratio shown to be below 1 for 2 of 3 users (ann, bob)"
    )


TEXT, THIS = "learns from text", "learns this text rather than the others'"


@pytest.mark.parametrize(
    ("numerator", "words"),
    [
        ("random", TEXT),
        ("random | unigram", TEXT),
        ("random | pooled", TEXT),
        ("random | other", THIS),
        ("other | random", THIS),
        ("random | full/other", TEXT),
        ("random | other@5e-4", TEXT),
        ("other", ""),
        ("untrained", ""),
        ("full/random", ""),
    ],
)
def test_what_a_bet_licenses_depends_on_the_controls_that_it_has(numerator, words):
    bet = replace(BET, contrast=replace(BET.contrast, numerator=numerator))
    assert licensed_words(bet) == words


def test_no_registered_bet_licenses_the_word_personalisation():
    names = ("bet60", "bet60-full", "bet63-10", "bet61", "bet37")
    found = [licensed_words(registered_bet(name)) for name in names]
    assert found == [TEXT, TEXT, THIS, "", ""]
