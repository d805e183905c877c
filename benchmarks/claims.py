"""The part about many claims: reading a claims file, and adjusting each claim for the others."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import Any

from pytest_noisefloor._files import resource_path
from pytest_noisefloor.claims import Evidence, Families, Repository, judge_evidence, load_claims

from .parts import Plan

COUNTS = (400, 10_000)

ENTRY = """
[[claim]]
id = "c{number}"
bet = "bet60"
base = "organisation/b{number}"
fingerprint = "{base:012x}"
users = "shipped"
method = "norm-only"
asserts = "LENIENT"
evidence = "e{number}.json"
date = 2026-11-26
"""
"""A claim; every four are on one base."""


def claims(plan: Plan) -> dict[str, Any]:  # noqa: ARG001 (every part is given one)
    """Seconds to read so many claims of a file, and to adjust them all.

    One committed evidence file is judged, and stands for that of every claim.
    """
    (judged,) = (
        judge_evidence(one)
        for one in load_claims(resource_path("claims.toml"))
        if one.id == "bet60-reference-not-met"
    )
    return {"rows": [_row(count, judged) for count in COUNTS]}


def _row(count: int, judged: Evidence) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        file = folder / "claims.toml"
        text = "".join(ENTRY.format(number=n, base=n // 4) for n in range(count))
        file.write_text(text.replace('bet = "bet60"', 'bet = "bet60"'), encoding="utf-8")
        began = time.perf_counter()
        found = load_claims(file)
        read = time.perf_counter()
        families = Families(Repository(found, ()), lambda _: judged)
        for one in found:
            families.adjustment(one)
        adjusted = time.perf_counter()
    return {"claims": count, "read_s": read - began, "adjust_s": adjusted - read}
