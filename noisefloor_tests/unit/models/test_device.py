"""Devices: which one is taken, and that fp32 is fp32 whatever the session has set."""

import importlib

import pytest
import torch

from pytest_noisefloor.models import device as devices
from pytest_noisefloor.models.device import DeviceError, exact_fp32, resolve_device
from pytest_noisefloor.runs.request import Request


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
    """How torch makes fp32 products: of matrices and convolutions, on CUDA and on the CPU."""
    on = torch.backends
    if not hasattr(on.cudnn, "conv"):  # torch before 2.9
        return [torch.get_float32_matmul_precision(), on.cudnn.allow_tf32]
    parts = (on.cuda.matmul, on.cudnn.conv, on.mkldnn.matmul, on.mkldnn.conv)
    return [part.fp32_precision for part in parts]


PLACES = {"cuda": slice(0, 2), "cpu": slice(2, 4)}
FULL = {"ieee", "none", "highest", False}
"""What the switches say where fp32 is fp32."""


@pytest.fixture
def matrices():
    """A function: set the session's precision of matrices; given back afterwards."""
    before = torch.get_float32_matmul_precision()
    yield torch.set_float32_matmul_precision
    torch.set_float32_matmul_precision(before)


@pytest.mark.parametrize("device", PLACES)
@pytest.mark.parametrize("session", ["highest", "high", "medium"])
def test_fp32_is_fp32_whatever_the_session_has_set_and_its_settings_come_back(
    matrices, device, session
):
    matrices(session)
    outside = switches()
    with exact_fp32(device):
        assert {*switches()[PLACES[device]]} <= FULL
    assert switches() == outside
    assert torch.get_float32_matmul_precision() == session


def test_the_settings_come_back_after_an_error(matrices):
    matrices("medium")
    outside = switches()
    with pytest.raises(ZeroDivisionError), exact_fp32("cpu"):
        raise ZeroDivisionError
    assert switches() == outside


@pytest.mark.skipif(not hasattr(torch.backends.cudnn, "conv"), reason="torch 2.9 inherits them")
@pytest.mark.parametrize("device", PLACES)
def test_a_setting_for_all_products_is_still_heard_after_a_run(device):
    """What a run found inherited it must not leave as a setting of its own."""
    before = torch.backends.fp32_precision
    try:
        torch.backends.fp32_precision = "tf32"
        with exact_fp32(device):
            pass
        torch.backends.fp32_precision = "ieee"
        assert {*switches()[PLACES[device]]} == {"ieee"}
    finally:
        torch.backends.fp32_precision = before


def test_every_part_of_a_run_computes_in_full_fp32(
    matrices, new_runner, ann, tmp_path, monkeypatch
):
    """Training, scoring, the check of the head, and the check that adapters stack."""
    seen = {}
    for place, name in (
        ("training", "train"),
        ("models", "score"),
        ("models", "lm_head"),
        ("training", "check_stackable"),
    ):
        module = importlib.import_module(f"pytest_noisefloor.{place}")
        whole = getattr(module, name)

        def spy(*args, name=name, whole=whole, **kwargs):
            seen[name] = {*switches()[PLACES["cpu"]]}
            return whole(*args, **kwargs)

        monkeypatch.setattr(module, name, spy)
    matrices("medium")
    runner = new_runner(tmp_path, stack_size=2)
    runner.complete([Request(ann, "untrained"), Request(ann, "real"), Request(ann, "random")])
    runner.complete([Request(ann, "oracle")])
    assert seen.keys() == {"train", "score", "lm_head", "check_stackable"}
    assert all(found <= FULL for found in seen.values())
