"""A file with bin sums is judged again to the last digit, and by another bet where one is named."""

import json

from noisefloor_tests.support.results_planted import FILED, planted_bins, planted_result
from pytest_noisefloor._files import resource_path
from pytest_noisefloor.bets.bet import Level
from pytest_noisefloor.bets.licensing import MARGIN
from pytest_noisefloor.bets.registry import registered_bet
from pytest_noisefloor.report.tables import render
from pytest_noisefloor.results.lifting import lift
from pytest_noisefloor.results.rejudging import rejudge, rejudge_file
from pytest_noisefloor.stats.inference import infer

BET = registered_bet("bet60")


def test_a_file_is_judged_again_to_the_last_digit(tmp_path):
    content = planted_result({"a": (1.2, 1.0, 1.3), "b": (1.2, 1.1, 1.3), "c": (1.0, 1.0, 1.0)})
    again = rejudge_file(lift(json.loads(json.dumps(content))), BET)
    all_bins = planted_bins({"a": (1.2, 1.0, 1.3), "b": (1.2, 1.1, 1.3), "c": (1.0, 1.0, 1.0)})
    assert again.resolved == infer(all_bins, BET.contrast, margin=MARGIN, spreads=[FILED] * 3)
    assert len(json.dumps(content)) < 200_000
    text = render(again)
    assert text.count("[") > 9 + 12  # three intervals a user, four rates a scenario


def test_another_bet_can_judge_and_its_hash_is_said(tmp_path):
    strict = tmp_path / "strict.toml"
    text = resource_path("bets", "bet60.toml").read_text(encoding="utf-8")
    strict.write_text(text.replace("at_least = 1.1", "at_least = 1.4"), encoding="utf-8")
    file = resource_path("published", "bet60.toml")
    assert rejudge(file).verdict.level is Level.LENIENT
    judged = rejudge(file, against=str(strict))
    assert judged.verdict.level is Level.NOT_MET
    assert any(judged.verdict.bet.sha256[:12] in note for note in judged.notes)
