"""Which device a session runs on."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

from pytest_noisefloor._files import cache_path
from pytest_noisefloor.errors import NoisefloorError

_DRIVERS = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")
"""What Linux has where torch could find CUDA: NVIDIA's own, the one of WSL 2, AMD's."""


class DeviceError(NoisefloorError):
    """A device that this machine does not have."""


def resolve_device(name: str) -> str:
    """The device type to use: ``auto`` prefers mps, then cuda, then cpu.

    Raises:
        DeviceError: the device was named and is not there.
    """
    if name == "cpu" or (name == "auto" and not _accelerator_possible()):
        return "cpu"
    import torch

    there = {"mps": torch.backends.mps.is_available(), "cuda": torch.cuda.is_available()}
    if name == "auto":
        return next((device for device, found in there.items() if found), "cpu")
    if not there[name]:
        raise DeviceError(f"device {name!r}: not available here; expected auto or cpu")
    return name


def _accelerator_possible() -> bool:
    """Whether it is worth asking torch, whose import takes seconds."""
    return sys.platform != "linux" or any(Path(driver).exists() for driver in _DRIVERS)


@contextmanager
def exclusive(device: str) -> Iterator[None]:
    """Hold an accelerator, which one process at a time drives; the CPU is everybody's."""
    if device == "cpu":
        yield
        return
    lock = cache_path("locks", f"{device}.lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(lock):
        yield


@contextmanager
def exact_fp32() -> Iterator[None]:
    """Make fp32 products in fp32, whatever the session has set; on leaving all is as it was.

    TF32 keeps 10 bits of 23, and torch lets cuDNN's convolutions use it unless told otherwise.
    """
    import torch

    on: Any = torch.backends
    # since torch 2.9 there are two interfaces, which do not mix
    new = hasattr(on.cudnn, "conv")
    parts = [on.cuda.matmul, on.cudnn]
    if new:
        parts = [on.cuda.matmul, on.cudnn.conv, on.mkldnn.matmul, on.mkldnn.conv]
    name, value = ("fp32_precision", "ieee") if new else ("allow_tf32", False)
    before = [getattr(part, name) for part in parts]
    for part in parts:
        setattr(part, name, value)
    try:
        yield
    finally:
        for part, was in zip(parts, before, strict=True):
            setattr(part, name, was)
