"""Stacked adapters: what is refused, by the adapter's name, and what cannot be stacked at all."""

import re
from contextlib import contextmanager
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import nn

from noisefloor_tests.support.stacks import NORM_ONLY, USERS, stream, together
from pytest_noisefloor.models.head import lm_head
from pytest_noisefloor.training.checks import TrainingError, digests
from pytest_noisefloor.training.loop import train
from pytest_noisefloor.training.stacking import StackError, check_stackable


def spoiled(blocks, change):
    for number, block in enumerate(blocks):
        yield change(block) if number == 1 else block


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda block: block[:1], "cem: step 2: .* int64 tokens of shape (1, 16); expected .* (2,"),
        (lambda block: block.astype(np.int32), "cem: step 2: the arm gave int32 tokens"),
        (lambda block: block * 0 + 257, "cem: step 2: token ids from 257 to 257; expected 0 to"),
    ],
    ids=["shape", "dtype", "ids"],
)
def test_blocks_that_are_not_the_recipes_are_an_error(model, head, recipe, change, message):
    streams = {user: stream(user, recipe, 257) for user in USERS}
    streams["cem"] = spoiled(streams["cem"], change)
    with pytest.raises(TrainingError, match=re.escape(message).replace(r"\.\*", ".*")):
        train(model, head, NORM_ONLY, streams, recipe)


@pytest.mark.parametrize("user", ["ann", "dee"])
@pytest.mark.parametrize(
    ("steps", "message"),
    [(2, "the arm ended after 2 of 3"), (4, "the arm offers more than its budget of 3")],
)
def test_an_arm_off_its_budget_is_an_error(model, head, recipe, user, steps, message):
    streams = {
        each: stream(each, replace(recipe, steps=steps if each == user else 3), 257)
        for each in USERS
    }
    with pytest.raises(TrainingError, match=f"{user}: {message}"):
        train(model, head, NORM_ONLY, streams, recipe)


def test_one_loss_that_is_not_finite_is_an_error_by_name(model, head, recipe):
    model.model.embed_tokens.weight[7] = float("inf")  # head and embeddings are one matrix
    untied = replace(head, weight=head.weight.clone().nan_to_num(posinf=0.0))
    streams = {user: (stream(user, recipe, 257)) for user in USERS}
    clean = {
        user: (np.where(block == 7, 8, block) for block in blocks)
        for user, blocks in streams.items()
    }
    clean["bob"] = spoiled(clean["bob"], lambda block: block * 0 + 7)
    with pytest.raises(TrainingError, match="bob: step 2 of 3: loss is nan"):
        train(model, untied, NORM_ONLY, clean, recipe)


def test_errors_call_an_adapter_by_its_label_where_several_train_and_not_where_one_does(
    model, head, recipe
):
    def failing(*users):
        short = replace(recipe, steps=2)
        streams = {user: stream(user, short, 257) for user in users}
        with pytest.raises(TrainingError) as error:
            train(model, head, NORM_ONLY, streams, recipe, label=lambda user: f"{user}, real")
        return str(error.value)

    assert failing("bob", "cem") == "bob, real: the arm ended after 2 of 3 steps"
    assert failing("bob") == "the arm ended after 2 of 3 steps"


def test_a_group_whose_gains_did_not_move_is_an_error(model, head, recipe):
    with pytest.raises(TrainingError, match="ann: norm-only: no tensor moved in 3 steps at lr 0"):
        together(model, head, USERS, replace(recipe, lr=0.0))


class Altered:
    """norm-only, with something done to the model while it trains."""

    name = "altered"
    version = 1

    def __init__(self, during):
        self._during = during

    @contextmanager
    def attached(self, model):
        with NORM_ONLY.attached(model) as gains:
            handle = model.model.register_forward_hook(
                lambda *_: self._during(model) if torch.is_grad_enabled() else None
            )
            try:
                yield gains
            finally:
                handle.remove()


@torch.no_grad()
def nudge_the_embeddings(model):
    model.model.embed_tokens.weight[0, 0] += 1e-3


def test_a_method_that_touches_the_base_is_an_error(model, head, recipe):
    streams = {user: stream(user, recipe, 257) for user in USERS}
    with pytest.raises(TrainingError, match="altered: tensors of the base moved that"):
        train(model, head, Altered(nudge_the_embeddings), streams, recipe)


# --- what cannot be stacked -------------------------------------------------------------------


def refused(model, method=NORM_ONLY):
    """The reason, once the model is known to be as it was."""
    before, modules = digests(model, skip={}), [*model.named_modules()]
    with pytest.raises(StackError) as error:
        check_stackable(model, lm_head(model), method)
    assert digests(model, skip={}) == before
    assert [*model.named_modules()] == modules
    return str(error.value)


def test_an_architecture_that_reaches_into_its_norms_is_refused(build):
    """Mamba's mixer reads the norm's weight past the norm."""
    assert re.match(
        "MambaForCausalLM, norm-only: adapters cannot be stacked", refused(build("Mamba"))
    )


class Mixing(nn.Module):
    """A norm whose output for a row depends on the other rows."""

    def __init__(self, inner):
        super().__init__()
        self.inner = inner

    def forward(self, rows):
        out = self.inner(rows)
        return out + out.mean(dim=0, keepdim=True)


def test_an_architecture_whose_rows_see_each_other_is_refused(model):
    model.model.norm = Mixing(model.model.norm)
    assert "stacked adapters give other hidden states than one at a time" in refused(model)


class Loose:
    """Trains a tensor that is no parameter of any module."""

    name = "loose"
    version = 1

    @contextmanager
    def attached(self, model):
        yield {"shift": model.model.norm.weight.clone()}


class Embeddings:
    """Trains the embeddings, which are the head as well."""

    name = "embeddings"
    version = 1

    @contextmanager
    def attached(self, model):
        yield {"embed": model.get_input_embeddings().weight}


@pytest.mark.parametrize(
    ("method", "message"),
    [
        (Loose(), "shift: not a parameter of a module inside LlamaForCausalLM"),
        (Embeddings(), "embeddings: trains the output embeddings, which are shared"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_a_method_without_modules_of_its_own_is_refused(model, method, message):
    assert message in refused(model, method)


@pytest.mark.parametrize(
    ("method", "message"),
    [
        ("full", "full: trains the output embeddings, which are shared"),
        ("temperature", "temperature: not a parameter of a module inside LlamaForCausalLM"),
        ("lora-r4", "LlamaForCausalLM, lora-r4: adapters cannot be stacked"),
    ],
    indirect=["method"],
)
def test_what_trains_more_than_vectors_of_modules_trains_alone(model, method, message):
    assert message in refused(model, method)
