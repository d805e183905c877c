"""Devices: which one is taken, and that fp32 is fp32 whatever the session has set."""

import pytest
import torch

from pytest_noisefloor.models import device as devices
from pytest_noisefloor.models.device import DeviceError, exact_fp32, resolve_device
from pytest_noisefloor.runs.context import RunContext
from pytest_noisefloor.runs.progress import ProgressBar
from pytest_noisefloor.runs.request import Request
from pytest_noisefloor.runs.runner import Runner
from pytest_noisefloor.runs.store import Store
from pytest_noisefloor.training.methods.registry import METHODS


@pytest.fixture
def machine(monkeypatch):
    """A function: pretend that the machine has these accelerators."""

    def machine(*there):
        monkeypatch.setattr(devices, "_accelerator_possible", lambda: True)
        monkeypatch.setattr(torch.backends.mps, "is_available", lambda: "mps" in there)
        monkeypatch.setattr(torch.cuda, "is_available", lambda: "cuda" in there)

    return machine


@pytest.mark.parametrize(
    ("there", "expected"),
    [([], "cpu"), (["cuda"], "cuda"), (["mps"], "mps"), (["cuda", "mps"], "mps")],
    ids=str,
)
def test_auto_prefers_mps_then_cuda_then_the_cpu(machine, there, expected):
    machine(*there)
    assert resolve_device("auto") == expected


def test_auto_asks_torch_only_where_a_driver_could_be(monkeypatch, tmp_path):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(devices.sys, "platform", "linux")
    monkeypatch.setattr(devices, "_DRIVERS", (str(tmp_path / "driver"),))
    assert resolve_device("auto") == "cpu"
    (tmp_path / "driver").touch()
    assert resolve_device("auto") == "cuda"


@pytest.mark.parametrize("name", ["mps", "cuda"])
def test_a_device_that_is_named_is_taken_or_refused(machine, name):
    machine(name)
    assert resolve_device(name) == name
    assert resolve_device("cpu") == "cpu"
    machine(*{"mps", "cuda"} - {name})
    with pytest.raises(DeviceError, match=f"device '{name}': not available here; expected auto"):
        resolve_device(name)


def switches():
    """How torch makes fp32 products: of matrices on CUDA, of convolutions there."""
    if hasattr(torch.backends.cudnn, "conv"):
        parts, name = (torch.backends.cuda.matmul, torch.backends.cudnn.conv), "fp32_precision"
    else:
        parts, name = (torch.backends.cuda.matmul, torch.backends.cudnn), "allow_tf32"
    return [getattr(part, name) for part in parts]


@pytest.mark.parametrize("session", ["highest", "high", "medium"])
def test_fp32_is_fp32_whatever_the_session_has_set(tiny, recipe, scoring, ann, tmp_path, session):
    seen = []

    class Looking(ProgressBar):
        def advance(self, cost, detail=""):
            super().advance(cost, detail)
            if detail:
                seen.append(switches())

    before = torch.get_float32_matmul_precision()
    torch.set_float32_matmul_precision(session)
    try:
        outside = switches()
        Runner(
            RunContext(
                store=Store(tmp_path),
                base=tiny,
                device="cpu",
                method=METHODS["norm-only"],
                recipe=recipe,
                scoring=scoring,
                progress_bar=Looking(),
            )
        ).adapter(Request(ann, "real"))
        assert switches() == outside
    finally:
        torch.set_float32_matmul_precision(before)
    assert len(seen) == recipe.steps
    assert all(found in (["ieee", "ieee"], [False, False]) for found in seen)


def test_the_switches_come_back_after_an_error():
    outside = switches()
    with pytest.raises(ZeroDivisionError), exact_fp32():
        raise ZeroDivisionError
    assert switches() == outside
