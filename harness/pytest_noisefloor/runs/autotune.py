"""Choose the kernel for the head's products: the fastest here, measured once for each base.

The kernel is part of every key, so the store keeps the choice for each base and device. Otherwise
a later measurement, or one on another machine, would hide the results that are already stored.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from pydantic import BaseModel

from pytest_noisefloor._files import STRICT, read_bytes, validated, write_atomically
from pytest_noisefloor.errors import NoisefloorError
from pytest_noisefloor.specs import Kernel

from .store import Store

if TYPE_CHECKING:
    from pytest_noisefloor.models import LMHead

WORTH_MEASURING = 10**9
"""Below this product of rows, vocabulary and hidden size every kernel takes only milliseconds."""

TRIES = 2
"""Timed runs of each kernel. The fastest counts, since the first also warms up."""


DELETE = "delete it to measure again"


class KernelError(NoisefloorError):
    """A stored choice of kernel that cannot be used."""


class KernelChoice(BaseModel):
    """The file of a choice. Only the kernel is needed; the rest records how it was chosen."""

    model_config = STRICT

    kernel: Kernel
    seconds: dict[str, float] = {}
    rows: int = 0
    threads: int = 0
    written: str = ""


def autotune(store: Store, base: str, device: str, head: Callable[[], LMHead], rows: int) -> Kernel:
    """The kernel that a store uses for a base on a device; chosen by measuring, the first time.

    ``base`` is the base's fingerprint. ``rows`` is the number of tokens that a training step has a
    loss for. ``head`` is called only if a choice must be made.

    Raises:
        KernelError: the file with the choice is damaged, or names an unknown kernel.
    """
    path = choice_path(store, base, device)
    if not path.is_file():
        with store.lock(f"kernel-{path.stem}"):
            if not path.is_file():
                content = _measured(head(), rows).model_dump_json(indent=1)
                write_atomically(path, f"{content}\n".encode())
    try:
        content = json.loads(read_bytes(path, KernelError))
    except (ValueError, RecursionError) as error:
        raise KernelError(f"{path}: not readable ({error}); {DELETE}") from None
    try:
        return validated(KernelChoice, content, str(path), KernelError).kernel
    except KernelError as error:
        raise KernelError(f"{error}; {DELETE}") from None


def choice_path(store: Store, base: str, device: str) -> Path:
    """Where a store keeps its choice for a base on a device."""
    return store.root / "kernels" / f"{base[:16]}-{device}.json"


def _measured(head: LMHead, rows: int) -> KernelChoice:
    import torch

    from pytest_noisefloor.models import kernels

    candidates = kernels(head)
    vocabulary, width = head.weight.shape
    seconds: dict[Kernel, float] = {}
    if len(candidates) > 1 and rows * vocabulary * width >= WORTH_MEASURING:
        seconds = {kernel: _seconds(head, kernel, rows) for kernel in candidates}
    return KernelChoice(
        kernel=min(seconds, key=seconds.__getitem__) if seconds else candidates[0],
        seconds={kernel: round(value, 4) for kernel, value in seconds.items()},
        rows=rows,
        threads=torch.get_num_threads(),
        written=datetime.now(UTC).isoformat(timespec="seconds"),
    )


def _seconds(head: LMHead, kernel: Kernel, rows: int) -> float:
    import torch

    from pytest_noisefloor.models import mean_loss

    vocabulary, width = head.weight.shape
    draws = torch.Generator().manual_seed(0)
    hidden = torch.randn(rows, width, generator=draws)
    targets = torch.randint(vocabulary, (rows,), generator=draws)
    found = []
    for _ in range(TRIES):
        began = time.perf_counter()
        mean_loss(hidden, targets, replace(head, kernel=kernel))
        found.append(time.perf_counter() - began)
    return min(found)
