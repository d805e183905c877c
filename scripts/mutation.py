"""Do the tests notice when the code changes? Mutants by Cosmic Ray, against their own fast tests.

    python scripts/mutation.py                    # all of it
    python scripts/mutation.py data.arms sample   # some modules, or the sample of the sampled ones

A module is named by its path below the package, as it is imported: data/arms.py is data.arms.
Mutants are made in copies of the checkout. Each is tested in a fork of a process that has loaded
the large libraries. Annotations are not mutated. Prints a table and the survivors; fails if one has
no reason in docs/mutation.md, if a reason there has no survivor, or if fewer than 90 % were killed.
"""

from __future__ import annotations

import ast
import difflib
import gc
import hashlib
import importlib
import json
import multiprocessing
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from cosmic_ray.mutating import use_mutation
from cosmic_ray.plugins import get_operator
from cosmic_ray.work_db import WorkDB, use_db
from cosmic_ray.work_item import MutationSpec, TestOutcome, WorkerOutcome, WorkItem, WorkResult

CHECKOUT = Path(__file__).resolve().parents[1]
REASONS = CHECKOUT / "docs" / "mutation.md"

_BETS = [f"unit/bets/test_{page}.py" for page in ("bet", "lock", "registry", "registry_own_bet")]
_PAGES = ("judging", "judging_by_hand", "judging_reach", "judging_pairs", "error_rates", "reach")
_JUDGING = [f"unit/bets/test_{page}.py" for page in _PAGES]
WHOLE = {
    "data.arms": ["unit/data/test_arms.py", "unit/data/test_arms_own.py"],
    "bets.bet": [*_BETS, "unit/bets/test_judging.py", "unit/report/test_labels.py"],
    "bets.bet_file": [*_BETS, "repo/test_schemas.py"],
    "bets.registry": [*_BETS, "unit/results/test_rejudging_own_bet.py"],
    "bets.lock": _BETS,
    "bets.locking": ["unit/bets/test_locking.py"],
    "bets.judging": [*_JUDGING, "unit/report/test_prose_chance.py"],
    "claims.claims_file": ["unit/claims/test_claim.py", "repo/test_schemas.py"],
    "claims.claim": [
        *("unit/claims/test_claim.py", "unit/claims/test_claim_own_bet.py"),
        *("plugin/test_claim_items.py", "plugin/test_withdrawn.py"),
        "plugin/test_outcomes_claimed.py::test_a_criterion_is_held_to_its_claim_and_the_claim_fails_with_it",
    ],
}
_STATS = ("blocks", "groups", "spread", "inference", "inference_by_hand", "significance")
_INFERENCE = [
    *(f"unit/stats/test_{page}.py" for page in (*_STATS, "equivariance")),
    *("validity/test_coverage.py", "validity/test_false_alarms.py"),
    "unit/bets/test_judging_reach.py",
]
SAMPLED = {
    "stats.effect": ["unit/stats/test_effect.py", "unit/stats/test_contrast.py"],
    "stats.contrast": ["unit/stats/test_effect.py", "unit/stats/test_contrast.py"],
    **dict.fromkeys(("stats.blocks", "stats.groups", "stats.inference"), _INFERENCE),
    "stats.spread": _INFERENCE,
    "stats.significance": [*_INFERENCE, "unit/results/test_rejudging_pairs.py"],
    "models.scoring": ["unit/models/test_scoring.py"],
}
"""Modules and what proves each, below noisefloor_tests/; with it goes what is checked of all."""

OF_ALL = "repo/test_code.py"
OPTIONS = [
    *("-x", "-q", "--tb=no", "--hypothesis-profile=mutation"),
    *("-p", "no:randomly", "-p", "no:cacheprovider", "-p", "no:xdist"),
]
LOADED = ("hypothesis", "numpy", "scipy.stats", "torch", "transformers")
"""What every mutant's process has without loading it: nothing of the project."""

FORK = multiprocessing.get_context("fork")
SAMPLE, SEED = 200, 60
"""So many mutants of the sampled modules together are drawn by this seed."""

LEAST = 0.9
CPU_S = 30
"""Of processor time, three times what the slowest tests take: a mutant that asks for more has
failed them. So has one that is not done after TIMEOUT_S, which no loaded machine should need."""

TIMEOUT_S = 300.0
MEMORY = 8 * 2**30
"""Bytes of address space: a mutant that asks for more has failed its tests."""


@dataclass(frozen=True)
class Survivor:
    """A mutant that no test noticed: where it is, and the line before and behind."""

    where: str
    old: str
    new: str

    def __str__(self) -> str:
        return f"`{self.where}`: `{self.old}` → `{self.new}`"


def main(names: list[str]) -> int:
    """Mutate what is named, or all, and report; 0 if all is as documented."""
    known = [*WHOLE, "sample"]
    if unknown := sorted({*names} - {*known}):
        sys.exit(f"{', '.join(unknown)}: expected {', '.join(known)}")
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY, MEMORY))  # of every process from here on
    os.environ["OMP_NUM_THREADS"] = "1"
    for library in LOADED:
        importlib.import_module(library)
    gc.freeze()  # or every mutant's process would look through all of it for garbage
    chosen = names or known
    modules = {name: tests for name, tests in WHOLE.items() if name in chosen}
    modules |= SAMPLED if "sample" in chosen else {}
    with tempfile.TemporaryDirectory() as scratch:
        folders = {name: Path(scratch, name) for name in modules}
        for name, folder in folders.items():
            prepare(name, modules[name], folder)
        if "sample" in chosen:
            sample([folders[name] for name in SAMPLED])
        with ProcessPoolExecutor(os.cpu_count(), mp_context=FORK) as pool:
            list(pool.map(execute, folders.values()))
        found = {name: list(completed(folder)) for name, folder in folders.items()}
    return report(found, whole=not names)


def prepare(name: str, tests: list[str], folder: Path) -> None:
    """A copy of what the tests need, its session, and a run without any mutant, which must pass."""
    folder.mkdir()
    for part in ("harness", "noisefloor_tests", "fixtures", "scripts"):
        compiled = shutil.ignore_patterns("__pycache__")
        shutil.copytree(CHECKOUT / part, folder / part, ignore=compiled)
    shutil.copy(CHECKOUT / "conftest.py", folder)
    module = folder / "harness" / "pytest_noisefloor" / f"{name.replace('.', '/')}.py"
    (folder / "tests.json").write_text(json.dumps([*tests, OF_ALL]))
    (folder / "config.toml").write_text(
        "[cosmic-ray]\n"
        f"module-path = {json.dumps(str(module))}\n"
        "timeout = 0\n"
        "excluded-modules = []\n"
        'test-command = ""\n'
        '[cosmic-ray.distributor]\nname = "local"\n'
    )
    check(folder, written=True)
    for compiled_module in module.parent.glob(f"__pycache__/{module.stem}.*"):
        compiled_module.unlink()  # a mutant of the same second and length would pass for it
    init = [str(Path(sys.executable).with_name("cosmic-ray")), "init", "--force"]
    subprocess.run([*init, "config.toml", "session.sqlite"], cwd=folder, check=True)  # noqa: S603
    left_out = annotations(module.read_text(encoding="utf-8"))
    with session(folder) as work:
        skip(work, [i.job_id for i in work.pending_work_items if spec(i).start_pos in left_out])


def sample(folders: list[Path]) -> None:
    """Leave SAMPLE pending mutants, drawn from those of all folders together.

    By a hash of which of its function's mutants of a kind each is, so that a change of one function
    draws others of that function alone.
    """
    drawn = []
    for folder in folders:
        with session(folder) as work:
            items = sorted(work.pending_work_items, key=identity)
        numbers = Counter[str]()
        for item in items:
            kind = f"{folder.name}.{spec(item).definition_name} {spec(item).operator_name}"
            numbers[kind] += 1
            draw = hashlib.sha256(f"{SEED} {kind} {numbers[kind]}".encode()).hexdigest()
            drawn.append((draw, folder, item.job_id))
    left_out = sorted(drawn)[SAMPLE:]
    for folder in folders:
        with session(folder) as work:
            skip(work, [job for _, where, job in left_out if where == folder])


def execute(folder: Path) -> None:
    """Run the tests on every pending mutant, and again on none."""
    with session(folder) as work:
        for item in list(work.pending_work_items):
            work.set_result(item.job_id, tested(item, folder))
    check(folder)


def check(folder: Path, *, written: bool = False) -> None:
    """Stop where the tests fail without any mutant; bytecode may be written."""
    if not passes(folder, written=written):
        sys.exit(f"{folder.name}: its tests fail as it is\n{(folder / 'output').read_text()}")


def tested(item: WorkItem, folder: Path) -> WorkResult:
    """What the tests say of one mutant."""
    mutation = spec(item)
    operator = get_operator(mutation.operator_name)(**mutation.operator_args)
    with use_mutation(mutation.module_path, operator, mutation.occurrence) as (old, new):
        if new is None:
            sys.exit(f"{mutation}: nothing to change")
        outcome = TestOutcome.SURVIVED if passes(folder) else TestOutcome.KILLED
    diff = difflib.unified_diff(old.split("\n"), new.split("\n"), lineterm="")
    return WorkResult(WorkerOutcome.NORMAL, None, outcome, "\n".join(diff))


def passes(folder: Path, *, written: bool = False) -> bool:
    """Whether a copy's tests pass in time, in a process of their own."""
    process = FORK.Process(target=run, args=(folder, written))
    process.start()
    process.join(TIMEOUT_S)
    if process.is_alive():
        os.killpg(process.pid or 0, signal.SIGKILL)
    process.join()
    return process.exitcode == 0


def run(folder: Path, written: bool) -> None:
    """Run a copy's tests in this process, which ends with pytest's exit code."""
    os.setsid()  # what a test starts is killed with it
    os.chdir(folder)
    resource.setrlimit(resource.RLIMIT_CPU, (CPU_S, CPU_S))
    with Path("output").open("wb") as output:
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    first = [str(folder / "harness"), str(folder)]
    sys.path[:0] = first
    os.environ["PYTHONPATH"] = os.pathsep.join(first)
    if not written:
        sys.dont_write_bytecode = True
        os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    files = json.loads(Path("tests.json").read_text(encoding="utf-8"))
    sys.exit(pytest.main([*OPTIONS, *(f"noisefloor_tests/{file}" for file in files)]))


def completed(folder: Path) -> Iterator[Survivor | None]:
    """Each mutant that ran: a survivor, or None for one that was killed."""
    with session(folder) as work:
        for item, result in sorted(work.completed_work_items, key=lambda pair: identity(pair[0])):
            if result.worker_outcome == WorkerOutcome.SKIPPED:
                continue
            if result.test_outcome != TestOutcome.SURVIVED:
                yield None
                continue
            lines = (result.diff or "").split("\n")
            old, new = (
                " ".join(x[1:].strip() for x in lines if x[:1] == sign and x[:3] != 3 * sign)
                for sign in "-+"
            )
            where = [folder.name, spec(item).definition_name]
            yield Survivor(".".join(filter(None, where)), old, new)


def report(found: dict[str, list[Survivor | None]], *, whole: bool) -> int:
    """Print the table and what is not as documented."""
    print("| module | mutants | killed | share |\n|---|---|---|---|")
    for name, mutants in [*found.items(), ("all", [m for ms in found.values() for m in ms])]:
        killed = mutants.count(None)
        print(f"| {name} | {len(mutants)} | {killed} | {killed / max(1, len(mutants)):.1%} |")
    survivors = [one for mutants in found.values() for one in mutants if one is not None]
    text = REASONS.read_text(encoding="utf-8") if REASONS.is_file() else ""
    reasons = {*re.findall(r"^- (`.*` → `.*`):\s+\S", text, re.MULTILINE)}
    fresh = [one for one in survivors if str(one) not in reasons]
    for one in fresh:
        print(f"no reason in {REASONS.name}: {one}")
    gone = sorted(reasons - {*map(str, survivors)}) if whole else []
    for line in gone:
        print(f"killed, or no mutant any more, but listed in {REASONS.name}: {line}")
    total = sum(map(len, found.values()))
    few = total - len(survivors) < LEAST * total
    return int(bool(fresh or gone or few))


# --- Cosmic Ray --------------------------------------------------------------------------------


def session(folder: Path) -> Any:
    """The open database of a module's mutants."""
    return use_db(str(folder / "session.sqlite"), WorkDB.Mode.open)


def spec(item: WorkItem) -> MutationSpec:
    """The one mutation of a mutant."""
    (mutation,) = item.mutations
    return mutation


def identity(item: WorkItem) -> tuple[Any, ...]:
    """What a mutant is, in every session."""
    return spec(item).start_pos, spec(item).operator_name, spec(item).occurrence


def skip(work: WorkDB, jobs: list[str]) -> None:
    """Count mutants as not run."""
    work.set_multiple_results(jobs, WorkResult(worker_outcome=WorkerOutcome.SKIPPED))


def annotations(source: str) -> set[tuple[int, int]]:
    """Every position (line, column) inside an annotation."""
    nodes = [*ast.walk(ast.parse(source))]
    found = [getattr(node, "annotation", None) for node in nodes]
    found += [getattr(node, "returns", None) for node in nodes]
    return {
        (line, column)
        for node in found
        if isinstance(node, ast.expr)
        for line in range(node.lineno, (node.end_lineno or 0) + 1)
        for column in range(node.col_offset, 101 if line < node.end_lineno else node.end_col_offset)
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
