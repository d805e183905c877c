"""The summary's pictures: what they show, and that equal results give equal files."""

import re

import pytest

from noisefloor_tests.support.results_by_hand import found, noise_floor
from pytest_noisefloor.report.figures import draw_budget, draw_ladders
from pytest_noisefloor.results.comparisons import budget
from pytest_noisefloor.results.ladder import LadderRung
from pytest_noisefloor.stats.groups import Interval

pytest.importorskip("matplotlib", reason="the extra 'catalogue' brings it")

SURE = Interval(
    estimate=0.02,
    low=0.01,
    high=0.03,
    se=0.005,
    df=11,
    groups=12,
    seeds=1,
    spread_se=0.0,
    of_trainings=False,
)
RUNGS = (
    LadderRung(name="untrained", nll=4.0, gain=0.0, share=0.0),
    LadderRung(name="random"),
    LadderRung(name="other", nll=3.99, gain=0.0123, share=0.615),
    LadderRung(name="real", nll=3.98, gain=0.02, interval=SURE, share=1.0),
)


def words(svg):
    """What is written in a picture: fonts are drawn as outlines, with the text as a comment."""
    assert b"<text" not in svg
    return re.findall(r"<!-- (.+?) -->", svg.decode())


def test_the_ladder_shows_every_rung_its_share_and_what_was_not_run():
    files = draw_ladders({"reference": {"ann": RUNGS}})
    said = words(files["svg"])
    assert {"ann, reference", "untrained", "other", "62%", "100%"} <= {*said}
    assert said.count("not run") == 1
    assert b"<dc:date>" not in files["svg"]
    assert files["png"].startswith(b"\x89PNG")


@pytest.mark.slow
def test_equal_results_give_equal_files():
    ladders = {"reference": {"ann": RUNGS, "bob": RUNGS}, "small": {"ann": RUNGS}}
    assert draw_ladders(ladders) == draw_ladders(ladders)


@pytest.mark.slow
def test_the_budget_curve_shows_every_figure_by_its_number_of_steps():
    results = {bet: found(f"bet{bet}", noise_floor(users=["ann"])) for bet in ("60", "60-long")}
    files = draw_budget({"reference": budget(results), "small": budget({"60": results["60"]})})
    said = words(files["svg"])
    assert {"ann, reference", "ann, small"} <= {*said}
    for name in ("ratio", "harm", "help", "oracle's help"):
        assert said.count(f"{name}, 100 steps") == said.count(f"{name}, 1,000 steps") == 1
    assert files["png"].startswith(b"\x89PNG")
