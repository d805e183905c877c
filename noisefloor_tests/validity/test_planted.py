"""What was planted is found and nothing else: signal, null and harm, through the whole suite."""

import math
from dataclasses import replace

import numpy as np
import pytest

from noisefloor_tests.support.planted import (
    BET,
    FINAL,
    adverse,
    damaged_base,
    experiment,
    known_nll,
    uniform,
    user,
)
from pytest_noisefloor.bets.bet import Level
from pytest_noisefloor.bets.error_rates import error_rates, rate_bounds
from pytest_noisefloor.bets.judging import judge
from pytest_noisefloor.bets.licensing import claimable
from pytest_noisefloor.data.arms import ARMS, Random
from pytest_noisefloor.report.tables import render
from pytest_noisefloor.runs.request import Request

pytestmark = pytest.mark.usefixtures("without_reach")

NAMES = BET.users
DAMAGE = 0.2


def users(names=NAMES, **texts):
    return [user(name, number, **texts) for number, name in enumerate(names)]


# --- signal ------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def repaired(tiny, tmp_path_factory):
    """Three users of a base whose gains were cut to a fifth, each trained from three seeds."""
    return experiment(
        damaged_base(DAMAGE),
        users(lengths=(4096, 4096)),
        tmp_path_factory.mktemp("experiment"),
        seeds=(0, 1, 2),
    )


def test_a_planted_signal_reaches_its_planted_strict(repaired):
    """By the users' own text and not by random harm, resolved, and for every user."""
    verdict = repaired.verdict
    assert verdict.level is Level.STRICT
    assert verdict.rests_on_harm == ()
    assert verdict.helped == NAMES
    assert claimable(verdict) == ("LENIENT", "STRICT")
    for effect in verdict.effects:
        assert effect.winner == "real"


def test_what_is_scored_is_what_the_closed_form_says_of_the_gains(repaired):
    """To 1e-5 nats: fp32 logits up to 6, and the norm's 1e-6 beside a mean square of 1/16."""
    for whose in repaired.users:
        adapters = {arm: repaired.adapter(whose.name, arm) for arm in ("real", "random")}
        gains = {arm: adapter.tensors[FINAL] for arm, adapter in adapters.items()}
        for arm, values in {"untrained": np.full(16, DAMAGE), **gains}.items():
            for piece in whose.heldout:
                found = repaired.runner.scores(Request(whose, arm), piece).mean()
                assert found == pytest.approx(np.mean(known_nll(piece.text, values)), abs=1e-5)


def test_a_planted_verdict_says_so_wherever_it_is_printed(repaired):
    text = render(repaired.verdict)
    assert text.startswith("PLANTED, proves the machinery alone: Bet planted")
    assert "PLANTED STRICT." in text
    assert repaired.result_path.name == "PLANTED_planted.json"
    adapters = sorted(path.name for path in (repaired.out / "out").glob("*.pt"))
    assert len(adapters) == 18
    assert all(name.startswith("PLANTED_planted_") for name in adapters)


@pytest.mark.parametrize("whose", ["bet", "base"])
def test_a_planted_bet_or_base_is_enough_to_be_planted(repaired, tmp_path, whose):
    bet = BET if whose == "bet" else replace(BET, planted=False)
    base = replace(damaged_base(), planted=whose == "base")
    assert experiment(base, repaired.users, tmp_path, bet=bet).planted
    assert not experiment(
        replace(base, planted=False), repaired.users, tmp_path, bet=replace(bet, planted=False)
    ).planted


def test_damage_is_repaired_in_part_and_the_more_the_more_there_was(tiny, tmp_path):
    """Help rises with the damage, and stays below what undoing it would give."""
    (ann,) = users(NAMES[:1])
    helps = []
    for factor in (1.0, 0.7, 0.4, DAMAGE):
        (effect,) = experiment(damaged_base(factor), [ann], tmp_path).verdict.effects
        text = ann.heldout[0].text
        damage = np.mean(known_nll(text, np.full(16, factor)) - known_nll(text, np.ones(16)))
        helps.append(math.log(effect.help))
        # a text of 600 symbols may like other gains a little better than those of its language
        assert helps[-1] < damage + 0.01
    assert helps == sorted(helps)
    assert helps[0] < 0  # nothing to repair: training on the language is no help
    assert helps[-1] > math.log(1.5)


# --- null --------------------------------------------------------------------------------------


def test_users_who_write_uniform_tokens_have_nothing_to_be_learnt(tiny, tmp_path):
    """Training helps on such text, twice over and under both arms alike: no level is met.

    The spread of Δ between adapters is 0.01 nats, so LENIENT's threshold is 9 of them away.
    """
    nobody = users(train=uniform(), heldout=uniform())
    verdict = experiment(damaged_base(), nobody, tmp_path).verdict
    assert verdict.level <= Level.NOT_MET
    assert all(effect.help > 2 for effect in verdict.effects)


class AgainRandom(Random):
    """The random arm under the real one's name, with draws of its own."""

    name = "real"

    def batches(self, arm_input, recipe, seed):
        return super().batches(replace(arm_input, user=f"{arm_input.user} again"), recipe, seed)


def trios(base, out, count, *, recipe=None, **texts):
    """The verdicts on ``count`` trios of users, each user with adapters and texts of their own."""
    everybody = users([f"user{n}" for n in range(3 * count)], lengths=(256,), **texts)
    effects = experiment(base, everybody, out, **(recipe or {"steps": 2})).verdict.effects
    return [judge(BET, effects[at : at + 3]) for at in range(0, 3 * count, 3)]


def test_random_against_random_is_catastrophic_now_and_then_and_met_never(
    tiny, tmp_path, monkeypatch
):
    """Eight trios, each a fair coin: none or all of them in 0.8 % of draws; seeded, in none."""
    monkeypatch.setitem(ARMS, "real", AgainRandom())
    levels = [one.level for one in trios(damaged_base(), tmp_path, 8, written=600)]
    assert 1 <= levels.count(Level.CATASTROPHIC) <= 7
    assert max(levels) is Level.NOT_MET


@pytest.mark.slow
@pytest.mark.parametrize("null", ["uniform users", "A/A"])
def test_null_rates_measured(tiny, tmp_path, monkeypatch, null):
    """200 trios each, with the figures in the test's output (-rP).

    One row a step, on a base near its random optimum, so that adapters differ by chance as much
    as they can: A/A's Δ spreads by more than LENIENT's threshold. Given that spread, the rates must
    be those that the suite states beside every verdict. Off by more than 4 standard errors of
    either simulation in 0.006 % of draws, for each of three levels.
    """
    texts = {"train": uniform(), "heldout": uniform(), "written": 6000}
    if null == "A/A":
        monkeypatch.setitem(ARMS, "real", AgainRandom())
        texts = {"written": 600}
    found = trios(damaged_base(DAMAGE), tmp_path, 200, recipe={"batch": 1}, **texts)
    deltas = [effect.delta for one in found for effect in one.effects]
    spread = float(np.std(deltas))
    print(f"{null}: Δ {np.mean(deltas):+.4f} ± {spread:.4f} nats between adapters")
    stated = next(s for s in error_rates(BET, ((spread, len(deltas) - 1),) * 3) if s.ratio == 1)
    for level in (Level.STRICT, Level.LENIENT, Level.CATASTROPHIC):
        count = sum(one.level == level for one in found)
        low, high = rate_bounds(count, 200)
        rate = stated.counts[level] / stated.trials
        print(f"{null}: {level.name} {count} of 200 [{low:.3f}, {high:.3f}], stated {rate:.3f}")
        # by its own simulation a rate that was never seen may still be one in a thousand
        variance = max(rate * (1 - rate), 1 / stated.trials) * (1 / 200 + 1 / stated.trials)
        assert count / 200 == pytest.approx(rate, abs=4 * math.sqrt(variance))


# --- harm --------------------------------------------------------------------------------------


def test_a_text_adverse_to_the_held_out_text_is_catastrophic(tiny, tmp_path):
    verdict = experiment(damaged_base(DAMAGE), users(train=adverse()), tmp_path, lr=0.2).verdict
    assert verdict.level is Level.CATASTROPHIC
    assert all(effect.help < 1 for effect in verdict.effects)
    assert "Inversion: for ann, random tokens beat the user's own text by" in render(verdict)


def test_a_ratio_that_a_learning_rate_bought_is_said_to_rest_on_harm(tiny, tmp_path):
    """The same base, users and tokens: only the rate differs, and there is nothing to be learnt."""
    whose = users(NAMES[:2])
    honest = experiment(damaged_base(), whose, tmp_path, lr=0.01).verdict
    bought = experiment(damaged_base(), whose, tmp_path, lr=0.2).verdict
    assert (honest.level, honest.rests_on_harm) == (Level.NOT_MET, ())
    assert bought.level is Level.STRICT
    assert bought.rests_on_harm == (Level.STRICT, Level.LENIENT)
    assert claimable(bought) == ("NOT_MET",)
    text = render(bought)
    assert "STRICT rests on harm: with help in place of the ratio it would not be met." in text
    header, _, *rows = text.split("\n\n")[1].splitlines()
    for row in rows:
        printed = dict(zip(header.split(), row.split(), strict=True))
        assert float(printed["harm"]) > 1.5
        assert float(printed["help"]) < 1
