"""A load of many users through the ordinary command: ``python -m benchmarks.load``.

Users are pages of the text that the reference base was trained on, so what comes out says nothing
of anybody: it is PLANTED. Measured are time and memory, with few users and with many, and with
adapters trained one at a time and together. No text stays behind.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from pytest_noisefloor.data.contamination import ngrams

from . import machine
from .parts import ROOT

BET = Path(__file__).with_name("load.toml")
TRAIN, HELDOUT = 4000, 1500  # characters of a page
TEST = "def test_everybody_is_measured(noise_floor):\n    assert len(noise_floor.effects) == {}\n"
ALONE = """
from pytest_noisefloor.runs.context import RunContext

RunContext.__init__.__kwdefaults__["stack_size"] = 1
"""
SHOWN = 30  # lines of what a session printed


def pages(packages: Path) -> Iterator[str]:
    """Pages of the mix, in its order, that share no n-gram with one before or within."""
    sys.path.insert(0, str(ROOT / "scripts"))
    from reference_mix import documents

    seen: set[tuple[str, ...]] = set()
    for texts in documents(packages)[0].values():
        for text in texts:
            page = text[: TRAIN + HELDOUT]
            found = ngrams(page)
            repeats = ngrams(page[:TRAIN]) & ngrams(page[TRAIN:])
            if len(page) == TRAIN + HELDOUT and not repeats and not found & seen:
                seen |= found
                yield page


def write_users(texts: Iterator[str], folder: Path, users: int) -> None:
    """Write users into a folder, a page each."""
    for number in range(users):
        page = next(texts)
        heldout = folder / f"user-{number + 1:03}" / "heldout"
        heldout.mkdir(parents=True)
        (heldout.parent / "train.txt").write_text(page[:TRAIN], encoding="utf-8")
        (heldout / "page.txt").write_text(page[TRAIN:], encoding="utf-8")


def session(folder: Path, texts: Path, users: int, *, alone: bool) -> dict[str, Any]:
    """One session's figures: seconds, peak memory, and what it printed at first."""
    folder.mkdir()
    (folder / "test_load.py").write_text(TEST.format(users), encoding="utf-8")
    (folder / "conftest.py").write_text(ALONE if alone else "", encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command += [f"--noisefloor-bet={BET}", f"--noisefloor-users={texts}", "--noisefloor-device=cpu"]
    path = os.pathsep.join([str(ROOT / "harness"), os.environ.get("PYTHONPATH", "")])
    began = time.perf_counter()
    with (folder / "printed").open("wb") as printed:
        child = subprocess.Popen(  # noqa: S603
            command,
            cwd=folder,
            stdout=printed,
            stderr=subprocess.DEVNULL,
            env={**os.environ, "PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
        )
        _, status, used = os.wait4(child.pid, 0)
    seconds = time.perf_counter() - began
    text = (folder / "printed").read_text(encoding="utf-8")
    if status:
        sys.exit(f"{' '.join(command)}: ended with status {status}\n{text[-3000:]}")
    (result,) = (folder / "results").glob("*.json")
    times = json.loads(result.read_text(encoding="utf-8"))["times"]["training_s"].values()
    unit = 1 if sys.platform == "darwin" else 1024
    return {
        "users": users,
        "adapters": "one at a time" if alone else "as the runner groups them",
        "wall_s": round(seconds, 1),
        "cpu_s": round(used.ru_utime + used.ru_stime, 1),
        "peak_rss_mb": round(used.ru_maxrss * unit / 1e6, 1),
        "training_s_per_adapter": round(sum(times) / len(times), 4),
        "result_bytes": result.stat().st_size,
        "printed_bytes": len(text.encode()),
        "printed": text.splitlines()[:SHOWN],
    }


def main() -> None:
    """Measure, print, write JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--packages", type=Path, required=True, help="archives, as scripts/reference_mix.py says"
    )
    parser.add_argument("--few", type=int, default=30, help="users (default: %(default)s)")
    parser.add_argument("--many", type=int, default=300, help="users (default: %(default)s)")
    arguments = parser.parse_args()
    few, many = arguments.few, arguments.many
    facts, load = machine.facts(1), os.getloadavg()[0]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for users in (few, many):
            write_users(pages(arguments.packages), folder / f"texts-{users}", users)
        rows = []
        for users, alone in ((few, True), (few, False), (many, False)):
            at = folder / f"session-{len(rows)}"
            rows.append(session(at, folder / f"texts-{users}", users, alone=alone))
            print(json.dumps(rows[-1], indent=1, ensure_ascii=False), flush=True)
    now = datetime.now(UTC)
    content = {
        "machine": facts,
        "kind": machine.kind(facts),
        "written": now.isoformat(timespec="seconds"),
        "load_before": round(load, 2),
        "bet": BET.read_text(encoding="utf-8"),
        "rows": rows,
    }
    file = Path(__file__).parent / "results" / f"{now.date()}-load-{many}-users.json"
    file.write_text(f"{json.dumps(content, indent=1, ensure_ascii=False)}\n", encoding="utf-8")
    print(f"results: {file}")


if __name__ == "__main__":
    main()
