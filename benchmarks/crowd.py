"""The parts about many adapters at once: training them as one batch, and keeping 100,000."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Any

from tqdm import tqdm

from pytest_noisefloor.specs import Recipe

from .parts import Plan, Training, need, trained, work
from .shapes import REFERENCE, SHAPES

GROUPS = (1, 8, 64)
STEPS = 4
"""Steps that are run: two warm up, two are timed."""

REGISTERED = Recipe().steps
"""Steps that an adapter takes by the registered recipe."""

STORED = 100_000


def many(plan: Plan) -> dict[str, Any]:
    """Adapters a second as they share a batch, beside PEFT under the Trainer."""
    need("peft", "accelerate")
    from .contenders import PEFT

    shape = SHAPES[REFERENCE]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        job = Training(REFERENCE, PEFT, 2 * STEPS, shape.batch, shape.vocabulary)
        (peft,) = trained(plan, [job], folder)
        rows = [{"what": PEFT, "group": 1, **peft}]
        for group in tqdm(GROUPS, desc="groups", leave=False):
            facts = work(plan, "group", folder, shape=REFERENCE, steps=STEPS, group=group)
            rows.append({"what": "noisefloor", "group": group, **facts})
        files = work(plan, "files", folder, shape=REFERENCE)
    for row in rows:
        row.pop("values", None)
        seconds = REGISTERED * row["step_s"]["median"] / row["group"]
        row |= {
            "seconds_per_adapter": seconds,
            "adapters_per_s": 1 / seconds,
            "file_bytes": files[row["what"]],
        }
    return {"shape": asdict(shape), "registered_steps": REGISTERED, "rows": rows}


def store(plan: Plan) -> dict[str, Any]:
    """Writing, finding, listing and reading adapters of 9 KB, by the hundred thousand."""
    with tempfile.TemporaryDirectory() as scratch:
        rows = [
            work(plan, "store", Path(scratch), records=records, group=group)
            for records, group in tqdm(((STORED, 64), (STORED // 10, 1)), leave=False)
        ]
    return {"rows": rows}
