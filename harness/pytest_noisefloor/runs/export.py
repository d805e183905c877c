"""Export adapters from the store to files that are named by bet, arm and user."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from safetensors.numpy import save

from pytest_noisefloor._files import LONGEST_NAME, write_atomically
from pytest_noisefloor.bets import Bet
from pytest_noisefloor.errors import NoisefloorError
from pytest_noisefloor.specs import UNTRAINED

from .planning import PlannedRun
from .request import Adapter

LARGEST_FILE = 2**20
"""Largest adapter in bytes that gets files; a larger one stays in the store."""


@dataclass(frozen=True)
class ExportedAdapter:
    """An adapter under its file name. It has no tensors, since memory may not hold those of all.

    ``moved`` is how far the value that moved most is from its start.
    """

    run: PlannedRun
    adapter: Adapter
    count: int
    nbytes: int
    moved: float
    stem: str
    written: bool


def export_adapters(
    runs: Sequence[PlannedRun], out: Path, *, bet: Bet, prefix: str, first_seed: int
) -> list[ExportedAdapter]:
    """List the adapters that a bet's level rests on, and write the files of each user's own.

    File names contain the seed, unless it is the first. Adapters of other users and large ones stay
    in the store. So do adapters that are trained on held-out text to measure reach: no level rests
    on them, and they are not listed.
    """
    exported: dict[str, ExportedAdapter] = {}
    # a user's own adapter before the same adapter as another user's comparison
    for run in sorted(runs, key=lambda run: not run.is_users_own):
        if run.name == UNTRAINED or run.label not in bet.contrast.compared:
            continue
        request = run.request
        key = run.runner.run_spec(request).key
        if key in exported:
            continue
        adapter = run.runner.adapter(request)
        stem = _stem(run, bet, prefix, first_seed)
        written = run.is_users_own and adapter.nbytes <= LARGEST_FILE
        if written:
            _write(adapter, out / "out" / f"{stem}.safetensors")
        bare = replace(adapter, tensors={})
        exported[key] = ExportedAdapter(
            run,
            bare,
            count=adapter.count,
            nbytes=adapter.nbytes,
            moved=run.runner.moved(request),
            stem=stem,
            written=written,
        )
    return list(exported.values())


def check_file_names(runs: Sequence[PlannedRun], *, bet: Bet, prefix: str, first_seed: int) -> None:
    """Refuse names that make a file's name too long, before anything trains.

    Raises:
        NoisefloorError: an adapter's file would have such a name.
    """
    for run in runs:
        name = f"{_stem(run, bet, prefix, first_seed)}.safetensors"
        if len(name.encode()) > LONGEST_NAME:
            raise NoisefloorError(
                f"user {run.user!r}: the file of an adapter would have a name of "
                f"{len(name.encode())} bytes; expected at most {LONGEST_NAME}. Give the user or "
                f"Bet {bet.id} a shorter name"
            )


def _stem(run: PlannedRun, bet: Bet, prefix: str, first_seed: int) -> str:
    """The name of an adapter's files, without what says their kind."""
    seed = "" if run.request.seed == first_seed else f"_seed{run.request.seed}"
    return f"{prefix}{bet.id}_{run.name}_{run.user}{seed}"


def _write(adapter: Adapter, path: Path) -> None:
    """Write an adapter as ``path``, a safetensors file, and as a ``.pt`` file beside it."""
    torch_path = path.with_suffix(".pt")
    content = save(adapter.tensors, {"key": adapter.key})
    if torch_path.is_file() and path.is_file() and path.read_bytes() == content:
        return  # before torch is imported, so that a session that trains nothing never imports it
    write_atomically(torch_path, _torch_file(adapter))
    write_atomically(path, content)


def _torch_file(adapter: Adapter) -> bytes:
    """The adapter as ``torch.load(weights_only=True)`` reads it: a dict of name → fp32 tensor."""
    import torch

    buffer = io.BytesIO()
    torch.save({n: torch.from_numpy(t.copy()) for n, t in adapter.tensors.items()}, buffer)
    return buffer.getvalue()
