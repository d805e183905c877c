"""The command: ``python -m benchmarks [part ...]``."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pytest_noisefloor.specs import DEFAULT_BASE

from . import claims, crowd, given, machine, parts, sessions
from .parts import BenchmarkError, Plan
from .tables import show

PARTS: dict[str, Callable[[Plan], dict[str, Any]]] = {
    "steps": parts.steps,
    "memory": parts.memory,
    "scoring": parts.scoring,
    "many": crowd.many,
    "store": crowd.store,
    "claims": claims.claims,
    "check": given.check,
    "bfloat16": parts.bfloat16,
    "plugin": sessions.plugin,
    "tiers": sessions.tiers,
}
RESULTS = Path(__file__).parent / "results"


def main(argv: Sequence[str] | None = None) -> int:
    """Measure, print tables, write JSON; 0, or 2 with one line where something is missing."""
    arguments = _parser().parse_args(argv)
    try:
        _measure(arguments)
    except BenchmarkError as error:
        print(f"error: {error}", file=sys.stderr)
        return 2
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks",
        description="Measure noisefloor side by side with its peers on this machine. Nothing is "
        "asserted. Parts: steps (a training step: PEFT with Trainer, a plain loop, noisefloor, "
        "against the best measured matrix product), memory (peak over the loaded base as batch "
        "and vocabulary grow), scoring (held-out tokens a second), many (adapters that train as "
        "one batch, beside PEFT with Trainer), store (a hundred thousand adapters kept), claims "
        "(400 and 10,000 of them read and adjusted), check (3 and 37 adapters that others "
        "trained), bfloat16 (what it does to Δ to train with such matrix products), plugin (what "
        "it adds to another project's pytest), tiers (whole sessions, cold and warm). Default: all "
        "of them.",
        epilog="A later call on the same day adds its parts to the same file. Leave the machine "
        "alone meanwhile.",
    )
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    parser.add_argument("parts", nargs="*", metavar="PART", help=", ".join(PARTS))
    parser.add_argument(
        "--threads", type=int, default=cores, help="of torch (default: %(default)s)"
    )
    parser.add_argument("--steps", type=int, default=100, help="reference shape (default: 100)")
    parser.add_argument("--large-steps", type=int, default=7, help="SmolLM2's shape (default: 7)")
    parser.add_argument("--starts", type=int, default=21, help="of pytest, each way (default: 21)")
    parser.add_argument(
        "--base", default=DEFAULT_BASE, help="of tiers and check (default: %(default)s)"
    )
    parser.add_argument(
        "--results", type=Path, default=RESULTS, help="folder of the JSON (default: beside this)"
    )
    return parser


def _measure(arguments: argparse.Namespace) -> None:
    wanted = arguments.parts or list(PARTS)
    unknown = [part for part in wanted if part not in PARTS]
    if unknown:
        raise BenchmarkError(f"part {unknown[0]!r}: expected {', '.join(PARTS)}")
    if min(arguments.steps, arguments.large_steps) < 4:  # noqa: PLR2004 (two warm up, two are timed)
        raise BenchmarkError("--steps and --large-steps: expected at least 4")
    plan = Plan(
        threads=arguments.threads,
        steps=arguments.steps,
        large_steps=arguments.large_steps,
        starts=arguments.starts,
        base=arguments.base,
    )
    facts = machine.facts(plan.threads)
    print(_sentence(facts))
    now = datetime.now(UTC)
    file = arguments.results / f"{now.date()}-{machine.kind(facts)}.json"
    for part in wanted:
        began, load = datetime.now(UTC), os.getloadavg()[0]
        found = PARTS[part](plan)
        stamp = {"began": began.isoformat(timespec="seconds"), "load_before": round(load, 2)}
        print(f"\n{part} (load before: {load:.1f})\n{show(part, found)}", flush=True)
        _add(file, facts, part, {**stamp, **found})
    print(f"\nresults: {file}")


def _sentence(facts: dict[str, Any]) -> str:
    packages = ", ".join(f"{name} {v}" for name, v in facts["packages"].items() if v)
    return (
        f"{facts['cpu']}, {facts['cores']} cores, {facts['threads']} threads, "
        f"{facts['instructions']}; {facts['system']}, Python {facts['python']}\n{packages}\n"
        f"BLAS {facts['blas']}; {', '.join(facts['libraries'])}"
    )


def _add(file: Path, facts: dict[str, Any], part: str, found: dict[str, Any]) -> None:
    """Put a part's figures into the day's file, which starts anew on changed software."""
    day: dict[str, Any] = {"machine": facts, "parts": {}}
    if file.is_file():
        earlier = json.loads(file.read_text(encoding="utf-8"))
        if earlier["machine"] == facts:
            day = earlier
    day["parts"][part] = found
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(f"{json.dumps(day, indent=1, ensure_ascii=False)}\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
