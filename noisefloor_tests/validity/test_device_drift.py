"""An accelerator tells the same story as the CPU, to less than one lost step."""

from dataclasses import replace

import pytest

from pytest_noisefloor.models.device import resolve_device
from pytest_noisefloor.runs.request import Request
from pytest_noisefloor.stats.effect import mean_nll

# On one CPU rounding moves Δ by less than 1e-4 nats; another device sums in another order, step
# after step, and is allowed ten times that: a hundredth of the smallest registered effect,
# ln 1.1 = 0.095. One lost step of twenty moves it by more, as a test shows.
DRIFT = 1e-3


@pytest.fixture
def delta(new_runner, recipe, ann, tmp_path):
    """A function: Δ on a device, in nats per token."""

    def delta(device, **changes):
        runner = new_runner(
            tmp_path,  # one store for both devices, as a user has
            device=device,
            recipe=replace(recipe, **{"lr": 0.3, "steps": 20, **changes}),
        )
        nll = {
            arm: mean_nll([runner.scores(Request(ann, arm), piece) for piece in ann.heldout])
            for arm in ("random", "real")
        }
        return nll["random"] - nll["real"]

    return delta


@pytest.mark.slow
def test_an_accelerator_agrees_with_the_cpu(delta, capsys):
    device = resolve_device("auto")
    if device == "cpu":
        pytest.skip("needs an accelerator (MPS or CUDA), and this machine has none")
    on_cpu, there = delta("cpu"), delta(device)
    with capsys.disabled():
        print(f"\nΔ on cpu {on_cpu:.6f}, on {device} {there:.6f}: drift {there - on_cpu:+.1e} nats")
    assert abs(there - on_cpu) < DRIFT


@pytest.mark.slow
def test_the_allowed_drift_is_less_than_one_lost_step(delta):
    assert abs(delta("cpu") - delta("cpu", steps=19)) > DRIFT
