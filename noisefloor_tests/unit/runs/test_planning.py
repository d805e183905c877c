"""Plans: other users' adapters, pooled text, other methods and rates, and cells as units."""

import json
from dataclasses import replace

import numpy as np
import pytest

from noisefloor_tests.support import planted
from pytest_noisefloor.errors import BetError, NoisefloorError
from pytest_noisefloor.models.scoring import score
from pytest_noisefloor.results.errors import ResultError
from pytest_noisefloor.results.lifting import lift
from pytest_noisefloor.results.rejudging import rejudge_file
from pytest_noisefloor.runs.planning import Plan
from pytest_noisefloor.runs.request import Request
from pytest_noisefloor.stats.contrast import CELL_UNIT, PAIR_UNIT
from pytest_noisefloor.stats.divergence import jensen_shannon
from pytest_noisefloor.stats.effect import mean_nll
from pytest_noisefloor.training.methods.registry import METHODS

pytestmark = pytest.mark.usefixtures("without_reach")

USERS = [planted.user(name, seed) for seed, name in enumerate(("ann", "bob", "cid"))]


def by(**changes):
    """The planted bet with another statistic."""
    return replace(planted.BET, contrast=replace(planted.BET.contrast, **changes))


def cells(**changes):
    return by(unit=CELL_UNIT, slices="each a unit", seeds="each a unit", **changes)


@pytest.fixture
def experiment(tmp_path):
    """A function: an experiment of the damaged planted base, three steps an adapter."""

    def experiment(bet, users=USERS, **given):
        return planted.experiment(
            planted.damaged_base(0.5), users, tmp_path, bet=bet, steps=3, batch=1, **given
        )

    return experiment


def content(experiment):
    """An experiment's result file, once it is known that it is judged again to the same verdict."""
    verdict = experiment.verdict
    found = json.loads(experiment.result_path.read_text())
    again = rejudge_file(lift(found), experiment.bet)
    assert (again.level, again.met) == (verdict.level, verdict.met)
    return found


def mean(experiment, trained, scored, arm="real"):
    """Mean NLL of a user's held-out text under somebody's adapter, asked of the runner itself."""
    request = Request(replace(trained, heldout=scored.heldout), arm)
    return mean_nll([experiment.runner.scores(request, piece) for piece in scored.heldout])


def test_every_column_of_the_matrix_has_its_best_other_adapter(experiment):
    one = experiment(by(numerator="other"))
    rows = {row["user"]: row for row in content(one)["users"]}
    for user in USERS:
        others = {f"other-{v.name}": mean(one, v, user) for v in USERS if v is not user}
        assert rows[user.name]["candidates"] == {"other": pytest.approx(others)}
        assert rows[user.name]["mean_nll"]["other"] == pytest.approx(min(others.values()))
        assert rows[user.name]["mean_nll"]["real"] == pytest.approx(mean(one, user, user))


def test_other_users_adapters_are_their_own_and_nothing_is_trained_twice(experiment):
    one = experiment(by(numerator="other"))
    assert one.verdict
    assert len(one.runner.store.keys("adapters")) == 2 * len(USERS)  # real and oracle


@pytest.mark.parametrize("numerator", ["other", "pooled"])
def test_others_need_another_user(experiment, numerator):
    with pytest.raises(NoisefloorError, match=f"'{numerator}': no user but 'ann'; expected others"):
        experiment(by(numerator=numerator), users=USERS[:1]).verdict  # noqa: B018


def test_a_pooled_adapter_reads_the_other_users_text_and_not_the_users_own(experiment):
    one = experiment(by(numerator="pooled"))
    planned = Plan(one.bet, one.runner, USERS).all_runs((0,))
    runs = [run for run in planned if run.name == "pooled"]
    for run, user in zip(runs, USERS, strict=True):
        others = [other.train for other in USERS if other is not user]
        assert run.request.user == replace(user, train="\n\n".join(others))


def test_another_rate_is_another_runs_adapter_under_the_same_method(experiment):
    rate = planted.BET.recipe.lr / 10
    one = experiment(by(numerator=f"real@{rate:g}"))
    made = content(one)["adapters"]
    assert {row["lr"] for row in made if row["arm"] == "real"} == {planted.BET.recipe.lr, rate}
    assert len({row["key"] for row in made}) == len(made) == 2 * len(USERS)


def test_another_method_is_compared_on_the_same_tokens_and_named_with_its_bytes(experiment):
    one = experiment(by(numerator="temperature/real"))
    found = content(one)
    methods = {row["method"]: row for row in found["adapters"]}
    assert methods.keys() == {"norm-only", "temperature"}
    assert (methods["temperature"]["trained_values"], methods["temperature"]["bytes"]) == (1, 4)
    version = METHODS["temperature"].version
    assert found["versions"]["other_methods"] == {"temperature": version}


def test_against_the_untrained_base_the_ratio_is_help_alone(experiment):
    for row in content(experiment(by(numerator="untrained")))["users"]:
        assert row["harm"] == 1
        assert row["ratio"] == row["help"]


def test_each_slice_under_each_seed_is_a_unit_with_one_seed(experiment):
    users = [planted.user("ann", 1, lengths=(600, 500)), planted.user("bob", 2)]
    one = experiment(cells(), users=users, seeds=(0, 1))
    rows = content(one)["users"]
    names = ["ann, seed 0, s0", "ann, seed 0, s1", "ann, seed 1, s0", "ann, seed 1, s1"]
    assert [row["unit"] for row in rows] == [*names, "bob, seed 0, s0", "bob, seed 1, s0"]
    assert [row["user"] for row in rows] == ["ann"] * 4 + ["bob"] * 2
    assert [effect.user for effect in one.verdict.effects] == [row["unit"] for row in rows]
    assert [row["seed"] for row in rows] == [0, 0, 1, 1, 0, 1]
    for row in rows:
        (piece,) = row["slices"]
        alone = {label: nll for label, (nll,) in piece["mean_nll_by_seed"].items()}
        assert row["mean_nll"] == pytest.approx(alone)


def test_slices_are_measured_with_their_divergence_and_judged_in_pairs(experiment):
    users = [planted.user("ann", 1, lengths=(600, 500))]
    one = experiment(by(unit=PAIR_UNIT, slices="nearer over farther"), users=users)
    rows = content(one)["users"]
    assert [row["unit"] for row in rows] == ["ann, s0", "ann, s1"]
    assert len(one.verdict.effects) == 1
    encode = planted.SymbolTokenizer().encode
    ann, whole = users[0], one.bet.scoring.tokens
    assert rows[1]["divergence"] == pytest.approx(
        jensen_shannon(encode(ann.train), encode(ann.heldout[1].text)[:whole])
    )


def test_runs_that_differ_in_nothing_count_once(experiment, monkeypatch):
    """A seed that changes nothing is no replicate: it is the same unit."""
    users = [planted.user("ann", 1)]
    one = experiment(cells(), users=users, seeds=(0, 1, 2))
    scored = type(one.runner).scored

    def same_for_seeds_0_and_2(runner, request, piece):
        seed = request.seed if request.arm == "oracle" else request.seed % 2
        return scored(runner, replace(request, seed=seed), piece)

    monkeypatch.setattr(type(one.runner), "scored", same_for_seeds_0_and_2)
    assert [effect.user for effect in one.verdict.effects] == ["ann, seed 0, s0", "ann, seed 1, s0"]
    assert content(one)["repeats"] == ["ann, seed 2, s0"]


def test_two_adapters_of_one_name_in_files_are_refused(experiment):
    users = [planted.user(name, seed) for seed, name in enumerate(("ann", "ann_seed1"))]
    with pytest.raises(NoisefloorError, match="'ann' and 'ann_seed1': their adapter files"):
        assert experiment(planted.BET, users, seeds=(0, 1)).verdict
    assert experiment(planted.BET, users).verdict


def test_a_large_adapter_stays_in_the_store(experiment, monkeypatch):
    monkeypatch.setattr("pytest_noisefloor.runs.export.LARGEST_FILE", 8)
    one = experiment(by())
    assert {row["file"] for row in content(one)["adapters"]} == {None}
    assert not (one.out / "out").exists()


def test_what_is_compared_leaves_the_base_as_it_was(experiment):
    """Conditions attach one method after another: each leaves the base as it found it."""
    one = experiment(by(numerator="temperature/random"))
    ann, piece = USERS[0], USERS[0].heldout[0]
    untrained = one.runner.scores(Request(ann, "untrained"), piece)
    assert one.verdict
    model, head = one.runner._worker._model_and_head
    prefix = one.runner.base.tokenizer.prefix
    again = score(model, head, one.runner.texts.scored(piece), prefix, one.runner.scoring)
    assert np.array_equal(untrained, again)


def test_another_users_adapter_stands_once_in_a_result_under_its_owners_name(experiment):
    rows = content(experiment(by(numerator="other")))["adapters"]
    assert [row["name"] for row in rows] == [
        f"PLANTED_{planted.BET.id}_real_{user.name}" for user in USERS
    ]
    assert all(row["file"] for row in rows)


@pytest.mark.parametrize(
    ("numerator", "denominator", "message"),
    [
        ("norm-only/real", "real", "norm-only/real: one condition twice"),
        ("random | norm-only/random", "real", "one condition twice"),
        ("temperature/random", "temperature/real", "expected an adapter by the bet's own method"),
        ("untrained", "real@0.7", "expected an adapter by the bet's own method, norm-only"),
    ],
)
def test_a_bet_compares_its_own_method_with_something_else(numerator, denominator, message):
    with pytest.raises(BetError, match=message):
        by(numerator=numerator, denominator=denominator)


def test_a_result_whose_candidate_was_not_the_best_is_refused(experiment):
    one = experiment(by(numerator="other"))
    found = content(one)
    found["users"][0]["candidates"]["other"]["other-bob"] -= 1
    with pytest.raises(ResultError, match=r"ann: mean_nll\['other'\] = .* best of its candidates"):
        rejudge_file(lift(found), one.bet)


def test_a_bet_by_cell_does_not_judge_users_nor_the_other_way_round(experiment):
    one = experiment(by())
    with pytest.raises(ResultError, match=r"its units are not those that Bet .* counts, user, "):
        rejudge_file(lift(content(one)), cells())
