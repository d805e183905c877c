"""Which device a session runs on."""

from __future__ import annotations

from .errors import NoisefloorError


class DeviceError(NoisefloorError):
    """A device that this machine does not have."""


def resolve(name: str) -> str:
    """The device type to use: ``auto`` prefers mps, then cuda, then cpu.

    Raises:
        DeviceError: the device was named and is not there.
    """
    if name == "cpu":
        return name
    import torch

    there = {"mps": torch.backends.mps.is_available(), "cuda": torch.cuda.is_available()}
    if name == "auto":
        return next((device for device, found in there.items() if found), "cpu")
    if not there[name]:
        raise DeviceError(f"device {name!r}: not available here; expected auto or cpu")
    return name
