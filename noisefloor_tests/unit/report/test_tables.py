"""Tables: every figure once, in a fixed place, and no word beyond the numbers."""

from types import SimpleNamespace

import pytest

from noisefloor_tests.support.verdicts import of_perplexities as verdict
from pytest_noisefloor.bets.registry import registered_bet
from pytest_noisefloor.report.layout import markdown_table
from pytest_noisefloor.report.prose import render_prose
from pytest_noisefloor.report.tables import level_table, render, table, title

BET = registered_bet("bet60")


def test_the_table_has_a_row_for_each_user_with_ratio_harm_and_help():
    text = table(verdict(ann=(100, 80, 150), bartholomew=(2000, 1234, 1000)).effects)
    assert text.splitlines() == [
        "user           untrained    real    random    ratio    harm    help  winner",
        "-----------  -----------  ------  --------  -------  ------  ------  --------",
        "ann                  100      80       150   1.8750  1.5000  1.2500  real",
        "bartholomew        2,000   1,234     1,000   0.8104  0.5000  1.6207  random",
    ]


def test_a_perplexity_that_is_unknown_is_a_dash_and_said_to_be_unknown():
    one = verdict(ann=(None, 80, 150))
    assert table(one.effects).splitlines()[-1].split() == [
        *("ann", "–", "80", "150", "1.8750", "–", "–", "real")
    ]
    assert "untrained base's perplexity is unknown" in render_prose(one)


def test_planted_stands_in_front_of_title_and_level_and_takes_every_claim_away():
    real, planted = (verdict(planted=p, ann=(100, 80, 150)) for p in (False, True))
    assert (
        title(real) == f"Bet 60: Norm-only noise floor (registered 2026-11-23, {BET.sha256[:12]})"
    )
    assert title(planted) == f"PLANTED, proves the machinery alone: {title(real)}"
    nothing = "Nothing may be claimed of what is PLANTED. Its numbers bear out,"
    expected = render_prose(real).replace("May be claimed,", nothing)
    assert render_prose(planted) == f"PLANTED {expected}"
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


def test_the_report_of_point_estimates_is_title_tables_and_words():
    one = verdict(ann=(100, 80, 150))
    parts = [title(one), table(one.effects), level_table(one), render_prose(one)]
    assert render(one) == "\n\n".join(parts)


def test_the_table_of_levels_says_who_met_them_and_what_is_unknown():
    one = verdict(a=(None, 100, 150), b=(None, 100, 120), c=(None, 100, 90))
    rows = [" ".join(line.split()) for line in level_table(one).splitlines()]
    assert rows[0] == "level needed met by may be claimed rests on harm reach by help"
    assert rows[2:] == [
        "STRICT 3 of 3 1 no – not known",
        "LENIENT 2 of 3 2 no unknown not known",
        "CATASTROPHIC 2 of 3 1 no – –",
    ]


@pytest.mark.parametrize("installed", [False, True])
def test_wide_characters_leave_columns_under_their_headings(monkeypatch, installed):
    """Whether or not wcwidth is installed, which tabulate asks where it is."""

    def width(text):
        return sum(2 if "\u3000" < c < "\ua000" else c != "\u200b" for c in text)

    monkeypatch.setattr("tabulate.wcwidth", SimpleNamespace(wcswidth=width))
    monkeypatch.setattr("tabulate.WIDE_CHARS_MODE", installed)
    text = table(verdict(ann=(100, 80, 150), 李小龍=(100, 80, 150)).effects)
    assert {width(line.partition("real")[0]) for line in text.splitlines()[2:]} == {
        width(text.splitlines()[0].partition("winner")[0])
    }
    assert "\u200b" not in text


def test_a_name_that_looks_like_a_number_is_printed_as_it_is():
    one = verdict(**{"1e5": (100, 80, 150), "007": (100, 80, 150)})
    assert [line.split()[0] for line in table(one.effects).splitlines()[2:]] == ["1e5", "007"]
    assert markdown_table(("a",), [("007",), ("1e5",)]).splitlines()[2:] == ["| 007 |", "| 1e5 |"]


def test_an_upright_stroke_in_a_cell_starts_no_column_of_markdown():
    assert markdown_table(("a|b",), [("c | d",)]).splitlines()[::2] == [
        r"| a\|b   |",
        r"| c \| d |",
    ]
