"""What is written into a bet file, what stays as it was, and which forms are refused."""

from datetime import date
from pathlib import Path

import pytest

from noisefloor_tests.support.locking import digests
from pytest_noisefloor.bets.bet import parse_bet
from pytest_noisefloor.bets.bet_file import Refused
from pytest_noisefloor.bets.editing import as_copy, with_texts
from pytest_noisefloor.bets.registry import registered_bet
from pytest_noisefloor.errors import BetError

PATH = Path("ours.toml")
TWO = {"ann": digests("a"), "b.o.b": digests("b", only="c")}
REFUSED = (Refused(user="dee", why='user dee, slice "a": 2 words'),)
TABLES = f"""
[design.texts.ann]
train = "{"a" * 64}"
heldout = {{ "first" = "{"1" * 64}", "second" = "{"2" * 64}" }}

[design.texts."b.o.b"]
train = "{"b" * 64}"
heldout = {{ "only" = "{"c" * 64}" }}

[[design.refused]]
user = "dee"
why = "user dee, slice \\"a\\": 2 words"
"""


@pytest.fixture
def bare(text):
    """Bet 60's text before it named its users' texts."""
    return text.partition("\n[design.texts.")[0]


def edited(text, texts=TWO, refused=REFUSED):
    return with_texts(text.encode(), PATH, texts, refused).decode()


def test_texts_are_appended_and_all_else_but_the_users_stays_to_the_letter(bare):
    found = edited(bare)
    users = 'users = ["programmer", "novelist", "scientist"]'
    assert found == bare.replace(users, 'users = ["ann", "b.o.b"]') + TABLES
    bet, before = parse_bet(found.encode(), PATH), parse_bet(bare.encode(), PATH)
    assert (bet.users, bet.texts, bet.refused) == (("ann", "b.o.b"), TWO, REFUSED)
    assert (bet.recipe, bet.criteria, before.texts) == (before.recipe, before.criteria, {})


def test_texts_take_the_place_of_those_that_the_file_has(bare):
    assert edited(edited(bare, {"cy": digests("d")}, ())) == edited(bare)
    assert edited(edited(bare), {"cy": digests("d")}, ()) == edited(bare, {"cy": digests("d")}, ())


def test_a_file_with_the_same_texts_stays_as_it_is_however_it_is_written(bare):
    other = edited(bare).replace("heldout = { ", "heldout = {")
    assert edited(other) == other


def test_comments_and_tables_behind_the_texts_stay(bare):
    head, level = bare.rsplit("[[level]]", 1)
    behind = f"{head.rstrip()}\n{TABLES}# The last level.\n[[level]]{level}"
    behind = behind.replace('["programmer", "novelist", "scientist"]', '["ann", "b.o.b"]')
    found = edited(behind, {"cy": digests("d")}, ())
    assert "# The last level.\n[[level]]" in found
    assert found.count("[design.texts.") == 1
    assert len(parse_bet(found.encode(), PATH).criteria) == 3


def test_users_on_several_lines_and_line_ends_of_windows_are_kept(bare):
    lines = 'users = [  # three\n  "programmer", "novelist",\n  "scientist",\n]  # in all'
    several = bare.replace('users = ["programmer", "novelist", "scientist"]', lines)
    found = with_texts(several.replace("\n", "\r\n").encode(), PATH, TWO, ()).decode()
    assert 'users = ["ann", "b.o.b"]  # in all\r\n' in found
    assert "\n" not in found.replace("\r\n", "")


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("[design]\n", "[design]\ntexts = {}\n"),
        ("[design]\n", "[design]\nrefused = []\n"),
        ('users = ["programmer"', 'users = ["pro]grammer"'),
    ],
)
def test_a_form_that_cannot_be_edited_is_one_line(bare, old, new):
    with pytest.raises(BetError, match=r"^ours\.toml: ") as caught:
        edited(bare.replace(old, new, 1))
    assert "\n" not in str(caught.value)


def test_a_multi_line_text_that_looks_like_a_table_is_no_table(bare):
    odd = bare.replace('hypothesis = """', 'hypothesis = """\n[design.texts.x]')
    with pytest.raises(BetError, match=r"cannot be edited as it is written; expected \[design\]"):
        edited(odd)


def test_a_copy_differs_in_id_name_day_and_whose_design_it_is(text):
    path = Path("mine.toml")
    found = as_copy(text.encode(), path, "mine", "60", date(2026, 11, 30)).decode()
    changed = text.replace(
        'id = "60"\nname = "60_norm_only_noise_floor"', 'id = "mine"\nname = "mine"'
    )
    changed = changed.replace("2026-11-23\n", '2026-11-30\ndesign_of = "60"\n')
    assert found == f"# The design of Bet 60, and its comments, for other users.\n{changed}"
    bet = parse_bet(found.encode(), path)
    assert bet.design_of == "60"
    assert bet.texts == registered_bet("bet60").texts


@pytest.mark.parametrize("own_id", ["", "../x", 'a"b', "a b", r"a\1"])
def test_an_id_that_no_bet_can_have_makes_no_copy(text, own_id):
    with pytest.raises(BetError, match="expected letters, digits, _ and -"):
        as_copy(text.encode(), PATH, own_id, "60", date(2026, 11, 30))
