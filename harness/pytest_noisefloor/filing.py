"""Files that a study leaves: its result, and the adapters that go by a bet's names."""

from __future__ import annotations

import io
import json
import platform
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import UTC, datetime
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from safetensors.numpy import save

from .arms import UNTRAINED, open_arm
from .bets import Bet
from .conditions import conditions
from .judge import Verdict
from .lineup import Entrant
from .recipe import SCORER
from .records import write_atomically
from .results import SCHEMA, bet_record, resolved_record, seal, verdict_record
from .runner import Runner
from .runs import Adapter
from .statistics import Effect
from .tally import CELL, Tally

LARGEST_FILE = 2**20
"""Bytes of an adapter up to which it gets files of its own; a larger one stays in the store."""


@dataclass(frozen=True)
class Unit:
    """What is kept of one unit's scores: far less than the scores."""

    effect: Effect
    tally: Tally
    record: dict[str, Any]


@dataclass(frozen=True)
class Filed:
    """An adapter by its name in files, without tensors, of which memory may not hold all."""

    entrant: Entrant
    adapter: Adapter
    count: int
    nbytes: int
    stem: str
    written: bool


def file_adapters(
    entrants: Sequence[Entrant], out: Path, *, bet: Bet, prefix: str, first_seed: int
) -> list[Filed]:
    """Write the files of the adapters that a level rests on; the first seed's have no seed's name.

    The arm of reach has no part in a level: its adapters, trained on held-out text, are kept in the
    store alone, as are other users' and large ones.
    """
    filed: dict[str, Filed] = {}
    # a user's own before the same adapter in another user's column
    for entrant in sorted(entrants, key=lambda one: not one.own):
        if entrant.name == UNTRAINED or entrant.label not in bet.statistic.compared:
            continue
        request = entrant.request
        key = entrant.runner.run_spec(request).key
        if key in filed:
            continue
        adapter = entrant.runner.adapter(request)
        seed = "" if request.seed == first_seed else f"_seed{request.seed}"
        stem = f"{prefix}{bet.id}_{entrant.name}_{entrant.user}{seed}"
        written = entrant.own and adapter.nbytes <= LARGEST_FILE
        if written:
            _write(adapter, out / "out" / f"{stem}.safetensors")
        bare = replace(adapter, tensors={})
        filed[key] = Filed(entrant, bare, adapter.count, adapter.nbytes, stem, written)
    return list(filed.values())


def result(
    *,
    bet: Bet,
    runner: Runner,
    seeds: Sequence[int],
    verdict: Verdict,
    units: Sequence[Unit],
    repeats: Sequence[str],
    filed: Sequence[Filed],
) -> dict[str, Any]:
    """The content of a result file; docs/results.md describes it."""
    own = next(one for one in filed if one.entrant.runner is runner)
    methods = {one.entrant.runner.method for one in filed} - {runner.method}
    arms = {one.entrant.request.arm for one in filed}
    arms |= {c.arm for c in conditions(bet.statistic.reach)}
    resolved = resolved_record(verdict)
    times = {one.stem: one.adapter.seconds for one in filed}
    content = {
        "schema": SCHEMA,
        "bet": bet_record(bet),
        "base": {
            "name": runner.base.name,
            "fingerprint": runner.base.fingerprint,
            "model": runner.base.model_fingerprint,
        },
        "method": {
            "name": runner.method.name,
            "trained_values": own.count,
            "adapter_bytes": own.nbytes,
        },
        "versions": {
            "method": runner.method.version,
            "other_methods": {m.name: m.version for m in sorted(methods, key=lambda m: m.name)},
            "arms": {arm: open_arm(arm).version for arm in sorted(arms)},
            "scorer": SCORER,
        },
        "recipe": asdict(runner.recipe),
        "kernel": runner.kernel,
        "scoring": asdict(runner.scoring),
        "seeds": list(seeds),
        "cell": CELL,
        "users": [unit.record | resolved.get(unit.effect.user, {}) for unit in units],
        **({"repeats": list(repeats)} if bet.statistic.by_cell else {}),
        "adapters": [
            {
                "name": one.stem,
                "user": one.adapter.user,
                "arm": one.adapter.arm,
                "seed": one.adapter.seed,
                "method": one.entrant.runner.method.name,
                "lr": one.entrant.runner.recipe.lr,
                "trained_values": one.count,
                "bytes": one.nbytes,
                "key": one.adapter.key,
                "file": f"out/{one.stem}.pt" if one.written else None,
                "first_loss": one.adapter.losses[0],
                "last_loss": one.adapter.losses[-1],
            }
            for one in filed
        ],
        "verdict": verdict_record(verdict),
        "times": {
            "written": datetime.now(UTC).isoformat(timespec="seconds"),
            "training_s": {stem: round(seconds, 3) for stem, seconds in times.items()},
            "over_budget": [
                stem for stem, seconds in times.items() if seconds > runner.recipe.budget_s
            ],
        },
        "environment": {
            "python": platform.python_version(),
            "platform": platform.platform(),
            "machine": platform.machine(),
            "device": runner.device,
            **{name: version(name) for name in ("numpy", "torch", "transformers")},
            **({"peft": version("peft")} if find_spec("peft") else {}),
            "pytest-noisefloor": version("pytest-noisefloor"),
        },
    }
    return content | {"seal": seal(content)}


def write_result(path: Path, content: dict[str, Any]) -> None:
    """Write a result file whole or not at all."""
    text = json.dumps(content, indent=1, ensure_ascii=False)
    write_atomically(path, f"{text}\n".encode())


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
