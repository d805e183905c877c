"""Reach as it is printed: before anything is trained, and of many users."""

import math
from dataclasses import replace

from noisefloor_tests.support.reach_planted import reached
from pytest_noisefloor.bets.reach import Forecast
from pytest_noisefloor.bets.registry import registered_bet
from pytest_noisefloor.report.reach import render_forecast

BET = registered_bet("bet60")


def forecast(figures, **changes):
    """What is said of users, each given as (ceiling, gain of the best step) in nats."""
    measured = [
        reached(f"u{n:02}", ceiling=ceiling, gain=gain) for n, (ceiling, gain) in enumerate(figures)
    ]
    return Forecast(
        **{
            "bet": BET,
            "base": "reference",
            "planted": False,
            "recipe": BET.recipe,
            "method": "norm-only",
            "measured": tuple(measured),
            **changes,
        }
    )


def test_a_forecast_has_a_title_the_recipe_a_row_for_each_user_and_a_sentence_for_each_level():
    found = forecast([(0.01, 0.008), (0.2, 0.15), (1.0, 0.15)])
    title, recipe, table, words = render_forecast(found).split("\n\n")
    assert title == f"Bet 60: Norm-only noise floor (registered 2026-11-23, {BET.sha256[:12]})"
    assert recipe == f"Base reference, method norm-only, {BET.recipe}: r = rate × steps = 0.005"
    rows = [" ".join(line.split()) for line in table.splitlines()]
    assert rows[0] == "user scored tokens ‖∇L‖₁ ceiling of help floor of help at a step of"
    assert rows[2] == "u00 8,192 2 1.0101 1.0080 [1.0080, 1.0080] 0.0025"
    rate = 5e-5 * math.log(1.5) / 0.01
    assert words.startswith(
        "Nothing was trained. STRICT (3 needed) is out of reach: its bar is above the ceiling for "
        f"2 of 3. From a rate of {rate:.2g} on, at 100 steps, it would no longer be out of reach. "
        "LENIENT (2 needed) is within reach: shown for 2 of 3. The ceiling is a first-order "
        "estimate and no bound"
    )


def test_a_planted_forecast_says_so():
    text = render_forecast(forecast([(0.01, 0.008)], planted=True))
    assert text.startswith("PLANTED, proves the machinery alone: Bet 60")


def test_a_method_without_first_order_has_no_ceiling_and_that_is_said():
    text = render_forecast(forecast([(None, 0.008)] * 3, method="lora-r4"))
    assert text.count(" – ") == 6
    assert "There is no ceiling: where lora-r4 starts, its gradient does not say what it" in text
    assert "out of reach" not in text
    assert "Whether LENIENT (2 needed) is within reach is not known" in text


def test_a_ceiling_without_meaning_is_not_printed_as_a_figure():
    text = render_forecast(forecast([(500.0, 0.008), (6.9, 0.0), (7.0, 0.0)]))
    assert text.count("above 1000") == 2
    assert "992.2747" in text


def test_a_floor_without_interval_is_its_estimate():
    short = replace(reached("a", gain=math.log(1.02)), floor=None)
    text = render_forecast(forecast([], measured=(short,)))
    assert " 1.0200 " in text


def test_of_more_than_20_users_the_first_are_shown():
    text = render_forecast(forecast([(0.01, 0.008)] * 23))
    assert "u19" in text
    assert "u20" not in text
    assert "… and 3 more of 23 users; all of them are in the result file" in text
