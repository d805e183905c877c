"""The parts that time pytest sessions from outside: plugin and tiers."""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
import time
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from tqdm import tqdm

from .parts import ROOT, BenchmarkError, Plan
from .timing import spread

RESULT = "60_norm_only_noise_floor.json"
_PYTEST = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
_WATCHED = (
    "import sys, pytest; pytest.main(['-q', '-p', 'no:cacheprovider']); print(sorted(sys.modules))"
)


def plugin(plan: Plan) -> dict[str, Any]:
    """What the plugin adds to another project's pytest, whether it brings torch, and collection.

    Starts with and without the plugin alternate, so that a drift of the machine touches both.
    """
    ways = {"with": [], "without": ["-p", "no:noisefloor"]}
    seconds: dict[str, list[float]] = {way: [] for way in ways}
    with tempfile.TemporaryDirectory() as project:
        Path(project, "test_nothing.py").write_text("def test(): pass\n", encoding="utf-8")
        Path(project, "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
        for at in tqdm(range(-1, plan.starts), desc="starts of pytest", leave=False):
            for way, words in ways.items():
                took, _ = _call([*_PYTEST, *words], Path(project))
                if at >= 0:  # the first of each fills the caches
                    seconds[way].append(took)
        _, modules = _call([sys.executable, "-c", _WATCHED], Path(project))
    added = [a - b for a, b in zip(seconds["with"], seconds["without"], strict=True)]
    collected = [_call([*_PYTEST, "--collect-only"], ROOT) for _ in range(3)]
    return {
        "rows": [
            {"what": "pytest with the plugin", "s": spread(seconds["with"])},
            {"what": "pytest without it", "s": spread(seconds["without"])},
            {"what": "added, by pairs", "s": spread(added)},
            {"what": "collecting this repository", "s": spread([t for t, _ in collected])},
        ],
        "torch_imported": "'torch'" in modules,
        "collected": _last_line(collected[0][1]),
    }


def tiers(plan: Plan) -> dict[str, Any]:
    """The wall time of whole sessions; a failing one is timed like any, and its outcome printed."""
    with tempfile.TemporaryDirectory() as scratch:
        full = [*_PYTEST, "-m", "full", f"--noisefloor-base={plan.base}"]
        alone, shared = f"--noisefloor-out={scratch}/1", f"--noisefloor-out={scratch}/2"
        rejudge = [sys.executable, "-m", "pytest_noisefloor", "rejudge"]
        sessions = {
            "fast": _PYTEST,
            f"full, {plan.base}, cold": [*full, alone],
            f"full, {plan.base}, warm": [*full, alone],
            "judge its result again": [*rejudge, f"{scratch}/1/results/{RESULT}"],
        }
        if find_spec("xdist"):
            sessions[f"full, {plan.base}, cold, -n 2"] = [*full, shared, "-n", "2"]
        rows = []
        for what in (bar := tqdm(sessions, leave=False)):
            bar.set_description(what)
            took, printed = _call(sessions[what], ROOT)
            rows.append({"what": what, "s": took, "outcome": _last_line(printed)})
    return {"rows": rows}


def _call(words: list[str], folder: Path) -> tuple[float, str]:
    """Wall seconds and standard output of a command that is expected to get to its end."""
    began = time.perf_counter()
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)  # noqa: S603
    took = time.perf_counter() - began
    if done.returncode not in {0, 1}:  # 1: some test failed, which is no matter of time
        problem = _last_line(done.stderr or done.stdout)
        raise BenchmarkError(f"{words[2]} ended with exit status {done.returncode}: {problem}")
    return took, done.stdout


def _last_line(text: str) -> str:
    lines = [line for line in text.splitlines() if line.strip()]
    return re.sub(r" in [\d.]+s.*", "", lines[-1]) if lines else ""
