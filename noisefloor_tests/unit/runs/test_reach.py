"""Reach is measured once, from the store afterwards, and goes on where it was interrupted."""

from dataclasses import replace

import numpy as np
import pytest

from pytest_noisefloor.bets.reach import STEP
from pytest_noisefloor.models.scoring import score
from pytest_noisefloor.runs import reach
from pytest_noisefloor.runs.progress import ProgressBar
from pytest_noisefloor.runs.reach import Ask, answer
from pytest_noisefloor.runs.request import Request
from pytest_noisefloor.runs.worker import Worker
from pytest_noisefloor.training.first_order import gradient, l1_norm, sign_step
from pytest_noisefloor.training.methods.base import restore
from pytest_noisefloor.training.methods.registry import METHODS

NORM_ONLY = METHODS["norm-only"]


@pytest.fixture
def runner(new_runner, tmp_path):
    """A function: a new runner, as in a new session, on one store unless another is named."""

    def runner(store="store", **changes):
        return new_runner(tmp_path / store, **changes)

    return runner


@pytest.fixture
def made(monkeypatch):
    """What this test made: gradients, and the number of slices that were scored."""
    found = []
    for name in ("gradient", "score"):
        original = getattr(Worker, name)

        def spy(self, *args, original=original, name=name):
            found.append(name)
            return original(self, *args)

        monkeypatch.setattr(Worker, name, spy)
    return found


def test_norm_and_best_step_are_those_of_the_model_itself(runner, model, head, scoring, ann):
    (found,) = answer(runner(), [Ask("ann", ann, 0.5)])
    texts = [
        np.frombuffer(piece.text.encode()[: scoring.tokens], np.uint8).astype(np.int64)
        for piece in ann.heldout
    ]
    slope = gradient(model, head, NORM_ONLY, texts, 256, scoring)
    assert found.norm == l1_norm(slope)
    assert found.ceiling == 0.5 * found.norm
    means = {}
    for size in (0.125, 0.25, 0.5):
        with NORM_ONLY.attached(model) as tensors:
            restore(tensors, sign_step(model, NORM_ONLY, slope, size))
            scores = [score(model, head, tokens, 256, scoring) for tokens in texts]
        means[size] = np.concatenate(scores).mean(dtype=np.float64)
    assert found.step == min(means, key=means.__getitem__)
    assert found.bins.mean(STEP) == pytest.approx(means[found.step], abs=1e-12)
    untrained = [runner().scores(Request(ann, "untrained"), piece) for piece in ann.heldout]
    expected = np.concatenate(untrained).mean(dtype=np.float64)
    assert found.bins.mean("untrained") == pytest.approx(expected, abs=1e-12)


def test_the_best_of_three_steps_counts_and_need_not_be_the_longest(runner, ann):
    near, far = answer(runner(), [Ask("ann", ann, 0.01), Ask("ann", ann, 1000.0)])
    assert near.step == 0.01
    assert far.step < 1000.0
    assert near.norm == far.norm


def test_it_is_made_once_and_then_read_without_the_model(runner, made, ann, bob):
    asked = [Ask("ann", ann, 0.5), Ask("bob", bob, 0.25)]
    first = answer(runner(), asked)
    # three slices in all, each untrained and after three steps
    assert sorted(made) == ["gradient"] * 2 + ["score"] * 12
    later = runner()
    again = answer(later, asked)
    assert len(made) == 14
    assert later._worker._checked._last is None
    for one, other in zip(first, again, strict=True):
        assert (one.moved, one.norm, one.step) == (other.moved, other.norm, other.step)
        np.testing.assert_array_equal(one.bins.sums[STEP], other.bins.sums[STEP])


def keys(runner, user, moved=0.5):
    """What the store calls a unit's gradient, and the scores of its first slice after each step."""
    specs = reach._specs(runner, Ask(user.name, user, moved))
    return specs.gradient.key, {of_slices[0].key for of_slices in specs.steps.values()}


def test_another_distance_needs_no_other_gradient_and_shares_the_steps_that_it_can(runner, ann):
    used = runner()
    gradient_of, half = keys(used, ann, 0.5)
    other, whole = keys(used, ann, 1.0)
    assert other == gradient_of
    assert len(half & whole) == 2  # a quarter and a half of 1 are a half and all of 0.5
    assert not half & keys(used, ann, 0.75)[1]


def test_a_gradient_depends_on_method_scoring_and_text_and_not_on_recipe_or_training_text(
    runner, recipe, scoring, ann
):
    known, _ = keys(runner(), ann)
    same = [
        keys(runner(recipe=replace(recipe, lr=1.0)), ann),
        keys(runner(), replace(ann, train=f"{ann.train} and more")),
    ]
    assert {key for key, _ in same} == {known}
    others = [
        keys(runner(method=METHODS["full"]), ann),
        keys(runner(scoring=replace(scoring, stride=8)), ann),
        keys(runner(), replace(ann, heldout=ann.heldout[:1])),
        keys(runner(), replace(ann, heldout=ann.heldout[::-1])),
    ]
    assert len({known, *(key for key, _ in others)}) == 5


class Stopping(ProgressBar):
    """Interrupts when the second slice is about to be scored after a step."""

    steps = 0

    def begin(self, label, *, new_runs):
        super().begin(label, new_runs=new_runs)
        self.steps += "step of" in label
        if self.steps == 2:
            raise KeyboardInterrupt


def test_an_interruption_costs_the_slice_that_was_being_scored(runner, made, ann):
    with pytest.raises(KeyboardInterrupt):
        answer(runner(progress_bar=Stopping()), [Ask("ann", ann, 0.5)])
    assert sorted(made) == ["gradient"] + ["score"] * 3
    (found,) = answer(runner(), [Ask("ann", ann, 0.5)])
    assert sorted(made) == ["gradient"] + ["score"] * 8
    (whole,) = answer(runner("other"), [Ask("ann", ann, 0.5)])
    np.testing.assert_array_equal(found.bins.sums[STEP], whole.bins.sums[STEP])


class Watching(ProgressBar):
    """Notes what is shown, and how much was done of how much."""

    def __init__(self):
        super().__init__()
        self.labels, self.whole, self.done = [], 0, 0

    def watch(self, *, runs, cost):
        self.whole += cost
        return super().watch(runs=runs, cost=cost)

    def begin(self, label, *, new_runs):
        super().begin(label, new_runs=new_runs)
        self.labels.append(label)

    def advance(self, cost, detail=""):
        super().advance(cost, detail)
        self.done += cost


def test_all_of_it_shows_in_the_progress_and_is_counted(runner, scoring, ann):
    bar = Watching()
    answer(runner(progress_bar=bar), [Ask("ann", ann, 0.5)])
    assert bar.labels == [
        "ann, untrained: scoring first",
        "ann, untrained: scoring second",
        "ann: gradient over first, second",
        *(
            f"ann, step of {size}: scoring {piece}"
            for size in ("0.12", "0.25", "0.5")
            for piece in ("first", "second")
        ),
    ]
    # a slice costs 200 tokens; the gradient passes each forward and backward, and all are scored
    # untrained and after three steps
    assert bar.whole == bar.done == 2 * 200 * (2 + 1 + 3)


def test_steps_of_several_sizes_can_be_scored_as_one_batch(runner, ann):
    (alone,) = answer(runner("alone"), [Ask("ann", ann, 0.5)])
    (together,) = answer(runner(stack_size=3), [Ask("ann", ann, 0.5)])
    np.testing.assert_allclose(together.bins.sums[STEP], alone.bins.sums[STEP], rtol=1e-6)


@pytest.mark.parametrize("method", ["lora-r4"], indirect=True)
def test_lora_has_a_floor_and_no_ceiling(runner, method, ann):
    (found,) = answer(runner(method=method), [Ask("ann", ann, 0.5)])
    assert (found.norm, found.ceiling) == (None, None)
    assert found.gain > 0


def test_sizes_are_a_quarter_a_half_and_all_of_the_distance():
    assert reach.FRACTIONS == (0.25, 0.5, 1.0)


# --- how far an adapter moved -------------------------------------------------------------------


def test_how_far_an_adapter_moved_is_stored_with_it(runner, recipe, ann):
    request = Request(ann, "real")
    trained = runner()
    moved = trained.moved(request)
    # AdamW's first step is the rate but for weight decay, each later one no more than a few times
    assert recipe.lr < moved < 3 * recipe.steps * recipe.lr
    with NORM_ONLY.attached(trained._worker._loaded[0]) as tensors:
        starts = {name: tensor.detach().numpy().copy() for name, tensor in tensors.items()}
    apart = [
        np.abs(values - starts[n]).max() for n, values in trained.adapter(request).tensors.items()
    ]
    assert moved == pytest.approx(max(apart), rel=1e-6)
    later = runner()
    assert later.moved(request) == moved
    assert later._worker._checked._last is None


def test_of_an_adapter_that_does_not_say_it_is_measured(runner, ann):
    """As those of version 0.1.0."""
    request = Request(ann, "real")
    trained = runner()
    moved = trained.moved(request)
    key = trained.run_spec(request).key
    record = trained.store.get("adapters", key)
    older = {name: fact for name, fact in record.facts.items() if name != "moved"}
    trained.store.put("adapters", key, replace(record, facts=older))
    assert runner().moved(request) == moved
