"""One measurement in a process of its own, so that none warms or weighs on another.

``python -m benchmarks.worker JOB FOLDER``: JOB is JSON, FOLDER takes the result.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from pytest_noisefloor.loss import head_of
from pytest_noisefloor.recipe import Scoring
from pytest_noisefloor.scoring import score

from .contenders import CONTENDERS, PEFT
from .machine import PeakMemory
from .shapes import SHAPES
from .timing import spread, timed

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
    ends: list[float] = []
    with tqdm(total=steps, desc=f"  {shape}, {contender}", unit="step", leave=False) as bar:

        def tick() -> None:
            ends.append(time.perf_counter())
            bar.update()

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


def scoring(_: Path, *, shape: str, tokens: int, repeats: int) -> dict[str, Any]:
    """Time the scoring of a held-out slice by the registered windows."""
    model = SHAPES[shape].model()
    head = head_of(model)
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


JOBS: dict[str, Callable[..., dict[str, Any]]] = {
    "train": train,
    "scoring": scoring,
    "matmul": matmul,
}

if __name__ == "__main__":
    job, folder = json.loads(sys.argv[1]), Path(sys.argv[2])
    torch.set_num_threads(job.pop("threads"))
    result = JOBS[job.pop("job")](folder, **job)
    Path(folder, "result.json").write_text(json.dumps(result), encoding="utf-8")
