"""What a person reads: every figure once, in a fixed place, and no word beyond the numbers."""

from dataclasses import replace

import pytest

from pytest_noisefloor.bets.bet import Registration
from pytest_noisefloor.bets.judging import judge
from pytest_noisefloor.bets.registry import registered_bet
from pytest_noisefloor.report.prose import criterion_sentence, render_prose
from pytest_noisefloor.report.tables import level_table, render, table, title
from pytest_noisefloor.stats.effect import effect_from_perplexities

BET = registered_bet("bet60")


def verdict(*, planted=False, **users):
    """Judge users given as name=(untrained, real, random)."""
    effects = [
        effect_from_perplexities(
            name,
            {
                arm: value
                for arm, value in zip(("untrained", "real", "random"), values, strict=True)
                if value is not None
            },
            BET.contrast,
        )
        for name, values in users.items()
    ]
    return judge(BET, effects, planted=planted)


def test_the_table_has_a_row_for_each_user_with_ratio_harm_and_help():
    text = table(verdict(ann=(100, 80, 150), bartholomew=(2000, 1234, 1000)).effects)
    assert text.splitlines() == [
        "user         untrained   real  random   ratio    harm    help  winner",
        "─" * 69,
        "ann                100     80     150  1.8750  1.5000  1.2500  real",
        "bartholomew      2,000  1,234   1,000  0.8104  0.5000  1.6207  random",
    ]


def test_a_perplexity_that_is_unknown_is_a_dash_and_said_to_be_unknown():
    one = verdict(ann=(None, 80, 150))
    assert table(one.effects).splitlines()[-1].split() == [
        *("ann", "–", "80", "150", "1.8750", "–", "–", "real")
    ]
    assert "untrained base's perplexity is unknown" in render_prose(one)


def test_harm_and_help_are_said_in_per_cent_of_the_untrained_perplexity():
    text = render_prose(verdict(ann=(100, 80, 150)))
    assert (
        "For ann the user's own text changed the base's perplexity by -20.00%, random tokens by "
        "+50.00%." in text
    )
    assert "unknown" not in text


@pytest.mark.parametrize(
    ("random", "level"),
    [(150, "STRICT."), (111, "LENIENT."), (105, "NOT MET."), (99, "CATASTROPHIC.")],
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


def test_planted_stands_in_front_of_title_and_level_and_nowhere_else():
    real, planted = (verdict(planted=p, ann=(100, 80, 150)) for p in (False, True))
    assert (
        title(real) == f"Bet 60: Norm-only noise floor (registered 2026-11-23, {BET.sha256[:12]})"
    )
    assert title(planted) == f"PLANTED, proves the machinery alone: {title(real)}"
    assert render_prose(planted) == f"PLANTED {render_prose(real)}"
    assert "PLANTED" not in render(real)


def test_of_many_users_the_first_are_shown_and_the_rest_is_counted():
    many = verdict(**{f"user{number:03}": (100, 80, 70) for number in range(300)})
    lines = table(many.effects).splitlines()
    assert [line.split()[0] for line in lines[2:-1]] == [f"user{n:03}" for n in range(20)]
    assert lines[-1] == "… and 280 more of 300 users; all of them are in the result file"
    text = render(many)
    assert "user019" in text
    assert "user020" not in text
    assert "0 of 300 (user000 0.8750, " in text
    assert "user019 0.8750 and 280 more)." in text
    assert text.count("Inversion: for") == 20
    assert "Inversions in all: 300 of 300." in text
    twenty = verdict(**{f"user{number:03}": (100, 80, 70) for number in range(20)})
    assert "more" not in render(twenty)


def test_an_unregistered_bet_says_so_in_title_and_words():
    one = verdict(ann=(100, 80, 150))
    own = replace(one, bet=replace(BET, registration=Registration()))
    assert title(own) == (
        f"UNREGISTERED, a bet of one's own: Bet 60: Norm-only noise floor (2026-11-23, not locked, "
        f"{BET.sha256[:12]})"
    )
    assert render_prose(own) == f"UNREGISTERED {render_prose(one)}"
    assert title(replace(own, planted=True)).startswith("PLANTED, proves the machinery alone: ")


def test_the_words_are_a_paragraph_for_each_part():
    found, unknown, chance = render_prose(verdict(ann=(None, 80, 150))).split("\n\n")
    assert found.startswith("STRICT. ")
    assert unknown.startswith("The untrained base's perplexity is unknown")
    assert chance.startswith("CATASTROPHIC has no margin")


def test_the_report_of_point_estimates_is_title_tables_and_words():
    one = verdict(ann=(100, 80, 150))
    parts = [title(one), table(one.effects), level_table(one), render_prose(one)]
    assert render(one) == "\n\n".join(parts)


def test_the_table_of_levels_says_who_met_them_and_what_is_unknown():
    one = verdict(a=(None, 100, 150), b=(None, 100, 120), c=(None, 100, 90))
    rows = [" ".join(line.split()) for line in level_table(one).splitlines()]
    assert rows[0] == "level needed met by rests on harm reach reach by help alone"
    assert rows[2:] == [
        "STRICT 3 of 3 1 – unknown unknown",
        "LENIENT 2 of 3 2 unknown unknown unknown",
        "CATASTROPHIC 2 of 3 1 – – –",
    ]


def test_a_level_without_margin_is_said_to_come_by_chance_half_the_time():
    """Exactly one half for 2 of 3, also where nothing but point estimates is known."""
    sentence = "CATASTROPHIC has no margin: without any difference, chance alone brings it in {}"
    three = render_prose(verdict(a=(9, 100, 99), b=(9, 100, 99), c=(9, 100, 120)))
    assert sentence.format("50% of repetitions") in three
    four = render_prose(verdict(a=(9, 9, 9), b=(9, 9, 9), c=(9, 9, 9), d=(9, 9, 9)))
    assert sentence.format("31% of repetitions") in four  # 3 of 4: 5/16


def test_users_other_than_those_registered_are_said_to_be_others():
    others = render_prose(verdict(ann=(100, 80, 150)))
    said = "These are not the users that the bet registers (programmer, novelist, scientist)."
    assert said in others
    assert said not in render_prose(verdict(**dict.fromkeys(BET.users, (100, 80, 150))))
