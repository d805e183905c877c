"""What was found of adapters that others trained, for a terminal and as JSON."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pytest_noisefloor.errors import plain
from pytest_noisefloor.stats import ALPHA

from .labels import quotient
from .layout import Column, terminal_table

if TYPE_CHECKING:
    from pytest_noisefloor.models import AppliedAdapter, Finding
    from pytest_noisefloor.runs import GivenUser, GivenUsers

LIMITS = (
    "Whether an adapter beats one that was trained on random tokens is not said: that needs its "
    "training, with the user's text and with random tokens."
)
NOT_SCORED = "No text was scored, since an adapter does not fit or its values are no numbers."
NO_USERS = "Whose the adapters are, and whether they help, is not said without --users."


def render_applied(base: str, adapters: Sequence[AppliedAdapter], users: GivenUsers | None) -> str:
    """How many adapters are applied, a table for each that is not, and what they do for users."""
    columns: list[Column[Finding]] = [
        Column("check", lambda one: one.check, left=True),
        Column("", lambda one: one.state, left=True),
        Column("found", lambda one: one.figure, left=True),
        Column("what to do", lambda one: one.advice, left=True),
    ]
    tables = [
        f"{plain(one.name)}: {one.state}\n\n{terminal_table(columns, one.findings)}"
        for one in adapters
        if one.state != "ok" or len(adapters) == 1
    ]
    states = [one.state for one in adapters]
    counts = ", ".join(f"{states.count(state)} {state}" for state in dict.fromkeys(states))
    count = "1 adapter" if len(adapters) == 1 else f"{len(adapters)} adapters"
    if users is not None:
        of_users = [_users_table(users), _users_words(users)]
    else:
        of_users = [NO_USERS if all(one.usable for one in adapters) else NOT_SCORED]
    return "\n\n".join([*tables, f"{count} on {plain(base)}: {counts}.", *of_users, LIMITS])


def _users_table(users: GivenUsers) -> str:
    columns: list[Column[GivenUser]] = [
        Column("user", lambda one: one.name, left=True),
        Column("perplexity without", lambda one: f"{math.exp(one.untrained):.2f}"),
        Column("with", lambda one: f"{math.exp(one.nll):.2f}"),
        Column("help", _help),
        Column("own adapter's rank", lambda one: f"{one.rank} of {one.of}"),
        Column("advantage, nats", lambda one: f"{one.advantage:+.4f}"),
    ]
    return terminal_table(columns, users.users)


def _help(one: GivenUser) -> str:
    return f"{math.exp(one.untrained - one.nll):.4f}" if one.help is None else quotient(one.help)


def _users_words(users: GivenUsers) -> str:
    count = len(users.users)
    said = [
        f"Scored were {users.tokens:,} tokens of {count} users. Of their own adapters "
        f"{len(users.helped)} are shown to help and {len(users.harmed)} to harm, on these texts."
    ]
    if users.p is None:
        said.append(f"{count} users are too few to tell whose the adapters are; 4 are enough.")
    else:
        shown = "shown" if users.p < ALPHA else "not shown"
        said.append(
            f"The adapters are {shown} to be their users', p {users.p:.2g} (trace test over "
            "assignments of adapters to users)."
        )
    said += [
        f"The adapters of {plain(one)} and {plain(other)} look swapped: each predicts the "
        "other's text better, beyond what adapters differ by."
        for one, other in users.swapped
    ]
    return "\n".join(said)


def applied_json(base: str, adapters: Sequence[AppliedAdapter], users: GivenUsers | None) -> str:
    """The same as JSON."""
    found = [
        {
            "name": one.name,
            "state": one.state,
            "findings": [finding._asdict() for finding in one.findings],
        }
        for one in adapters
    ]
    content: dict[str, Any] = {"base": base, "adapters": found}
    if users is not None:
        content["identification_p"] = users.p
        content["swapped"] = users.swapped
        content["tokens"] = users.tokens
        content["users"] = [
            {
                "name": one.name,
                "nll": one.nll,
                "untrained_nll": one.untrained,
                "log_help_95": one.help and [one.help.low, one.help.high],
                "rank": one.rank,
                "of": one.of,
                "advantage": one.advantage,
            }
            for one in users.users
        ]
    return json.dumps(content, indent=2)
