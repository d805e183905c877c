"""What several pages here start from."""

import json

import pytest

from noisefloor_tests.support.results_by_hand import found, noise_floor
from pytest_noisefloor._files import resource_path
from pytest_noisefloor.results import collection
from pytest_noisefloor.results.collection import registered_bets


@pytest.fixture(scope="session")
def every_bet():
    return registered_bets()


@pytest.fixture
def bets_read_once(monkeypatch, every_bet):
    """Reading every bet takes 50 ms."""
    monkeypatch.setattr(collection, "registered_bets", lambda: every_bet)


@pytest.fixture
def save(tmp_path):
    """Write a result file."""

    def write(content):
        path = tmp_path / "result.json"
        path.write_text(json.dumps(content), encoding="utf-8")
        return path

    return write


@pytest.fixture
def text():
    """The text of Bet 60's file."""
    return resource_path("bets", "bet60.toml").read_text(encoding="utf-8")


@pytest.fixture
def bet_file(tmp_path, text):
    """A copy of Bet 60 to change."""
    path = tmp_path / "bet60.toml"
    path.write_text(text, encoding="utf-8")
    return path


@pytest.fixture
def own(tmp_path):
    """A bet of one's own: Bet 60's text with another id and name."""
    text = resource_path("bets", "bet60.toml").read_text(encoding="utf-8")
    path = tmp_path / "ours.toml"
    path.write_text(text.replace('id = "60"\nname = "60_', 'id = "ours"\nname = "ours_'), "utf-8")
    return path


@pytest.fixture
def floor():
    """A result of Bet 60, not met."""
    return found("bet60", noise_floor())
