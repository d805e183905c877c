"""What was found of adapters that others trained, for a terminal and as JSON."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from pytest_noisefloor.errors import plain

from .layout import Column, terminal_table

if TYPE_CHECKING:
    from pytest_noisefloor.models import AppliedAdapter, Finding

LIMITS = (
    "This says whether the adapters are applied, no more. Whether an adapter beats one that was "
    "trained on random tokens needs its training: give noisefloor the method and the users' texts."
)


def render_applied(adapters: Sequence[AppliedAdapter]) -> str:
    """One table for each adapter, and how many are applied."""
    columns: list[Column[Finding]] = [
        Column("check", lambda one: one.check, left=True),
        Column("", lambda one: one.state, left=True),
        Column("found", lambda one: one.figure, left=True),
        Column("what to do", lambda one: one.advice, left=True),
    ]
    tables = [
        f"{plain(one.name)}: {one.state}\n\n{terminal_table(columns, one.findings)}"
        for one in adapters
    ]
    states = [one.state for one in adapters]
    counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    count = "1 adapter" if len(adapters) == 1 else f"{len(adapters)} adapters"
    return "\n\n".join([*tables, f"{count}: {counts}.", LIMITS])


def applied_json(base: str, adapters: Sequence[AppliedAdapter]) -> str:
    """The same as JSON."""
    found = [
        {
            "name": one.name,
            "state": one.state,
            "findings": [finding._asdict() for finding in one.findings],
        }
        for one in adapters
    ]
    return json.dumps({"base": base, "adapters": found}, indent=2)
