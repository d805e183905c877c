"""Ways in which such a comparison has been fooled, each caught by a message of its own.

Each cheat is a function of a place to work in; what it is given is honest but for the one thing
that its name says. ``pytest -rP`` prints the messages.
"""

import json
import re
import shutil
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from noisefloor_tests.support.cheating import Apart, Generous, Halved, Sly
from noisefloor_tests.support.planted import damaged_base, experiment, user
from pytest_noisefloor._files import resource_path
from pytest_noisefloor.bets import registry
from pytest_noisefloor.bets.registry import registered_bet
from pytest_noisefloor.data.arms import ARMS
from pytest_noisefloor.data.contamination import LeakError
from pytest_noisefloor.errors import BetError, MethodError, NoisefloorError
from pytest_noisefloor.results.files import ResultError
from pytest_noisefloor.results.rejudging import rejudge
from pytest_noisefloor.runs import worker
from pytest_noisefloor.runs.record import StoreError
from pytest_noisefloor.runs.request import Request
from pytest_noisefloor.runs.runner import Runner
from pytest_noisefloor.stats.contrast import StatisticsError
from pytest_noisefloor.training.checks import TrainingError

ANN, BOB = user("ann", 0), user("bob", 1)


@dataclass
class Place:
    folder: Path
    patch: pytest.MonkeyPatch

    def experiment(self, *users, base=None, **changes):
        """An experiment of one user and two steps, unless told otherwise."""
        settings = {"steps": 2, **changes}
        return experiment(base or damaged_base(0.5), users or (ANN,), self.folder, **settings)

    def verdict(self, **changes):
        return self.experiment(**changes).verdict


def test_without_a_cheat_there_is_a_verdict(tiny, tmp_path, monkeypatch):
    assert Place(tmp_path, monkeypatch).experiment(ANN, BOB).verdict.planted


# --- text --------------------------------------------------------------------------------------


def held_out_text_is_trained_on(place):
    cheat = replace(ANN, train=f"{ANN.train} {ANN.heldout[0].text}")
    place.experiment(cheat)


def a_user_is_trained_on_another_users_text_as_well(place):
    """A list of training texts that is never emptied between users."""
    place.experiment(ANN, replace(BOB, train=f"{ANN.train} {BOB.train}"))


def a_user_is_trained_on_another_users_held_out_text(place):
    place.experiment(ANN, replace(BOB, train=f"{BOB.train} {ANN.heldout[0].text}"))


# --- arms --------------------------------------------------------------------------------------


def an_arm_has_more_tokens(place):
    place.patch.setitem(ARMS, "real", Generous(batch=8))
    place.verdict()


def an_arm_has_more_steps(place):
    place.patch.setitem(ARMS, "real", Generous(steps=3))
    place.verdict()


# --- methods -----------------------------------------------------------------------------------


def a_method_trains_more_than_it_names(place):
    def trick(_, model):
        model.get_parameter("lm_head.weight").data -= 0.01

    place.verdict(method=Sly(trick))


def the_base_has_gains_in_bf16(place):
    honest = damaged_base(0.5)
    place.verdict(base=replace(honest, _load_model=lambda: honest._load_model().bfloat16()))


def a_method_trains_in_bf16(place):
    place.verdict(method=Halved())


def the_learning_rate_is_zero(place):
    place.verdict(lr=0.0)


def weight_decay_alone_moves_the_gains(place):
    place.verdict(method=Sly(lambda gradient, _: gradient * 0))


def a_gradient_of_its_own_moves_the_gains(place):
    place.verdict(method=Sly(lambda gradient, _: gradient * 0 + 1))


def the_model_does_not_read_what_trains(place):
    place.verdict(method=Apart())


# --- scores ------------------------------------------------------------------------------------


def the_scorer_forgets_to_put_the_adapter_on(place):
    place.patch.setattr(worker, "restore", lambda *_: None)
    place.verdict()


def the_random_arm_is_scored_on_other_tokens(place):
    scored = Runner.scored

    def elsewhere(self, request, piece):
        other = BOB.heldout[0] if request.arm == "random" else piece
        return scored(self, replace(request, user=replace(ANN, heldout=(other,))), other)

    place.patch.setattr(Runner, "scored", elsewhere)
    place.verdict()


def made(place, kind):
    """An experiment's files, a second look at it, and where its two arms' records of a kind are.

    Of scores they are those of the first slice.
    """
    assert place.verdict()
    again = place.experiment()
    specs = [
        again.runner.run_spec(request)
        if kind == "adapters"
        else again.runner.score_spec(request, ANN.heldout[0])
        for request in (Request(ANN, "real"), Request(ANN, "random"))
    ]
    return again, *(spec.key for spec in specs)


def swapped(place, kind):
    """The random arm's file under the real arm's name."""
    again, real, random = made(place, kind)
    shutil.copy(*(again.runner.store.path(kind, key) for key in (random, real)))
    return again.verdict


def an_adapter_file_is_swapped_for_anothers(place):
    swapped(place, "adapters")


def a_score_file_is_swapped_for_anothers(place):
    swapped(place, "scores")


def an_adapter_is_stored_anew_under_anothers_key(place):
    """By the store's own means, so that the file is sound and has the right name."""
    again, real, random = made(place, "adapters")
    store = again.runner.store
    store.put("adapters", real, store.get("adapters", random))
    assert again.verdict


# --- words -------------------------------------------------------------------------------------


def a_bar_is_lowered_in_the_bet_file(place):
    folder = place.folder / "bets"
    shutil.copytree(resource_path("bets"), folder)
    bet = folder / "bet60.toml"
    text = bet.read_text(encoding="utf-8")
    bet.write_text(text.replace("at_least = 1.5", "at_least = 1.0"), encoding="utf-8")
    place.patch.setattr(registry, "resource_path", lambda *parts: folder.joinpath(*parts[1:]))
    registered_bet("bet60")


def the_evidence_is_edited_by_hand(place):
    file = place.folder / "evidence.json"
    content = json.loads(
        resource_path("evidence", "bet60_reference.json").read_text(encoding="utf-8")
    )
    content["users"][0]["mean_nll"]["real"] -= 0.5  # enough for STRICT
    file.write_text(json.dumps(content), encoding="utf-8")
    rejudge(file)


CHEATS = {
    held_out_text_is_trained_on: (
        LeakError,
        r"user ann, slice s0: 100\.00% of its word 13-grams stand in the training text \(at most",
    ),
    a_user_is_trained_on_another_users_text_as_well: (
        LeakError,
        r"user bob, training text: word 13-grams shared with user ann's training text are "
        r"100\.00% of the smaller of the two \(at most 1% may\); the first: '[a-n ]+'\. Train each",
    ),
    a_user_is_trained_on_another_users_held_out_text: (
        LeakError,
        r"user bob, training text: word 13-grams shared with user ann's slice s0 are 100\.00%",
    ),
    an_arm_has_more_tokens: (
        TrainingError,
        r"step 1: the arm gave int64 tokens of shape \(8, 64\); expected int64 of \(4, 64\)",
    ),
    an_arm_has_more_steps: (TrainingError, "the arm offers more than its budget of 2 steps"),
    a_method_trains_more_than_it_names: (
        MethodError,
        "sly: left 1 tensor of the base changed, lm_head.weight among them; expected the base as",
    ),
    the_base_has_gains_in_bf16: (
        MethodError,
        r"layernorm\.weight: torch\.bfloat16; what trains must be float32",
    ),
    a_method_trains_in_bf16: (
        MethodError,
        r"halved: model\.norm\.weight is torch\.bfloat16; expected torch\.float32, which can "
        "represent the steps of a training",
    ),
    the_learning_rate_is_zero: (TrainingError, "norm-only: no tensor moved in 2 steps at lr 0;"),
    weight_decay_alone_moves_the_gains: (
        TrainingError,
        "sly: no gradient reached a tensor in 2 steps; weight decay alone moved them",
    ),
    a_gradient_of_its_own_moves_the_gains: (
        NoisefloorError,
        "user 'ann', seed 0: the real and the random adapter are the same to the last bit; a",
    ),
    the_model_does_not_read_what_trains: (
        TrainingError,
        "the loss depends on none of the tensors that the method names",
    ),
    the_scorer_forgets_to_put_the_adapter_on: (
        StatisticsError,
        "user 'ann': untrained and real gave the same scores on every run of tokens; scores that",
    ),
    the_random_arm_is_scored_on_other_tokens: (
        StatisticsError,
        r"user 'ann', slice number 1: 600 tokens \(\w{12}\), 600 tokens \(\w{12}\) under its arms",
    ),
    an_adapter_file_is_swapped_for_anothers: (
        StoreError,
        r"store/adapters/\w{64}\.safetensors: holds the record of \w{12}…, not of its name",
    ),
    a_score_file_is_swapped_for_anothers: (
        StoreError,
        r"store/scores/\w{64}\.safetensors: holds the record of \w{12}…, not of its name",
    ),
    an_adapter_is_stored_anew_under_anothers_key: (
        StoreError,
        r"adapters/\w{64}\.safetensors: holds what another specification gave \(user ann, arm "
        r"random/1, seed 0\)",
    ),
    a_bar_is_lowered_in_the_bet_file: (
        BetError,
        r"(?s)bets/bet60\.toml: it is not what was locked on .*-at_least = 1\.5\n\+at_least = 1\.0",
    ),
    the_evidence_is_edited_by_hand: (
        ResultError,
        r"evidence\.json: user 'programmer': mean NLL\(real\) is given as",
    ),
}


@pytest.mark.parametrize("cheat", CHEATS, ids=lambda cheat: cheat.__name__)
def test_a_cheat_is_caught_by_its_own_message(tiny, tmp_path, monkeypatch, cheat):
    error, message = CHEATS[cheat]
    with pytest.raises(NoisefloorError) as caught:
        cheat(Place(tmp_path, monkeypatch))
    print(f"{cheat.__name__}: {caught.value}")
    assert type(caught.value) is error
    assert re.search(message, str(caught.value)), str(caught.value)
