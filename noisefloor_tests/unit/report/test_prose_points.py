"""The words on point estimates: the level first, each criterion in full, every user by name."""

from dataclasses import replace

import pytest

from noisefloor_tests.support.verdicts import of_perplexities as verdict
from pytest_noisefloor.bets.registration import Registration
from pytest_noisefloor.bets.registry import registered_bet
from pytest_noisefloor.report.prose import criterion_sentence, render_prose
from pytest_noisefloor.report.tables import title

BET = registered_bet("bet60")


def test_harm_and_help_are_said_in_per_cent_of_the_untrained_perplexity():
    text = render_prose(verdict(ann=(100, 80, 150)))
    assert (
        "For ann the user's own text changed the base's perplexity by -20.00%, random tokens by "
        "+50.00%." in text
    )
    assert "unknown" not in text


@pytest.mark.parametrize(
    ("random", "level"),
    [
        (150, "STRICT, by points."),
        (111, "LENIENT, by points."),
        (105, "NOT MET."),
        (99, "CATASTROPHIC, by points."),
    ],
)
def test_the_words_begin_with_the_level(random, level):
    text = render_prose(verdict(ann=(100, 100, random)))
    assert text.startswith(f"{level} STRICT (ratio at least 1.5 on 1 of 1) ")


def test_each_criterion_is_said_with_what_it_needs_and_what_it_got():
    one = verdict(a=(9, 100, 150), b=(9, 100, 120), c=(9, 100, 90))
    assert [criterion_sentence(one, c) for c in BET.criteria] == [
        "STRICT (ratio at least 1.5 on 3 of 3) does not hold: 1 of 3 "
        "(a 1.5000, b 1.2000, c 0.9000).",
        "LENIENT (ratio at least 1.1 on 2 of 3) holds: 2 of 3 (a 1.5000, b 1.2000, c 0.9000).",
        "CATASTROPHIC (ratio below 1 on 2 of 3) does not hold: 1 of 3 "
        "(a 1.5000, b 1.2000, c 0.9000).",
    ]
    assert all(criterion_sentence(one, c) in render_prose(one) for c in BET.criteria)


def test_an_inversion_is_named_for_each_user_that_has_one_and_for_no_other():
    text = render_prose(verdict(ann=(9, 110, 100), bob=(9, 100, 100), cy=(9, 100, 99)))
    assert text.count("Inversion") == 2
    assert "Inversion: for ann, random tokens beat the user's own text by 10.00%." in text
    assert "Inversion: for cy, random tokens beat the user's own text by 1.01%." in text


def test_an_unregistered_bet_says_so_in_title_and_words():
    one = verdict(ann=(100, 80, 150))
    own = replace(one, bet=replace(BET, registration=Registration()))
    assert title(own) == (
        f"UNREGISTERED, a bet of one's own: Bet 60: Norm-only noise floor (2026-11-23, not locked, "
        f"{BET.sha256[:12]})"
    )
    nothing = "Nothing may be claimed of what is UNREGISTERED. Its numbers bear out,"
    expected = render_prose(one).replace("May be claimed,", nothing)
    assert render_prose(own) == f"UNREGISTERED {expected}"
    assert title(replace(own, planted=True)).startswith("PLANTED, proves the machinery alone: ")


def test_the_words_are_a_paragraph_for_each_part():
    found, unknown, chance, claims = render_prose(verdict(ann=(None, 80, 150))).split("\n\n")
    assert found.startswith("STRICT, by points. ")
    assert claims.startswith("May be claimed, of these users, this base and recipe: NOT_MET (LEN")
    assert unknown.startswith("The untrained base's perplexity is unknown")
    assert chance.startswith("CATASTROPHIC has no margin")


def test_a_level_without_margin_is_said_to_come_by_chance_half_the_time():
    """Exactly one half for 2 of 3, also where nothing but point estimates is known."""
    sentence = "CATASTROPHIC has no margin: without any difference, chance alone brings it in {}"
    three = render_prose(verdict(a=(9, 100, 99), b=(9, 100, 99), c=(9, 100, 120)))
    assert sentence.format("50% of repetitions") in three
    four = render_prose(verdict(a=(9, 9, 9), b=(9, 9, 9), c=(9, 9, 9), d=(9, 9, 9)))
    assert sentence.format("31% of repetitions") in four  # 3 of 4: 5/16


SAID = "Bet 60's design on texts that nobody registered"


def on_other_texts(**changes):
    """A verdict on texts that are not the bet's."""
    one, bet = verdict(ann=(100, 80, 150)), BET.on({})
    registration = replace(bet.registration, **changes)
    return replace(one, bet=replace(bet, registration=registration))


def test_texts_other_than_those_registered_are_said_in_title_and_words():
    one = on_other_texts()
    assert title(one).startswith(f"UNREGISTERED, {SAID}: Bet 60: Norm-only noise floor (")
    assert f"This is {SAID}." in render_prose(one)
    registered = verdict(ann=(100, 80, 150))
    assert SAID not in title(registered) + render_prose(registered)


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"altered": True}, "by another design than it registers"),
        ({"locked": None}, "a bet of one's own"),
    ],
)
def test_of_another_design_or_an_unlocked_bet_no_texts_were_registered(changes, why):
    one = on_other_texts(**changes)
    assert title(one).startswith(f"UNREGISTERED, {why}: ")
    assert SAID not in render_prose(one)
