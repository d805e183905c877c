"""Choose a session's device, lock it, and compute in fp32 whatever a project set in torch."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from filelock import FileLock

from pytest_noisefloor._files import cache_path, system_refusals
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
    with system_refusals(lock):
        lock.parent.mkdir(parents=True, exist_ok=True)
        held = FileLock(lock).acquire()
    with held:
        yield


@contextmanager
def plain_torch(device: str) -> Iterator[None]:
    """Compute as torch does in a new process, and in full fp32; then the project's settings return.

    A project may have set a default dtype, a default device, autocast, or a mode without gradients.
    Any of these would change what is trained and scored, and no key would say so.
    """
    import torch

    dtype = torch.get_default_dtype()
    torch.set_default_dtype(torch.float32)
    try:
        with ExitStack() as contexts:
            for kind in dict.fromkeys(("cpu", device)):
                contexts.enter_context(torch.autocast(kind, enabled=False))
            contexts.enter_context(torch.inference_mode(mode=False))
            contexts.enter_context(torch.enable_grad())
            if torch.get_default_device().type != "cpu":  # this context slows every call
                contexts.enter_context(torch.device("cpu"))
            contexts.enter_context(exact_fp32(device))
            yield
    finally:
        torch.set_default_dtype(dtype)


@contextmanager
def exact_fp32(device: str) -> Iterator[None]:
    """Compute a device's fp32 products in full fp32, whatever the session has set.

    On leaving, the session's settings are back. TF32 keeps only 10 of 23 bits. By default torch
    lets cuDNN's convolutions use it. After a run on CUDA, that default is an explicit setting.
    """
    import torch

    on: Any = torch.backends
    if not hasattr(on.cudnn, "conv"):  # torch before 2.9
        matrices, convolutions = torch.get_float32_matmul_precision(), on.cudnn.allow_tf32
        torch.set_float32_matmul_precision("highest")
        on.cudnn.allow_tf32 = False
        try:
            yield
        finally:
            torch.set_float32_matmul_precision(matrices)
            on.cudnn.allow_tf32 = convolutions
        return

    settings = {
        "cpu": [(on.mkldnn.matmul, on.mkldnn), (on.mkldnn.conv, on.mkldnn)],
        "cuda": [(on.cuda.matmul, on.cudnn), (on.cudnn.conv, on.cudnn)],
    }
    before: list[tuple[Any, str]] = []
    for part, parent in settings.get(device, ()):
        if (found := part.fp32_precision) not in ("ieee", "none"):
            # what is inherited stays inherited, so that a later setting for all reaches it
            before.append((part, "none" if found == parent.fp32_precision else found))
            part.fp32_precision = "ieee"
    try:
        yield
    finally:
        for part, was in before:
            part.fp32_precision = was
