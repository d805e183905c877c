"""The parts that time the library itself, each job in a fresh process: steps, memory, scoring."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from .shapes import REFERENCE, SHAPES

ROOT = Path(__file__).parent.parent
_QUIET = {"HF_HUB_OFFLINE": "1", "TRANSFORMERS_VERBOSITY": "error", "PYTHONWARNINGS": "ignore"}


class BenchmarkError(Exception):
    """Something without which a part cannot be measured."""


@dataclass(frozen=True)
class Plan:
    """What the command line asks for."""

    threads: int
    steps: int
    large_steps: int
    starts: int
    base: str


def work(plan: Plan, kind: str, folder: Path, **job: Any) -> dict[str, Any]:
    """Carry out one job of worker.py in a process of its own.

    Raises:
        BenchmarkError: it ended without a result.
    """
    words = json.dumps({"job": kind, "threads": plan.threads, **job})
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-m", "benchmarks.worker", words, str(folder)],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        env={**os.environ, **_QUIET, "OMP_NUM_THREADS": str(plan.threads)},
        check=False,
    )
    if done.returncode:
        raise BenchmarkError(f"{kind} {words}: ended with exit status {done.returncode}")
    result: dict[str, Any] = json.loads((folder / "result.json").read_text(encoding="utf-8"))
    return result


def need(*packages: str) -> None:
    """Insist on optional packages before anything is measured.

    Raises:
        BenchmarkError: one is not installed.
    """
    missing = [name for name in packages if find_spec(name) is None]
    if missing:
        raise BenchmarkError(f"{', '.join(missing)} not installed: pip install -e .[bench]")


@dataclass(frozen=True)
class Training:
    """A contender's training at a shape."""

    shape: str
    contender: str
    steps: int
    batch: int
    vocabulary: int


def steps(plan: Plan) -> dict[str, Any]:
    """Training steps of all contenders against the roofline, which is measured before and after."""
    need("peft", "accelerate")
    from .contenders import CONTENDERS, PLAIN

    jobs = [
        Training(name, contender, count, SHAPES[name].batch, SHAPES[name].vocabulary)
        for name, count in zip(SHAPES, (plan.steps, plan.large_steps), strict=True)
        for contender in CONTENDERS
    ]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        before = work(plan, "matmul", folder, repeats=10)
        rows = list(trained(plan, jobs, folder))
        after = work(plan, "matmul", folder, repeats=10)
    best = max(before["best"], after["best"])
    for row in rows:
        shape = SHAPES[row["shape"]]
        peers = {r["contender"]: r for r in rows if r["shape"] == row["shape"]}
        seconds = row["step_s"]["median"]
        rate = shape.flops()["total"] / seconds / 1e9
        row |= {
            "tokens_per_s": shape.tokens / seconds,
            "gflops": rate,
            "roofline_share": rate / best,
            "largest_gain_difference_to_plain": max(
                float(np.abs(a - b).max())
                for a, b in zip(row["values"], peers[PLAIN]["values"], strict=True)
            ),
        }
    for row in rows:
        del row["values"]
    return {
        "shapes": {
            name: {**asdict(shape), "step_flops": shape.flops()} for name, shape in SHAPES.items()
        },
        "rows": rows,
        "roofline": {"gflops": best, "before": before, "after": after},
    }


def memory(plan: Plan) -> dict[str, Any]:
    """How the peak over the loaded base grows with the batch and with the vocabulary."""
    from .contenders import OURS, PLAIN

    shape = SHAPES[REFERENCE]
    jobs = [
        Training(REFERENCE, contender, 4, batch, vocabulary)
        for contender in (PLAIN, OURS)
        for batch in (shape.batch, 2 * shape.batch)
        for vocabulary in (shape.vocabulary, 2 * shape.vocabulary)
    ]
    with tempfile.TemporaryDirectory() as scratch:
        rows = list(trained(plan, jobs, Path(scratch)))
    kept = ("contender", "batch", "vocabulary", "peak_over_base_mb", "peak_was_reset")
    return {"rows": [{key: row[key] for key in kept} for row in rows]}


def scoring(plan: Plan) -> dict[str, Any]:
    """Held-out tokens scored a second at the registered window and stride."""
    with tempfile.TemporaryDirectory() as scratch:
        row = work(plan, "scoring", Path(scratch), shape=REFERENCE, tokens=8192, repeats=5)
    return {"rows": [{"shape": REFERENCE, **row, "tokens_per_s": 8192 / row["slice_s"]["median"]}]}


def bfloat16(plan: Plan) -> dict[str, Any]:
    """How far Δ moves where a recipe's matrix products are made in bfloat16: one shipped user."""
    with tempfile.TemporaryDirectory() as scratch:
        return work(plan, "bfloat16", Path(scratch), base=plan.base, user="programmer")


def trained(plan: Plan, jobs: list[Training], folder: Path) -> Iterator[dict[str, Any]]:
    """Each training's figures, and the gains that it left as ``values``."""
    for job in tqdm(jobs, desc="trainings", unit="run", leave=False):
        facts = work(plan, "train", folder, **asdict(job))
        with np.load(folder / "gains.npz") as file:
            values = [file[name] for name in file.files]
        yield {**asdict(job), **facts, "values": values}
