"""Runs: only what is named moves, ties hold, texts are read by whom they are for, in any order."""

import io
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from safetensors.numpy import load, save

from noisefloor_tests.support.tensors import bits
from pytest_noisefloor.data.arms import ARMS, ArmInput
from pytest_noisefloor.data.users import Slice
from pytest_noisefloor.models.head import lm_head
from pytest_noisefloor.runs.export import _torch_file
from pytest_noisefloor.runs.request import Adapter, Request
from pytest_noisefloor.specs import Recipe
from pytest_noisefloor.training.loop import train
from pytest_noisefloor.training.methods.norm_only import gain_names
from pytest_noisefloor.training.methods.registry import METHODS

NORM_ONLY = METHODS["norm-only"]
TWO_STEPS = Recipe(lr=0.01, steps=2, batch=2, sequence=16)


# --- what moves --------------------------------------------------------------------------------


def parts(model):
    """Every parameter and buffer of a model, bit by bit."""
    return {name: tensor.numpy().tobytes() for name, tensor in model.state_dict().items()}


@pytest.mark.parametrize("kind", ["Llama", "Mixtral", "Gemma3", "GPT2", "OPT", "Mamba"])
def test_in_mid_training_the_named_tensors_have_moved_and_no_other(build, kind):
    model = build(kind)
    before, during = parts(model), []
    stream = ARMS["random"].batches(ArmInput("ann", 64, None, np.arange(64)), TWO_STEPS, seed=0)
    train(
        *(model, lm_head(model), NORM_ONLY, {"ann": stream}, TWO_STEPS),
        on_step=lambda *_: during.append(parts(model)),
    )
    for now in during:
        assert {name for name in now if now[name] != before[name]} == {*gain_names(model)}
    assert len(during) == TWO_STEPS.steps
    assert parts(model) == before


@pytest.mark.parametrize("kind", ["Llama", "Gemma2", "GPT2"])
def test_tied_weights_stay_tied(build, kind):
    model = build(kind, tie_word_embeddings=True)

    def tied():
        output, read = model.get_output_embeddings().weight, model.get_input_embeddings().weight
        return output is read and output.data_ptr() == read.data_ptr()

    assert tied()
    held = []
    stream = ARMS["random"].batches(ArmInput("ann", 64, None, np.arange(64)), TWO_STEPS, seed=0)
    train(
        *(model, lm_head(model), NORM_ONLY, {"ann": stream}, TWO_STEPS),
        on_step=lambda *_: held.append(tied()),
    )
    assert held == [True, True]
    assert tied()


# --- what is read, and when --------------------------------------------------------------------


@pytest.fixture(scope="module")
def runner(new_runner, recipe, tmp_path_factory):
    """A function: a runner on an empty store."""

    def runner():
        return new_runner(tmp_path_factory.mktemp("store"), recipe=replace(recipe, steps=2))

    return runner


def test_an_adapter_follows_the_text_that_its_arm_reads_and_no_other(runner, ann, bob):
    def trained(user):
        fresh = runner()
        return {arm: bits(fresh.adapter(Request(user, arm)).tensors) for arm in ARMS}

    first = trained(ann)
    other_text = trained(replace(ann, train=bob.train))
    other_slices = trained(replace(ann, heldout=(Slice("x", bob.train), *ann.heldout[1:])))
    changed = {arm for arm in ARMS if other_text[arm] != first[arm]}
    assert changed == {"real", "unigram", "shuffled"}
    changed = {arm for arm in ARMS if other_slices[arm] != first[arm]}
    assert changed == {"oracle"}


def results(runner, requests):
    """All adapters and scores in the order in which they are asked for, by what they are of."""
    found = {}
    for user, arm, seed in requests:
        request = Request(user, arm, seed)
        if arm != "untrained":
            found[user.name, arm, seed] = bits(runner.adapter(request).tensors)
        for piece in user.heldout:
            found[user.name, arm, seed, piece.name] = runner.scores(request, piece).tobytes()
    return found


@pytest.fixture(scope="module")
def requests(ann, bob):
    return [
        *((ann, "real", 0), (ann, "real", 1), (ann, "random", 0), (ann, "untrained", 0)),
        *((bob, "real", 0), (bob, "random", 1), (bob, "oracle", 0)),
    ]


@pytest.fixture(scope="module")
def usual(runner, requests):
    return results(runner(), requests)


@settings(max_examples=4)
@given(data=st.data())
def test_no_order_of_users_arms_and_seeds_changes_a_result(runner, requests, usual, data):
    """Each order on a store and a model of its own."""
    assert results(runner(), data.draw(st.permutations(requests))) == usual


# --- what is saved -----------------------------------------------------------------------------


@settings(max_examples=25)
@given(
    st.dictionaries(
        st.from_regex(r"[a-z]{1,8}(\.[0-9])?\.weight", fullmatch=True),
        arrays.arrays(np.float32, st.integers(1, 9)),
        min_size=1,
        max_size=4,
    )
)
def test_a_pt_file_and_its_twin_hold_the_same_bits(tensors):
    """Whatever the values: NaN with its payload, −0, numbers below the normal ones."""
    adapter = Adapter("ann", "real", 0, "0" * 64, tensors, (), 0.0)
    loaded = torch.load(io.BytesIO(_torch_file(adapter)), weights_only=True)
    twin = load(save(tensors))
    assert loaded.keys() == twin.keys() == tensors.keys()
    for name, tensor in tensors.items():
        assert loaded[name].numpy().tobytes() == twin[name].tobytes() == tensor.tobytes()
        assert loaded[name].dtype == torch.float32
