"""Reach where it is known: a base whose NLL is convex in its gains, so that the ceiling is a bound.

The planted base's logits are linear in the gains of its last norm, and no other gain matters. What
a distance can buy is then known in closed form, and whether a level is in reach can be planted.
"""

import math
from dataclasses import replace

import numpy as np
import pytest

from noisefloor_tests.support.cheating import Sly
from noisefloor_tests.support.planted import (
    BET,
    FINAL,
    damaged_base,
    experiment,
    known_nll,
    user,
)
from pytest_noisefloor.bets.bet import Level
from pytest_noisefloor.bets.reach import Outcome
from pytest_noisefloor.errors import NoisefloorError
from pytest_noisefloor.report.reach import render_forecast
from pytest_noisefloor.report.tables import render
from pytest_noisefloor.results.files import read_file
from pytest_noisefloor.results.lifting import lift
from pytest_noisefloor.results.rejudging import rejudge_file
from pytest_noisefloor.runs.worker import Worker

pytestmark = pytest.mark.usefixtures("tiny")

DAMAGE = 0.2
BAR = math.log(1.1)
ANN, BOB = (user(name, seed, lengths=(4096,)) for name, seed in (("ann", 0), ("bob", 1)))


@pytest.fixture(scope="module")
def forecast(tmp_path_factory):
    """A function: what is said of ann, by a base and a recipe; its store is this page's."""
    out = tmp_path_factory.mktemp("forecast")
    return lambda base=DAMAGE, **recipe: (
        experiment(damaged_base(base), (ANN,), out, **recipe).forecast
    )


def outcome(found, level=Level.LENIENT):
    (one,) = (one for one in found.levels if one.level is level)
    return one.outcome


# --- planted: within reach, out of reach, not known ---------------------------------------------


def test_a_level_that_the_damage_leaves_room_for_is_within_reach(forecast):
    """Undoing the damage gives more than 1.5, and the distance covers half of it."""
    found = forecast()
    (ann,) = found.measured
    assert found.distance == pytest.approx(0.36)
    text = ANN.heldout[0].text
    room = np.mean(known_nll(text, np.full(16, DAMAGE)) - known_nll(text, np.ones(16)))
    assert math.log(1.5) < ann.floor.low < ann.gain <= ann.ceiling
    assert ann.gain < room + 0.01
    assert [outcome(found, level) for level in (Level.LENIENT, Level.STRICT)] == [
        Outcome.WITHIN
    ] * 2


def test_a_level_that_no_gain_could_buy_so_near_is_out_of_reach(forecast):
    found = forecast(lr=1e-3)
    assert found.measured[0].gain <= found.measured[0].ceiling < BAR
    assert outcome(found) is Outcome.OUT
    text = render_forecast(found)
    assert "LENIENT (1 needed) is out of reach: its bar is above the ceiling for 1 of 1." in text


def test_between_floor_and_ceiling_it_is_not_known_and_begins_at_the_rate_that_is_named(forecast):
    rate = forecast(lr=1e-3).rate_needed(Level.LENIENT)
    below, above = (forecast(lr=factor * rate) for factor in (0.99, 1.01))
    assert outcome(below) is Outcome.OUT
    assert outcome(above) is Outcome.UNKNOWN
    (ann,) = above.measured
    assert ann.floor.low < BAR < ann.ceiling == pytest.approx(1.01 * BAR)
    text = render_forecast(below)
    assert f"From a rate of {rate:.2g} on, at 6 steps, it would no longer be out of reach." in text
    assert "LENIENT (1 needed) is not known" not in text
    assert "Whether LENIENT (1 needed) is within reach is not known" in render_forecast(above)


def test_a_base_without_damage_has_hardly_anything_to_reach(forecast):
    """At a tenth of the distance, or the ceiling grows with it past any use."""
    found = forecast(1.0, lr=6e-3)
    assert found.measured[0].gain < 0.01
    assert outcome(found, Level.STRICT) is Outcome.OUT


def test_the_norm_is_that_of_the_closed_form(forecast):
    """By differences of 1e-5 a gain, which round to 1e-9 of a nat."""
    (ann,) = forecast().measured
    gains, text = np.full(16, DAMAGE), ANN.heldout[0].text
    slopes = [
        (known_nll(text, gains + step).mean() - known_nll(text, gains - step).mean()) / 2e-5
        for step in 1e-5 * np.eye(16)
    ]
    assert ann.norm == pytest.approx(np.abs(slopes).sum(), rel=1e-4)


# --- beside a verdict ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def judged(tmp_path_factory):
    one = experiment(damaged_base(DAMAGE), (ANN, BOB), tmp_path_factory.mktemp("judged"))
    assert one.verdict
    return one


def test_what_was_trained_gains_no_more_than_the_ceiling_at_the_distance_that_it_moved(judged):
    verdict = judged.verdict
    for effect, unit in zip(verdict.effects, verdict.reachable, strict=True):
        assert unit.user == effect.user
        gained = [effect.nll["untrained"] - effect.nll[arm] for arm in ("real", "oracle")]
        assert 0 < max(gained) < unit.ceiling
    assert [one.outcome for one in verdict.reach] == [Outcome.WITHIN] * 2


def test_the_distance_is_that_of_the_adapter_that_moved_most(judged):
    for owner, unit in zip(judged.users, judged.verdict.reachable, strict=True):
        moved = [
            np.abs(values - (DAMAGE if name == FINAL else 1.0)).max()
            for arm in ("real", "random", "oracle")
            for name, values in judged.adapter(owner.name, arm).tensors.items()
        ]
        assert unit.moved == pytest.approx(max(moved), rel=1e-6)


def test_a_file_says_it_all_and_is_judged_again_without_a_model(judged, monkeypatch):
    file = lift(read_file(judged.result_path))
    monkeypatch.setattr(Worker, "_loaded", property(lambda _: pytest.fail("a model was loaded")))
    again = rejudge_file(file, BET)
    assert again.reach == judged.verdict.reach
    assert render(again) == render(judged.verdict)
    for row, unit in zip(file.users, judged.verdict.reachable, strict=True):
        assert (row.reach.moved, row.reach.norm) == (unit.moved, unit.norm)
        assert row.reach.ceiling == unit.ceiling
        assert row.reach.floor.low == unit.floor.low
    by_user = {
        user.name: [a.moved for a in file.adapters if a.user == user.name] for user in judged.users
    }
    assert all(max(by_user[unit.user]) <= unit.moved for unit in judged.verdict.reachable)


def test_the_words_have_its_figures(judged):
    text = render(judged.verdict)
    (table,) = (part for part in text.split("\n\n") if "ceiling of help" in part)
    assert len(table.splitlines()) == 4
    assert "Reach by help: STRICT (2 needed) was within reach: shown for 2 of 2." in text
    assert "The ceiling is a first-order estimate and no bound" in text


def test_cells_have_a_reach_each_and_seeds_share_what_is_measured(tmp_path, monkeypatch):
    cells = replace(
        BET.contrast, unit="user, seed and slice", slices="each a unit", seeds="each a unit"
    )
    done = []
    gradient = Worker.gradient
    monkeypatch.setattr(
        Worker, "gradient", lambda self, *args: done.append(args) or gradient(self, *args)
    )
    ann = user("ann", 0, lengths=(300, 300))
    one = experiment(
        damaged_base(DAMAGE),
        [ann],
        tmp_path,
        bet=replace(BET, contrast=cells),
        seeds=(0, 1),
        steps=2,
    )
    assert [unit.user for unit in one.verdict.reachable] == [
        f"ann, seed {seed}, s{piece}" for seed in (0, 1) for piece in (0, 1)
    ]
    assert len(done) == 2
    assert len({unit.moved for unit in one.verdict.reachable}) == 1


def test_pairs_and_other_denominators_have_no_reach(tmp_path):
    for contrast in (
        replace(BET.contrast, unit="pair of slices", slices="nearer over farther"),
        replace(BET.contrast, numerator="real", denominator="random"),
    ):
        bet = replace(BET, contrast=contrast)
        one = experiment(damaged_base(DAMAGE), (user("ann", 0),), tmp_path, bet=bet, steps=2)
        with pytest.raises(
            NoisefloorError, match=r"^Bet planted: counts each .*; reach is that of"
        ):
            assert one.forecast


# --- a cheat ------------------------------------------------------------------------------------


def test_an_adapter_that_moved_further_than_rate_times_steps_shows_in_the_distance(tmp_path):
    """Its gains are pushed by 0.5 a step, where the rate allows 0.06."""

    def push(gradient, model):
        model.get_parameter(FINAL).data += 0.5
        return gradient

    one = experiment(damaged_base(DAMAGE), (user("ann", 0),), tmp_path, method=Sly(push), steps=2)
    (unit,) = one.verdict.reachable
    assert unit.moved > 0.85 > 5 * (0.06 * 2)  # two pushes, less what AdamW may undo
    written = read_file(one.result_path)
    assert written["users"][0]["reach"]["moved"] == unit.moved
    assert all(adapter["moved"] > 0.85 for adapter in written["adapters"])
    assert "moved (r)" in render(one.verdict)
