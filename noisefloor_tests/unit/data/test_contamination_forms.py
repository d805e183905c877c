"""Forms of one word: copies are found that have another form of one word in ten."""

import pytest

from noisefloor_tests.support.texts import words as some_words
from pytest_noisefloor.data.contamination import leak
from pytest_noisefloor.data.users import Slice, User
from pytest_noisefloor.data.words import visible, words


def share(here: str, there: str) -> float:
    """The share of a slice that has ``here`` at every tenth word, in a copy that has ``there``."""

    def text(form):
        return " ".join(f"{word} {form}" if n % 9 == 0 else word for n, word in enumerate(own))

    own = some_words(180, "w")
    return leak(User("ann", text(there), (Slice("only", text(here)),)))[0].share


@pytest.mark.parametrize("mark", [*"'’‘‛ʼʻʹ`´′＇｀᾽\"”", "''", "\\'", "_'", "*’", "'*", "\xad’"])
@pytest.mark.parametrize(("here", "there"), [("don{}t", "dont"), ("l{}homme", "LHomme")])
def test_apostrophes_may_have_any_form_or_none(mark, here, there):
    assert share(here.format(mark), there) == 1


@pytest.mark.parametrize(
    ("here", "there"),
    [
        ("the 1990’s", "the 1990s"),
        ("_Emma_'s", "Emmas"),
        ("צה״ל", "צהל"),
        ('צה"ל', "צהל"),
        ("ג׳ירפה", "גירפה"),
        ("об’єкт", "обєкт"),
        ("oʻzbek", "ozbek"),
        ("ինչո՞ւ", "ինչու"),
        ("kꞌuxa", "kuxa"),
        ("'안녕'이라고", "안녕이라고"),
    ],
)
def test_apostrophes_and_marks_of_many_languages_may_be_left_out(here, there):
    assert share(here, there) == share(there, here) == 1


@pytest.mark.parametrize(
    ("here", "there"),
    [
        ("snake_case", "snakecase"),
        ("snake_case", "snakeCase"),
        ("_emph_asis", "emphasis"),
        ("un＿believ＿able", "unbelievable"),
        ("un‿believable", "unbelievable"),
    ],
)
def test_underscores_within_words_hide_nothing(here, there):
    assert share(here, there) == share(there, here) == 1


@pytest.mark.parametrize("mark", [*",.'’·٬،，_", " ", "\n", "\xa0", "\u202f", "\u2009", "\u2007"])
@pytest.mark.parametrize(
    "number", ["1{}000", "12{}345{}678", "$9{}999 each", "_1{}984_", "2{}500m"]
)
def test_thousands_may_have_any_mark_or_none(mark, number):
    assert share(number.replace("{}", mark), number.replace("{}", "")) == 1


@pytest.mark.parametrize(
    ("here", "there"),
    [
        ("١٬٠٠٠", "١٠٠٠"),
        ("１，０００", "1000"),
        ("1.000,5", "1000.5"),
        ("1_000_000", "1,000,000"),
    ],
)
def test_thousands_are_found_in_every_locale(here, there):
    assert share(here, there) == share(there, here) == 1


@pytest.mark.parametrize("end", ["\r", "\v", "\f", "\x85", "\u2028", "\u2029"])
@pytest.mark.parametrize("hyphen", ["-", "\u2010", "\u2011", "\xad", "\xac", "- "])
def test_a_word_may_be_broken_at_the_other_kinds_of_line_end(hyphen, end):
    assert share("exam" + hyphen + end + "ple", "example") == 1


@pytest.mark.parametrize(
    ("here", "there"),
    [
        ("well-known", "well known"),
        ("well\u2011known", "well\u2013known"),
        ("sea\u2014and", "sea - and"),
        ("a-b*c", "a - b * c"),
        ("[10,200]", "[10, 200]"),
        ("ctx.literal", "ctx. literal"),
        ("e.g.", "e. g."),
        ("f'abc'", 'f"abc"'),
        ("'yes'", '"yes"'),
        ("the dogs’ tails", "the dogs tails"),
        ("rock 'n' roll", "rock n roll"),
        ("*Emma*'s", "Emma's"),
        ("l'*homme*", "l'homme"),
    ],
)
def test_marks_around_words_and_spaces_beside_them_hide_nothing(here, there):
    assert share(here, there) == share(there, here) == 1


@pytest.mark.parametrize(
    ("here", "there"),
    [
        ("well-known", "wellknown"),
        ("well-known", "well-\nknown"),
        ("the sea", "the\u200bsea"),
        ("the sea", "the\x1fsea"),
        ("the sea", "the'sea"),
        ("the sea", "the_sea"),
        ("it's", "it 's"),
        ("*emph*asis", "emphasis"),
        ("U.S.A.", "USA"),
        ("1,00,000", "100000"),
        ("3.141 59", "3.14159"),
    ],
)
def test_words_run_together_or_pulled_apart_are_not_found(here, there):
    """The documentation says so. What is found one day must be taken out there."""
    assert share(here, there) == share(there, here) == 0


def test_a_number_is_a_word_for_every_three_digits():
    assert [word.compared for word in words(visible("1234567th of _2026_, 12 and x1000"))] == [
        *("1", "234", "567th", "of", "2", "026", "12", "and", "x1000")
    ]
    assert len(words("1" * 50_000)) == 16_667  # in no more time than other text
