"""Adapters as files that go by a bet's names."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from safetensors.numpy import save

from pytest_noisefloor._files import write_atomically
from pytest_noisefloor.bets import Bet
from pytest_noisefloor.specs import UNTRAINED

from .planning import PlannedRun
from .request import Adapter

LARGEST_FILE = 2**20
"""Bytes of an adapter up to which it gets files of its own; a larger one stays in the store."""


@dataclass(frozen=True)
class ExportedAdapter:
    """An adapter by its name in files, without tensors, of which memory may not hold all."""

    entrant: PlannedRun
    adapter: Adapter
    count: int
    nbytes: int
    stem: str
    written: bool


def export_adapters(
    entrants: Sequence[PlannedRun], out: Path, *, bet: Bet, prefix: str, first_seed: int
) -> list[ExportedAdapter]:
    """Write the files of the adapters that a level rests on; the first seed's have no seed's name.

    The arm of reach has no part in a level: its adapters, trained on held-out text, are kept in the
    store alone, as are other users' and large ones.
    """
    filed: dict[str, ExportedAdapter] = {}
    # a user's own before the same adapter in another user's column
    for entrant in sorted(entrants, key=lambda one: not one.is_users_own):
        if entrant.name == UNTRAINED or entrant.label not in bet.contrast.compared:
            continue
        request = entrant.request
        key = entrant.runner.run_spec(request).key
        if key in filed:
            continue
        adapter = entrant.runner.adapter(request)
        seed = "" if request.seed == first_seed else f"_seed{request.seed}"
        stem = f"{prefix}{bet.id}_{entrant.name}_{entrant.user}{seed}"
        written = entrant.is_users_own and adapter.nbytes <= LARGEST_FILE
        if written:
            _write(adapter, out / "out" / f"{stem}.safetensors")
        bare = replace(adapter, tensors={})
        filed[key] = ExportedAdapter(entrant, bare, adapter.count, adapter.nbytes, stem, written)
    return list(filed.values())


def _write(adapter: Adapter, twin: Path) -> None:
    pickled = twin.with_suffix(".pt")
    content = save(adapter.tensors, {"key": adapter.key})
    if pickled.is_file() and twin.is_file() and twin.read_bytes() == content:
        return  # and torch stays unimported where nothing trained
    write_atomically(pickled, _torch_file(adapter))
    write_atomically(twin, content)


def _torch_file(adapter: Adapter) -> bytes:
    """The adapter as ``torch.load(weights_only=True)`` reads it: a dict of name → fp32 tensor."""
    import torch

    buffer = io.BytesIO()
    torch.save({n: torch.from_numpy(t.copy()) for n, t in adapter.tensors.items()}, buffer)
    return buffer.getvalue()
