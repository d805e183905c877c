"""The reach of norm gains on the reference base, against what was measured when it was first asked.

The oracle of Bet 60 gained 0.0045 nats for the programmer, and was taken for an upper estimate of
what could be had. One step against the gradient's sign gains more than twice as much.
"""

import math

import pytest

from pytest_noisefloor._files import resource_path
from pytest_noisefloor.bets.registry import registered_bet
from pytest_noisefloor.data.users import load_users
from pytest_noisefloor.models.loading import open_base
from pytest_noisefloor.results.files import read_file
from pytest_noisefloor.runs.context import context_for
from pytest_noisefloor.runs.progress import ProgressBar
from pytest_noisefloor.runs.reach import Ask, answer
from pytest_noisefloor.runs.runner import Runner

pytestmark = pytest.mark.slow

BET = registered_bet("bet60")

KNOWN = {
    # distance: gain of one step of that size, and ceiling, in nats per token
    0.005: (0.01034, 0.01097),
    0.05: (0.04452, 0.10970),
}
"""By the code here (2026-11-26), to half of the last digit."""

FIRST = {
    # the same as a review found them, by code and windows of its own; the gain of the recipe's own
    # oracle, and the evidence that has it
    0.005: (0.0097, 0.0107, 0.0045, "bet60"),
    0.05: (0.044, 0.107, 0.032, "bet60-rate-5e-4"),
}


@pytest.fixture(scope="module")
def measured(tmp_path_factory):
    """The programmer's reach within both distances."""
    (programmer,) = load_users("shipped", ("programmer",))
    context = context_for(
        BET,
        open_base("reference"),
        device="cpu",
        out=tmp_path_factory.mktemp("reach"),
        progress_bar=ProgressBar(),
    )
    asked = [Ask("programmer", programmer, distance) for distance in KNOWN]
    return dict(zip(KNOWN, answer(Runner(context), asked), strict=True))


@pytest.mark.parametrize("distance", KNOWN)
def test_one_step_gains_more_than_the_recipes_oracle_and_less_than_the_ceiling(measured, distance):
    (gain, ceiling), (gain_then, ceiling_then, oracle, evidence) = KNOWN[distance], FIRST[distance]
    found = measured[distance]
    rows = read_file(resource_path("evidence", f"{evidence}_reference.json"))["users"]
    nll = next(row["mean_nll"] for row in rows if row["user"] == "programmer")
    gained = nll["untrained"] - nll["oracle"]
    floor = found.floor
    print(
        f"r = {distance:g}: ceiling {found.ceiling:.4f}, floor {floor.estimate:.4f} "
        f"[{floor.low:.4f}, {floor.high:.4f}] at a step of {found.step:g}, oracle {gained:.4f}"
    )
    assert found.gain == pytest.approx(gain, abs=5e-6)
    assert found.ceiling == pytest.approx(ceiling, abs=5e-6)
    # windows of 512 without overlap give 0.0098 and 0.0104 at the first distance
    assert found.gain == pytest.approx(gain_then, rel=0.08)
    assert found.ceiling == pytest.approx(ceiling_then, rel=0.03)
    assert gained == pytest.approx(oracle, abs=1e-3)  # 0.0328, which was cut to two digits
    assert gained < floor.low
    assert found.gain < found.ceiling


def test_of_bet_60_lenient_is_out_of_reach_for_the_programmer_and_at_ten_times_the_rate_not_known(
    measured,
):
    bar = math.log(1.1)
    near, far = (measured[distance] for distance in KNOWN)
    assert near.ceiling < bar
    assert far.gain < bar < far.ceiling
