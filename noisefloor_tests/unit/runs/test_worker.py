"""Adapters that wait together train as one batch, and are what they would have been alone."""

import io
import signal
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from noisefloor_tests.support.interruptions import KILLED, Stopping, everything
from pytest_noisefloor import training
from pytest_noisefloor.models.base import Base
from pytest_noisefloor.models.tiny import ByteTokenizer
from pytest_noisefloor.runs import worker
from pytest_noisefloor.runs.progress import ProgressBar
from pytest_noisefloor.runs.request import Request
from pytest_noisefloor.training import batch_size
from pytest_noisefloor.training.methods.registry import METHODS

NORM_ONLY = METHODS["norm-only"]

# fp32 rounding, by which a batch of adapters differs from one, reaches a gain through AdamW's
# quotient of moments: at most 3.6e-7 was seen at this rate, in twenty steps. A gain moves by 3e-3.
RATE, SAME = 1e-3, 1e-6


@pytest.fixture
def runner(new_runner, recipe, tmp_path):
    """A function: a new runner on one store unless another is named, with stacks of any size."""

    def runner(store="store", **changes):
        return new_runner(tmp_path / store, **{"recipe": replace(recipe, lr=RATE), **changes})

    return runner


@pytest.fixture
def batches(monkeypatch):
    """How many adapters trained as one batch, and how many steps they had behind them."""
    found = []
    train = training.train

    def spy(model, head, method, streams, recipe, *, starts, **rest):
        steps_done = {len(start.losses) for start in starts.values()} or {0}
        found.append((len(streams), *steps_done))
        return train(model, head, method, streams, recipe, starts=starts, **rest)

    monkeypatch.setattr(training, "train", spy)
    return found


def adapters(requests):
    return [request for request in requests if request.arm != "untrained"]


def apart(one, other, requests):
    """The largest difference in a gain between two runners' adapters, and in a Δ in nats."""
    gains = [
        np.abs(a - other.adapter(request).tensors[name]).max()
        for request in adapters(requests)
        for name, a in one.adapter(request).tensors.items()
    ]

    def delta(runner, user):
        real, random = (
            np.concatenate([runner.scores(Request(user, arm), piece) for piece in user.heldout])
            for arm in ("real", "random")
        )
        return random.mean(dtype=np.float64) - real.mean(dtype=np.float64)

    users = {request.user for request in requests}
    return max(gains), max(abs(delta(one, user) - delta(other, user)) for user in users)


def facts(runner, request):
    return runner.store.get("adapters", runner.run_spec(request).key).facts["group"]


def test_small_steps_train_together_on_a_cpu_and_say_with_whom(runner, batches, ann, bob):
    requests = everything(ann, bob)
    used = runner()
    used.complete(requests)
    assert batches == [(6, 0)]
    keys = [used.run_spec(request).key[:16] for request in adapters(requests)]
    found = [facts(used, request) for request in adapters(requests)]
    assert found == [{"size": 6, "position": at, "keys": keys} for at in range(6)]


def test_large_steps_train_one_at_a_time_on_a_cpu_and_load_nothing_to_know_it(runner, recipe):
    large = replace(recipe, batch=4, sequence=256)
    assert runner(recipe=large)._worker.stack_size == 1
    assert runner(recipe=large)._worker._checked._last is None
    assert [batch_size.batching_pays(device, large) for device in ("cpu", "cuda", "mps")] == [
        0,
        1,
        1,
    ]


@pytest.mark.parametrize(("size", "sizes"), [(1, [1] * 6), (2, [2, 2, 2]), (4, [4, 2])])
def test_gains_and_delta_do_not_depend_on_the_grouping(runner, batches, ann, bob, size, sizes):
    requests = everything(ann, bob)
    used, backward = runner(stack_size=size), runner("backward")
    used.complete(requests)
    assert [many for many, _ in batches] == sizes
    backward.complete(requests[::-1])
    gain, delta = apart(used, backward, requests)
    assert gain <= SAME
    assert delta <= SAME


def test_a_slice_is_scored_under_several_adapters_at_once_where_that_is_asked_for(
    runner, monkeypatch, ann
):
    counts = []
    together = training.score_stacked

    def spy(model, head, method, adapters, *rest):
        counts.append(len(adapters))
        return together(model, head, method, adapters, *rest)

    monkeypatch.setattr(training, "score_stacked", spy)
    alone, used = runner("alone"), runner(stack_size=3)
    alone.complete(everything(ann))
    assert counts == []  # on a CPU it was not measured faster
    used.complete(everything(ann))
    assert counts == [3, 3]  # for each of two slices; the untrained base is never batched
    for request in everything(ann):
        for piece in ann.heldout:
            # a score near 6 nats is rounded by 5e-7, and gains apart by 1e-6 move it as little
            np.testing.assert_allclose(
                used.scores(request, piece), alone.scores(request, piece), rtol=0, atol=1e-5
            )
    assert not np.array_equal(*(used.scores(r, ann.heldout[0]) for r in everything(ann)[1:3]))


# --- how many ---------------------------------------------------------------------------------


@pytest.mark.parametrize(("room", "size"), [(0.5, 1), (1, 1), (3.5, 3), (10**6, 32)])
def test_a_group_is_sized_to_the_memory_that_is_free(model, head, recipe, monkeypatch, room, size):
    each = batch_size.BACKWARD * batch_size.activation_bytes(model, head, NORM_ONLY, recipe)
    free = int(room * each / batch_size.SHARE) + 1
    monkeypatch.setattr(batch_size, "_free", lambda _: free)
    assert batch_size.max_stack_size(model, head, NORM_ONLY, recipe) == size


def test_what_a_step_keeps_grows_with_its_tokens_and_leaves_the_base_out(model, head, recipe):
    small = batch_size.activation_bytes(model, head, NORM_ONLY, recipe)
    large = batch_size.activation_bytes(
        model, head, NORM_ONLY, replace(recipe, batch=4 * recipe.batch)
    )
    assert 3.5 * small < large < 4.5 * small  # what does not grow is small
    hidden = 4 * recipe.batch * recipe.sequence * head.weight.shape[1]  # bytes, fp32
    assert hidden * 5 < small  # the input of each norm at least
    assert all(not parameter.requires_grad for parameter in model.parameters())


def test_this_machine_has_memory_free():
    assert batch_size._free("cpu") > 10**6


def test_memory_that_only_caches_files_is_free(monkeypatch):
    seen = SimpleNamespace(total=9999, available=1200, free=200)
    monkeypatch.setattr(batch_size.psutil, "virtual_memory", lambda: seen)
    assert batch_size._free("cpu") == 1200


def test_what_torch_keeps_of_earlier_batches_on_a_card_is_free(monkeypatch):
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda: (1000, 9999))
    monkeypatch.setattr(torch.cuda, "memory_reserved", lambda: 300)
    monkeypatch.setattr(torch.cuda, "memory_allocated", lambda: 100)
    assert batch_size._free("cuda") == 1200


def test_processes_that_share_the_work_leave_each_other_some(runner, batches, ann, bob):
    runner(workers=2).complete(adapters(everything(ann, bob)))
    assert [many for many, _ in batches] == [3, 2, 1]


def test_an_adapter_that_another_process_is_at_does_not_hold_up_the_others_of_its_batch(
    runner, batches, ann, bob
):
    class Freeing(ProgressBar):
        """Lets the other process finish once the rest is under way."""

        def advance(self, cost, detail=""):
            super().advance(cost, detail)
            if detail.startswith("step 1"):
                with suppress(KeyError):
                    locks.pop().release()

    requests = adapters(everything(ann, bob))
    used = runner(progress_bar=Freeing())
    locks = {used.store.lock(used.run_spec(requests[2]).key)}
    next(iter(locks)).acquire()
    used.complete(requests)
    assert [many for many, _ in batches] == [5, 1]
    assert facts(used, requests[2])["size"] == 1


def test_a_base_whose_adapters_cannot_be_stacked_says_so_once_and_trains_them_alone(
    runner, batches, build, ann, bob, monkeypatch
):
    monkeypatch.setattr("pytest_noisefloor.runs.autotune.WORTH_MEASURING", 10**12)
    mamba = Base("mamba", "0" * 64, lambda: build("Mamba", vocab_size=257), ByteTokenizer)
    stream = io.StringIO()
    used = runner(base=mamba, progress_bar=ProgressBar(stream))
    used.complete(everything(ann))
    used.complete(everything(bob))
    assert batches == [(1, 0)] * 6
    said = [line for line in stream.getvalue().splitlines() if "cannot be stacked" in line]
    assert len(said) == 1
    assert "MambaForCausalLM, norm-only: adapters cannot be stacked" in said[0]
    assert said[0].rstrip().endswith("; adapters train one at a time")


# --- interrupted ------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, None])
def test_an_interrupted_batch_goes_on_alone_or_with_others(
    runner, batches, monkeypatch, ann, bob, size
):
    requests = adapters(everything(ann, bob))
    monkeypatch.setattr(worker, "SAVE_EVERY_S", -1.0)
    with pytest.raises(KeyboardInterrupt):
        runner(stack_size=4, progress_bar=Stopping()).complete(requests)
    used = runner(stack_size=size)
    keys = [used.run_spec(request).key for request in requests]
    assert [used.store.has("unfinished", key) for key in keys] == [True] * 4 + [False] * 2
    used.complete(requests)
    ages = {1: [(1, 2)] * 4 + [(1, 0)] * 2, 2: [(2, 2)] * 2 + [(2, 0)], None: [(4, 2), (2, 0)]}
    assert batches == [(4, 0), *ages[size]]
    assert not used.store.keys("unfinished")
    assert max(apart(used, runner("uninterrupted", stack_size=1), requests)) <= SAME


@pytest.mark.slow  # another process with torch and a model; the fast tier interrupts in this one
def test_a_killed_group_goes_on_in_another_process(runner, batches, ann, bob):
    requests, here = [Request(user, "real") for user in (ann, bob)], runner()
    store = str(here.store.root)
    settings = f"recipe={here.recipe!r}, scoring={here.scoring!r}, store=Store(Path({store!r}))"
    script = KILLED.replace(
        '.adapter(Request({}, "real"))', '.complete([Request(user, "real") for user in {}])'
    ).format(settings, repr([ann, bob]))
    killed = subprocess.run([sys.executable, "-c", script], check=False)
    assert killed.returncode == -signal.SIGKILL
    keys = {here.run_spec(request).key for request in requests}
    assert here.store.keys("unfinished") == keys
    assert not here.store.keys("adapters")
    here.complete(requests)
    assert batches == [(2, 2)]
    assert not here.store.keys("unfinished")
    alone = runner("uninterrupted", stack_size=1)
    for request in requests:
        for name, gain in here.adapter(request).tensors.items():
            assert np.abs(gain - alone.adapter(request).tensors[name]).max() <= SAME
