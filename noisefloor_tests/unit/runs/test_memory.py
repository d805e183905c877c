"""A step that does not fit into memory is one line; every other error stays what it is."""

from dataclasses import replace

import pytest
import torch

from pytest_noisefloor.errors import NoisefloorError
from pytest_noisefloor.runs.memory import enough_memory
from pytest_noisefloor.runs.request import Request

ERRORS = [
    MemoryError(),
    torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB."),
    RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried 8 bytes"),
    RuntimeError("Invalid buffer size: 20.00 GB"),
]


@pytest.mark.parametrize("error", ERRORS, ids=str)
def test_too_little_memory_is_one_line(new_runner, tmp_path, error):
    context = new_runner(tmp_path).context
    expected = r"^a step of 3 × 2 × 16 tokens does not fit into the memory of cpu; expected a small"
    with pytest.raises(NoisefloorError, match=expected), enough_memory(context, 3):
        raise error


@pytest.mark.parametrize("error", [RuntimeError("shapes differ"), ValueError("memory")], ids=str)
def test_another_error_stays_what_it_is(new_runner, tmp_path, error):
    with (
        pytest.raises(type(error), match=str(error)),
        enough_memory(new_runner(tmp_path).context, 1),
    ):
        raise error


def test_a_batch_that_no_machine_can_hold_is_one_line(new_runner, recipe, tmp_path, ann):
    """As many tokens a step as a recipe may have."""
    runner = new_runner(tmp_path, recipe=replace(recipe, batch=2**27), stack_size=1)
    with pytest.raises(NoisefloorError, match="does not fit into the memory of cpu"):
        runner.complete([Request(ann, "random")])
