"""A method is tried before it is used and checked each time it has left the base."""

import gc
import weakref
from contextlib import contextmanager
from dataclasses import replace

import pytest
import torch

from noisefloor_tests.support.cheating_methods import (
    LEFT,
    AddsABias,
    AddsToTheLogits,
    GivesTwoScores,
    GoesOn,
    GoesOnAside,
    KeepsAHook,
    KeepsAHookOnTheHead,
    KeepsARow,
    KeepsAValue,
    KeepsWhatWasTrained,
    Names,
    NamesOthers,
    NamesWhatNothingReaches,
    NeedsSmallValues,
    Own,
    PutsAnotherHead,
    ScalesTheHead,
    Trains,
    TrainsInside,
    embeddings_of_their_own,
    leaving,
)
from pytest_noisefloor.errors import MethodError
from pytest_noisefloor.models.head import hidden_states, lm_head
from pytest_noisefloor.runs.request import Request
from pytest_noisefloor.training.guard import GuardedMethod
from pytest_noisefloor.training.methods.base import restore, snapshot
from pytest_noisefloor.training.methods.registry import METHODS

ROWS = 257


CHEATS = {
    KeepsAHook: r"own: left the base with other hidden states, by .* of the largest",
    KeepsAValue: r"own: left 2 tensors of the base changed, model.embed_tokens.weight among them",
    KeepsARow: r"own: left 2 tensors of the base changed, model.embed_tokens.weight among them",
    KeepsWhatWasTrained: r"own: left 5 tensors of the base changed, model.layers.0.input_layernorm",
    KeepsAHookOnTheHead: r"own: left the base with other logits, by .* of the largest",
    AddsToTheLogits: r"own: with its tensors moved, LlamaForCausalLM: its logits differ from",
    PutsAnotherHead: r"own: puts other output embeddings in place of the base's",
    NeedsSmallValues: r"own: its outputs are no numbers where its tensors are moved by 0\.1",
    GoesOn: r"own: left 5 tensors of the base changed, model.layers.0.input_layernorm.weight among",
    GoesOnAside: r"own: added starts from other values the second time it is attached",
    GivesTwoScores: r"own: the same adapter gives other hidden states the second time",
    NamesOthers: r"own: names other tensors the second time it is attached",
    Trains: r"own: left 1\d modules in training mode, model.layers.0 among them",
    TrainsInside: r"own: put \d modules in training mode, model.layers.1.mlp among them",
    NamesWhatNothingReaches: r"own: 1 of 6 tensors do nothing on text, tower.norm among them",
}


@pytest.mark.parametrize("cheat", CHEATS)
def test_a_method_that_must_not_be_believed_is_refused(model, cheat):
    guarded = GuardedMethod(cheat(), ROWS)
    for _ in range(2):  # a second try must not find it tried
        with pytest.raises(MethodError, match=CHEATS[cheat]):
            use_twice(guarded, model)


def use_twice(method, model):
    for _ in range(2):
        with method.attached(model):
            pass


UNFIT = {
    "names no tensors; expected those that train": {},
    "gains is a list; expected a tensor": {"gains": [1.0]},
    "gains is torch.int64; expected torch.float32": {"gains": torch.ones(2, dtype=torch.int64)},
    "gains is torch.bfloat16; expected": {
        "gains": torch.ones(2, dtype=torch.bfloat16, requires_grad=True)
    },
    "gains cannot train; expected a leaf": {"gains": torch.ones(2)},
    "gains cannot train; expected a leaf tensor": {"gains": torch.ones(2, requires_grad=True) * 2},
}


@pytest.mark.parametrize("message", UNFIT)
def test_a_method_that_names_what_cannot_train_is_refused_in_one_line(model, message):
    with (
        pytest.raises(MethodError, match=f"^own: {message}"),
        GuardedMethod(Names(UNFIT[message]), ROWS).attached(model),
    ):
        pass


def test_an_untied_head_that_is_left_changed_is_seen(build):
    """Scores are computed with it, though no hidden state depends on it."""

    class KeepsTheHead(Own):
        @contextmanager
        def attached(self, model):
            with super().attached(model) as tensors:
                yield tensors
            model.lm_head.weight[40] += 1

    model = build("Llama", tie_word_embeddings=False)
    with (
        pytest.raises(MethodError, match=r"left 1 tensor of the base changed, lm_head.weight"),
        GuardedMethod(KeepsTheHead(), 64).attached(model),
    ):
        pass


@pytest.mark.parametrize("act", LEFT)
def test_whatever_is_left_in_the_base_is_refused(model, act):
    with (
        pytest.raises(MethodError, match=f"^own: {LEFT[act]}"),
        GuardedMethod(leaving(act), ROWS).attached(model),
    ):
        pass


@pytest.mark.parametrize(
    ("method", "message"),
    [
        (ScalesTheHead, "the same adapter gives other logits the second time it is attached"),
        (AddsABias, "puts other output embeddings in place of the base's"),
    ],
)
def test_an_untied_head_that_is_not_the_scored_one_is_refused(build, method, message):
    model = build("Llama", tie_word_embeddings=False)
    with (
        pytest.raises(MethodError, match=f"^own: {message}"),
        GuardedMethod(method(), 64).attached(model),
    ):
        pass


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([torch.ones(1)], "gives a list; expected tensors by name, in a dict"),
        (torch.ones(2), "gives a Tensor; expected tensors by name, in a dict"),
    ],
)
def test_a_method_that_gives_no_tensors_by_name_is_refused(model, given, message):
    with (
        pytest.raises(MethodError, match=f"^own: {message}"),
        GuardedMethod(Names(given), ROWS).attached(model),
    ):
        pass


def test_a_method_that_is_no_context_manager_is_refused(model):
    class Plain(Own):
        def attached(self, _):
            return {}

    with (
        pytest.raises(MethodError, match="own: attached gives a dict; expected a context manager"),
        GuardedMethod(Plain(), ROWS).attached(model),
    ):
        pass


def test_a_spoiled_model_is_held_by_nobody(tiny, new_runner, tmp_path, ann):
    """On an accelerator two of them would not fit."""
    base = replace(tiny)
    runner = new_runner(tmp_path, base=base, method=leaving(embeddings_of_their_own))
    seen = weakref.ref(base.shared_model("cpu"))
    with pytest.raises(MethodError):
        runner.complete([Request(ann, "real")])
    gc.collect()
    assert seen() is None


@pytest.mark.parametrize(("method", "spoiled"), [(Own, 0), (KeepsWhatWasTrained, 1)])
def test_a_model_is_spoiled_if_what_breaks_off_a_training_leaves_it_changed(model, method, spoiled):
    calls = []
    guarded = GuardedMethod(method(), ROWS, lambda: calls.append("spoiled"))
    guarded._head, guarded._base = lm_head(model), guarded._state(model)  # as if it had been tried

    def break_off():
        with guarded.attached(model) as tensors:
            restore(tensors, {name: value + 1 for name, value in snapshot(tensors).items()})
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        break_off()
    assert len(calls) == spoiled


@pytest.mark.parametrize("method", METHODS, indirect=True)
@pytest.mark.parametrize("architecture", ["Llama", "GPT2"])
def test_the_shipped_methods_are_believed_and_leave_the_base_as_it_was(build, architecture, method):
    model = build(architecture, tie_word_embeddings=True)
    ids = torch.arange(20)[None]
    before = hidden_states(model, ids)
    guarded = GuardedMethod(method, 64)
    assert (guarded.name, guarded.version) == (method.name, method.version)
    assert guarded.first_order == method.first_order
    for _ in range(2):
        with guarded.attached(model) as tensors:
            assert all(tensor.requires_grad for tensor in tensors.values())
            assert not model.training
    assert torch.equal(hidden_states(model, ids), before)


def test_a_method_is_tried_once_for_each_model(tiny):
    entered = []

    class Counting(Own):
        def attached(self, model):
            entered.append(model)
            return super().attached(model)

    one, other = tiny.model("cpu"), tiny.model("cpu")
    guarded = GuardedMethod(Counting(), ROWS)
    for model in (one, one, other):
        with guarded.attached(model):
            pass
    assert [model is one for model in entered] == [True] * 4 + [False] * 3


def test_an_expert_that_a_short_text_does_not_go_to_counts_as_reached(build):
    """DeepSeek keeps each expert as a module; a probe of 16 tokens may miss one."""
    model = build("Mixtral", num_local_experts=8, num_experts_per_tok=1)
    with GuardedMethod(METHODS["full"], 64).attached(model) as tensors:
        assert any("expert" in name for name in tensors)


@pytest.mark.parametrize("cheat", [KeepsAHook, GoesOnAside])
def test_a_run_stops_before_a_second_user_is_scored(new_runner, tiny, tmp_path, ann, bob, cheat):
    """The hook of one user's adapter would move the next one's untrained score."""
    runner = new_runner(tmp_path, base=replace(tiny), method=cheat())  # with a model of its own
    requests = [Request(user, arm) for user in (ann, bob) for arm in ("untrained", "real")]
    with pytest.raises(MethodError, match=r"^own: "):
        runner.complete(requests)
    scored = runner.store.keys("scores")
    assert not {runner.score_spec(requests[-1], piece).key for piece in bob.heldout} & scored


@pytest.mark.parametrize("cheat", [KeepsAHook, KeepsARow, KeepsWhatWasTrained])
def test_what_a_refused_method_left_is_in_no_later_score(
    new_runner, tiny, tmp_path, ann, bob, cheat
):
    """The bets of a session share a base; the next one is scored on a model that is loaded anew."""
    untrained = Request(bob, "untrained")
    alone = new_runner(tmp_path / "alone", base=replace(tiny))
    alone.complete([untrained])
    base = replace(tiny)
    other = new_runner(tmp_path / "other", base=base)
    other.complete([Request(ann, "untrained")])  # it has loaded the shared model already
    refused = new_runner(tmp_path / "refused", base=base, method=cheat())
    with pytest.raises(MethodError, match=r"^own: left"):
        refused.complete([Request(user, "real") for user in (ann, bob)])
    for runner in (other, refused):
        runner.complete([untrained])
        for piece in bob.heldout:
            key = runner.score_spec(untrained, piece).key
            found, expected = (r.store.get("scores", key) for r in (runner, alone))
            assert (found.arrays["nll"] == expected.arrays["nll"]).all()
