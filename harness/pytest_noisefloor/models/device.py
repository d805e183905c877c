"""Choose a session's device, lock it, and compute exactly in fp32."""

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
"""Device files on Linux if torch could find CUDA: NVIDIA's own, WSL 2's and AMD's."""


class DeviceError(NoisefloorError):
    """A device that this machine does not have."""


def resolve_device(name: str) -> str:
    """Return the device type to use. ``auto`` prefers mps, then cuda, then cpu.

    Raises:
        DeviceError: the named device is not available on this machine.
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
    """Whether this machine may have an accelerator.

    Only then is torch asked, because importing it takes seconds.
    """
    return sys.platform != "linux" or any(Path(driver).exists() for driver in _DRIVERS)


@contextmanager
def exclusive(device: str) -> Iterator[None]:
    """Lock an accelerator, so that one process at a time drives it. The CPU needs no lock."""
    if device == "cpu":
        yield
        return
    lock = cache_path("locks", f"{device}.lock")
    lock.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(lock):
        yield


@contextmanager
def exact_fp32() -> Iterator[None]:
    """Compute fp32 products in full fp32, and restore the session's settings on leaving.

    TF32 keeps only 10 of 23 bits, and torch lets cuDNN's convolutions use it by default.
    """
    import torch

    on: Any = torch.backends
    # since torch 2.9 there are two interfaces, which must not be mixed
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
