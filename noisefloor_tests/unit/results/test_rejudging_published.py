"""The published table: judged as its source says, and refused with a mistake in it."""

import pytest

from pytest_noisefloor._files import resource_path
from pytest_noisefloor.bets.bet import Level
from pytest_noisefloor.results.files import ResultError
from pytest_noisefloor.results.rejudging import rejudge


@pytest.fixture
def table(tmp_path):
    """Write the published table with some of its text replaced."""
    text = resource_path("published", "bet60.toml").read_text(encoding="utf-8")

    def write(old="", new=""):
        assert old in text
        path = tmp_path / "table.toml"
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
        return path

    return write


def test_the_published_table_is_lenient_as_its_source_says(table):
    judged = rejudge(table())
    assert judged.verdict.level is Level.LENIENT
    assert judged.verdict.met[Level.CATASTROPHIC] == ("programmer",)
    assert judged.verdict.status == "UNREGISTERED"  # nobody knows whose texts these were
    assert any("LENIENT, agrees" in note for note in judged.notes)
    assert any("intervals and reach are unknown" in note for note in judged.notes)


def test_a_source_that_claims_more_than_its_table_shows_is_contradicted(table):
    judged = rejudge(table('published_level = "LENIENT"', 'published_level = "STRICT"'))
    assert any("STRICT, DISAGREES" in note for note in judged.notes)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("real = 6922\n", "", "key 'real' is missing"),
        ("random = 6525", "random = 0.5", "random perplexity 0.5; expected a number of 1 or more"),
        (
            "random = 6525",
            'random = "many"',
            "user 'programmer'.random = 'many'; expected a number",
        ),
        ('bet = "bet60"', 'bet = "bet99"', "bet 'bet99': expected bet37 or"),
        ('bet = "bet60"', "bet = 60", "bet = 60; expected text"),
        ('bet = "bet60"', "bet =", "not TOML"),
        ("published_level", "level", "unknown key 'level'; expected bet, source, published_level"),
        ('source = "', '# "', "key 'source' is missing; expected where it was published"),
        (
            'published_level = "',
            'published_level = "x',
            "published_level = 'xLENIENT'; expected 'STRICT', 'LENIENT'",
        ),
        ('name = "novelist"', 'name = "scientist"', "expected each once"),
    ],
)
def test_a_table_with_a_mistake_is_one_message(table, old, new, message):
    with pytest.raises(ResultError, match=message):
        rejudge(table(old, new))
