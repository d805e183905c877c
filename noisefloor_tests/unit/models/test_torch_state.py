"""What a project set in torch changes nothing that is trained or scored, and comes back."""

from contextlib import ExitStack, contextmanager
from dataclasses import replace

import numpy as np
import pytest
import torch

from pytest_noisefloor.models.device import plain_torch
from pytest_noisefloor.models.loading import open_base
from pytest_noisefloor.runs.request import Request


@contextmanager
def default(dtype):
    before = torch.get_default_dtype()
    torch.set_default_dtype(dtype)
    try:
        yield
    finally:
        torch.set_default_dtype(before)


STATES = {
    "autocast": lambda: torch.autocast("cpu", dtype=torch.bfloat16),
    "bfloat16": lambda: default(torch.bfloat16),
    "float64": lambda: default(torch.float64),
    "no gradients": torch.no_grad,
    "inference mode": torch.inference_mode,
    "another device": lambda: torch.device("meta"),
}


def found(runner, ann):
    """Gains and scores of a training, and the base that they are of."""
    request = Request(ann, "real")
    adapter = runner.adapter(request)
    scores = [runner.scores(request, piece) for piece in ann.heldout]
    return runner.base.fingerprint, adapter.tensors, scores


@pytest.fixture(scope="module")
def plain(new_runner, ann, tmp_path_factory):
    return found(new_runner(tmp_path_factory.mktemp("plain")), ann)


@pytest.mark.parametrize("state", STATES)
def test_a_projects_torch_state_changes_no_bit_of_gains_and_scores(
    new_runner, ann, tmp_path, plain, state
):
    with STATES[state]():
        other = found(new_runner(tmp_path, base=open_base("tiny")), ann)
    assert other[0] == plain[0]
    for name, gain in plain[1].items():
        np.testing.assert_array_equal(other[1][name], gain)
    for one, two in zip(other[2], plain[2], strict=True):
        np.testing.assert_array_equal(one, two)


@pytest.mark.parametrize("state", STATES)
def test_the_projects_torch_state_comes_back(state):
    def seen():
        return (
            torch.get_default_dtype(),
            torch.is_autocast_enabled("cpu"),
            torch.is_grad_enabled(),
            torch.is_inference_mode_enabled(),
            torch.get_default_device(),
        )

    with ExitStack() as contexts:
        contexts.enter_context(STATES[state]())
        before = seen()
        with plain_torch("cpu"):
            assert seen() == (torch.float32, False, True, False, torch.device("cpu"))
        assert seen() == before


def test_a_base_that_is_opened_in_another_state_is_loaded_in_full(tiny):
    with default(torch.bfloat16):
        model = replace(tiny).model("cpu")
    assert {tensor.dtype for tensor in model.state_dict().values()} == {torch.float32}
