"""What results say together: the matrix, the budget curve, and what an adapter costs."""

from math import exp

import pytest

from noisefloor_tests.support.results_by_hand import (
    LABEL,
    MATRIX,
    USERS,
    confusion,
    formats,
    found,
    noise_floor,
)
from pytest_noisefloor.results.comparisons import budget, matrix, pareto
from pytest_noisefloor.results.files import ResultError

# --- every adapter on every user --------------------------------------------------------------


def test_the_matrix_has_a_row_for_whom_it_trained_on_and_a_column_for_whom_it_scored():
    square = matrix(confusion())
    assert square.users == USERS
    assert square.nll == tuple(tuple(MATRIX[t][s] for s in USERS) for t in USERS)
    assert square.perplexity[0][2] == pytest.approx(exp(6.4))
    assert square.over_mean[0] == pytest.approx((-0.3, 0.0, 0.0))
    assert square.over_mean[1] == pytest.approx((0.0, -0.2, -0.2))
    for column in zip(*square.over_mean, strict=True):
        assert sum(column) == pytest.approx(0, abs=1e-12)


def test_of_two_users_the_only_other_needs_no_name():
    square = matrix(confusion(USERS[:2]))
    assert square.nll == ((3.0, 5.2), (3.3, 5.0))


def test_a_matrix_with_a_hole_is_refused():
    one = confusion()
    del one.content["users"][1]["candidates"]["other"]["other-scientist"]
    with pytest.raises(ResultError, match="novelist: no mean NLL under the adapter of 'scientist'"):
        matrix(one)


# --- the budget curve -------------------------------------------------------------------------


def test_the_budget_curve_goes_by_rate_times_steps():
    bets = ("60-rate-5e-2", "60-long", "60", "60-rate-5e-4", "60-unigram")
    results = {bet: found(f"bet{bet}", noise_floor(users=["ann"])) for bet in bets[:-1]}
    control = {"untrained": 4.0, "real": 3.98, "unigram": 3.99, "oracle": 3.9}
    results["60-unigram"] = found("bet60-unigram", {"ann": control})
    points = budget(results)
    assert [(point.bet, point.steps) for point in points] == [
        ("60", 100),
        ("60-rate-5e-4", 100),
        ("60-long", 1000),
        ("60-rate-5e-2", 100),
    ]
    assert [point.budget for point in points] == pytest.approx([0.005, 0.05, 0.05, 5])
    values = {name: figure["value"] for name, figure in points[0].figures.items()}
    assert values == pytest.approx(
        {"ratio": 1.01, "harm": 1.01 * exp(-0.02), "help": exp(0.02), "oracle_help": exp(0.04)}
    )
    assert all(figure["interval"] is None for figure in points[0].figures.values())


def test_a_result_without_oracle_has_no_reach_on_the_curve():
    means = {"ann": {"untrained": 4.0, "real": 3.9, "random": 3.95}}
    (point,) = budget({"60": found("bet60", means)})
    assert list(point.figures) == ["ratio", "harm", "help"]


# --- what an adapter of each method costs -----------------------------------------------------


def test_each_method_has_its_size_its_time_and_who_dominates_it():
    offers = {offer.method: offer for offer in pareto(formats())}
    assert list(offers) == ["untrained", "norm-only", "lora-r4", "full"]
    assert [one.bytes for one in offers.values()] == [0, 9216, 98304, 40_000_000]
    assert [one.trained_values for one in offers.values()] == [0, 2304, 24576, 10_000_000]
    assert [one.seconds for one in offers.values()] == [0, 30, 40, 50]
    assert offers["full"].nll == dict.fromkeys(USERS, 3.85)
    assert offers["full"].dominated_by == ("lora-r4",)
    assert not any(offers[name].dominated_by for name in ("untrained", "norm-only", "lora-r4"))


def test_a_method_that_is_worse_than_no_adapter_is_dominated_by_the_base():
    offers = {offer.method: offer for offer in pareto(formats(norm=4.1))}
    assert offers["norm-only"].dominated_by == ("untrained",)


def test_a_method_is_not_dominated_while_it_is_best_for_one_user():
    one = formats()
    one.content["users"][1]["candidates"] = {LABEL: {"lora-r4-real": 3.8, "full-real": 3.7}}
    assert not pareto(one)[-1].dominated_by


@pytest.mark.parametrize("broken", ["times", "size"])
def test_an_adapter_without_its_time_or_of_another_size_is_refused(broken):
    one = formats()
    if broken == "times":
        del one.content["times"]["training_s"]["49_lora-r4-real_novelist"]
    else:
        one.content["adapters"][1]["bytes"] = 7
    with pytest.raises(ResultError, match="lora-r4"):
        pareto(one)
