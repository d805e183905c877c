"""The words on pairs of slices speak of pairs, and of nothing that pairs are not."""

from noisefloor_tests.support.verdicts import of_slices as verdict
from pytest_noisefloor.bets.registry import registered_bet
from pytest_noisefloor.report.tables import render

BET = registered_bet("bet60-why-vocabulary")


def test_a_verdict_on_pairs_speaks_of_pairs():
    text = render(verdict([0.003, 0.001, 0.002]))
    assert "LENIENT (ratio at least 1 on 3 of 3 pairs) does not hold: 2 of 3 (ratios from" in text
    assert "In 1 of 3 pairs the user's own text gained more over random tokens on the slice" in text
    assert "s1 over s2 (0.9990)" in text
    for word in ("cell", "winner", "untrained", "repetitions"):
        assert word not in text
