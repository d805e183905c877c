"""Which device a session runs on."""

from __future__ import annotations

import sys
from pathlib import Path

from .errors import NoisefloorError

_DRIVERS = ("/dev/nvidiactl", "/dev/dxg", "/dev/kfd")
"""What Linux has where torch could find CUDA: NVIDIA's own, the one of WSL 2, AMD's."""


class DeviceError(NoisefloorError):
    """A device that this machine does not have."""


def resolve(name: str) -> str:
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
