"""One measurement in a process of its own, so that none warms or weighs on another.

``python -m benchmarks.worker JOB FOLDER``: JOB is JSON, FOLDER takes the result.
"""

from __future__ import annotations

import json
import math
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from pytest_noisefloor.bets.registry import registered_bet
from pytest_noisefloor.data.users import load_users
from pytest_noisefloor.models.head import lm_head
from pytest_noisefloor.models.loading import open_base
from pytest_noisefloor.models.scoring import score
from pytest_noisefloor.runs.context import RunContext
from pytest_noisefloor.runs.progress import ProgressBar
from pytest_noisefloor.runs.record import Record
from pytest_noisefloor.runs.request import Request
from pytest_noisefloor.runs.runner import Runner
from pytest_noisefloor.runs.store import Store
from pytest_noisefloor.specs import MATMULS, Scoring, canonical_json, digest
from pytest_noisefloor.stats.effect import mean_nll
from pytest_noisefloor.training.methods.registry import METHODS

from . import contenders
from .contenders import CONTENDERS, OURS, PEFT
from .machine import PeakMemory
from .shapes import SHAPES
from .timing import spread, timed, timed_once

WARM_UP = 2
"""Steps that are not timed."""


def train(
    folder: Path, *, contender: str, shape: str, steps: int, batch: int, vocabulary: int
) -> dict[str, Any]:
    """Time the steps of one training; the gains are left in FOLDER."""
    if contender == PEFT:
        import peft
        import transformers

        _ = peft.LNTuningConfig, transformers.Trainer  # imported here, so that they weigh nothing
    form = SHAPES[shape].varied(batch=batch, vocabulary=vocabulary)
    model = form.model()
    with _steps(f"  {shape}, {contender}", steps) as (ends, tick):
        memory = PeakMemory()
        began = time.perf_counter()
        gains = CONTENDERS[contender](model, form, steps, tick)
        whole = time.perf_counter() - began
    np.savez(folder / "gains.npz", *gains)
    return {
        "step_s": spread(np.diff(ends)[WARM_UP - 1 :].tolist()),
        "adapter_s": whole,
        "peak_over_base_mb": memory.megabytes(),
        "peak_was_reset": memory.resettable,
        "gains": sum(gain.size for gain in gains),
    }


@contextmanager
def _steps(about: str, count: int) -> Iterator[tuple[list[float], Callable[[], None]]]:
    """The ends of steps, which a call at each of them notes."""
    ends: list[float] = []
    with tqdm(total=count, desc=about, unit="step", leave=False) as bar:

        def tick() -> None:
            ends.append(time.perf_counter())
            bar.update()

        yield ends, tick


def scoring(_: Path, *, shape: str, tokens: int, repeats: int) -> dict[str, Any]:
    """Time the scoring of a held-out slice by the registered windows."""
    model = SHAPES[shape].model()
    head = lm_head(model)
    slice_ = np.random.default_rng(60).integers(SHAPES[shape].vocabulary, size=tokens)
    memory = PeakMemory()

    def once() -> None:
        score(model, head, slice_, 0, Scoring(tokens=tokens))

    seconds = timed(once, repeats, f"  {shape}, scoring")
    return {
        "slice_s": spread(seconds),
        "tokens": tokens,
        "peak_over_base_mb": memory.megabytes(),
    }


def group(_: Path, *, shape: str, steps: int, group: int) -> dict[str, Any]:
    """Time the steps of some adapters that train as one batch; of one, the way of one."""
    form = SHAPES[shape]
    model = form.model()
    with _steps(f"  {shape}, {group} at once", steps) as (ends, tick):
        memory = PeakMemory()
        if group == 1:
            CONTENDERS[OURS](model, form, steps, tick)
        else:
            contenders.group(model, form, steps, group, tick)
    return {
        "step_s": spread(np.diff(ends)[WARM_UP - 1 :].tolist()),
        "peak_over_base_mb": memory.megabytes(),
        "peak_was_reset": memory.resettable,
    }


def files(_: Path, *, shape: str) -> dict[str, Any]:
    """The size of one adapter's file, by contender."""
    return contenders.file_bytes(SHAPES[shape].model())


def store(folder: Path, *, records: int, group: int) -> dict[str, Any]:
    """Write, find, list and read adapters of the reference shape's size."""
    names = [f"model.layers.{n // 2}.norm_{n % 2}.weight" for n in range(9)]
    arrays = {name: np.ones(256, np.float32) for name in names}

    def facts(number: int) -> dict[str, Any]:
        spec = dict.fromkeys("abcdefgh", "0" * 64) | {"number": number}
        return {"spec": spec, "losses": [math.pi] * 100}

    keys = [digest(facts(number)["spec"]) for number in range(records)]
    root = folder / f"store {group}"
    before = Store(root)
    began = time.perf_counter()
    for at in tqdm(range(0, records, group), desc=f"  writing, {group} at a time", leave=False):
        numbers = range(at, min(at + group, records))
        before.put_many("adapters", {keys[n]: Record(arrays, facts(n)) for n in numbers})
    written = time.perf_counter() - began

    fresh = Store(root)  # as another process, which has no index yet
    some = np.random.default_rng(60).permutation(keys)[:2000].tolist()
    times = {
        "first_look_s": timed_once(lambda: fresh.has("adapters", keys[0])),
        "find_s": timed_once(lambda: [fresh.has("adapters", key) for key in some]) / len(some),
        "miss_s": timed_once(lambda: [fresh.has("adapters", key[::-1]) for key in some])
        / len(some),
        "list_s": timed_once(lambda: fresh.keys("adapters")),
        "read_s": timed_once(lambda: [fresh.get("adapters", key) for key in some]) / len(some),
    }
    sizes = [path.stat().st_size for path in root.rglob("*") if path.is_file()]
    payload = sum(array.nbytes for array in arrays.values())
    return {
        "records": records,
        "group": group,
        "write_s": written / records,
        **times,
        "files": len(sizes),
        "bytes": sum(sizes) / records,
        "payload_bytes": payload,
        "facts_bytes": len(canonical_json(facts(0))),
    }


def matmul(_: Path, *, repeats: int) -> dict[str, Any]:
    """The rates of torch's two fp32 matrix products, best of all repeats, in GFLOP/s."""
    found = []
    for label, (m, k, n) in {
        "square": (3072, 3072, 3072),
        "vocabulary, forward": (1024, 256, 49_152),
        "vocabulary, backward": (1024, 49_152, 256),
        "blocks": (1024, 256, 688),
    }.items():
        x, weight = torch.randn(m, k), torch.randn(n, k)
        ways: dict[str, Callable[[], object]] = {
            "BLAS": lambda x=x, w=weight: torch.mm(x, w.T),
        }
        if torch.backends.mkldnn.is_available():
            ways["oneDNN"] = lambda x=x, w=weight: torch.ops.mkldnn._linear_pointwise(
                x, w, None, "none", [], ""
            )
        best = {
            way: 2e-9 * m * k * n / min(timed(once, repeats, f"  {label}, {way}"))
            for way, once in ways.items()
        }
        found.append({"product": label, "m": m, "k": k, "n": n, "gflops": best})
    return {"products": found, "best": max(max(row["gflops"].values()) for row in found)}


def bfloat16(folder: Path, *, base: str, user: str) -> dict[str, Any]:
    """Δ of one user by the registered recipe, and by it with matrix products in bfloat16."""
    bet = registered_bet("bet60")
    (who,) = (one for one in load_users("shipped", bet.users) if one.name == user)
    found: dict[str, Any] = {}
    for matmul in MATMULS:
        runner = Runner(
            RunContext(
                store=Store(folder / "store"),
                base=open_base(base),
                device="cpu",
                method=METHODS[bet.method],
                recipe=replace(bet.recipe, matmul=matmul),
                scoring=bet.scoring,
                progress_bar=ProgressBar(sys.stderr),
            )
        )
        nll, seconds = {}, []
        for arm in (bet.contrast.numerator, bet.contrast.denominator):
            request = Request(who, arm)
            seconds.append(runner.adapter(request).seconds)
            nll[arm] = mean_nll([runner.scores(request, piece) for piece in who.heldout])
        delta = nll[bet.contrast.numerator] - nll[bet.contrast.denominator]
        found[matmul] = {"delta": delta, "adapter_s": seconds, "kernel": runner.kernel}
    low, registered = (found[matmul]["delta"] for matmul in ("bfloat16", "float32"))
    return {"base": base, "user": user, **found, "deviation": low - registered}


JOBS: dict[str, Callable[..., dict[str, Any]]] = {
    "train": train,
    "scoring": scoring,
    "group": group,
    "files": files,
    "store": store,
    "matmul": matmul,
    "bfloat16": bfloat16,
}

if __name__ == "__main__":
    job, folder = json.loads(sys.argv[1]), Path(sys.argv[2])
    torch.set_num_threads(job.pop("threads"))
    result = JOBS[job.pop("job")](folder, **job)
    Path(folder, "result.json").write_text(json.dumps(result), encoding="utf-8")
