"""Read a result file of any version as today's model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from pytest_noisefloor._files import shown, validated
from pytest_noisefloor.stats import BIN_TOKENS

from .errors import ResultError
from .schema import RESULT_SCHEMA, ResultFile

READABLE = tuple(range(1, RESULT_SCHEMA + 1))
"""Versions that can be read. Version 1 has no sums, so it gives no intervals."""


def lift(content: Any, where: str = "result file") -> ResultFile:
    """Read the content of a result file of any version; ``where`` names the file in messages.

    What an older version lacks is filled in, as the fields of the model say. The content itself
    stays as it is, since its seal is over what the file says.

    Raises:
        ResultError: this is not the content of a result file.
    """
    if not isinstance(content, dict):
        raise ResultError(f"{where}: not a result file (a JSON {type(content).__name__})")
    version = content.get("schema", RESULT_SCHEMA)
    if type(version) is not int or version not in READABLE:
        *older, newest = map(str, READABLE)
        known = f"{', '.join(older)} or {newest}"
        raise ResultError(f"{where}: schema {shown(version)}; expected {known}")
    for last, add in enumerate((_from_1, _from_2, _from_3), start=1):
        if version <= last:
            content = add(content)
    file = validated(ResultFile, content, where, ResultError)
    if version == RESULT_SCHEMA and file.verdict.findings is None:
        raise ResultError(f"{where}: verdict.findings = None; expected a table")
    return file


# Malformed values pass through what follows as they are, and the model refuses them.


def _from_1(content: Mapping[str, Any]) -> dict[str, Any]:
    """Add to a file of version 1 what each file of version 2 has: versions, reach and sums."""
    found = {"versions": {"method": 0, "arms": {}, "scorer": ""}, "cell": BIN_TOKENS, **content}
    judged = {"rests_on_harm": [], "reach": [], "error_rates": [], "unresolved": ""}
    _change(found, "verdict", lambda verdict: judged | verdict)
    _change_each(found, "users", _unit_from_1)
    return found


def _unit_from_1(row: dict[str, Any]) -> dict[str, Any]:
    found = dict(row)
    _change_each(found, "slices", lambda piece: {"sums": {}} | piece)
    return found


def _from_2(content: Mapping[str, Any]) -> dict[str, Any]:
    """Add to a file of version 2 what each file of version 3 has; early ones lack more keys."""
    found = {"kernel": "", "seal": "", **content}
    _change(found, "base", lambda base: {"model": ""} | base)
    _change(found, "versions", lambda versions: {"other_methods": {}} | versions)
    _change(found, "recipe", lambda recipe: {"matmul": "float32"} | recipe)
    _change(found, "scoring", lambda scoring: {"noise": 0.0} | scoring)
    _change_each(found, "users", _unit_from_2)
    _change_each(found, "adapters", lambda adapter: _adapter_from_2(adapter, found))
    _change(found, "verdict", _verdict_from_2)
    return found


def _unit_from_2(row: dict[str, Any]) -> dict[str, Any]:
    return {"candidates": {}, **row}


def _adapter_from_2(adapter: dict[str, Any], content: Mapping[str, Any]) -> dict[str, Any]:
    """Add what one adapter shares with all others where a bet has one method."""
    method, recipe, bet = (_table(content.get(key)) for key in ("method", "recipe", "bet"))
    names = (bet.get("id"), adapter.get("arm"), adapter.get("user"))
    return {
        "name": "_".join(map(str, names)),
        "method": method.get("name"),
        "lr": recipe.get("lr"),
        "trained_values": method.get("trained_values"),
        "bytes": method.get("adapter_bytes"),
        **adapter,
    }


def _verdict_from_2(verdict: dict[str, Any]) -> dict[str, Any]:
    found = dict(verdict)
    _change_each(found, "error_rates", lambda rates: {"bounds": {}} | rates)
    return found


OF_BLOCKS = (
    *("intervals", "sign_flip_p", "holm_p", "absent_p", "detectable"),
    *("slices_p", "slices_help_p", "a_a", "normalised"),
)
"""Keys of a unit that rest on a block bootstrap in files of versions 1 to 3.

Judging starts from the sums, so nothing reads them.
"""


def _from_3(content: Mapping[str, Any]) -> dict[str, Any]:
    """Take from a file of version 3 what rests on blocks: intervals, tests, reach and findings."""
    found = dict(content)
    _change_each(found, "users", _without_blocks)
    _change(found, "verdict", lambda verdict: verdict | {"findings": None, "reach": []})
    return found


def _without_blocks(row: dict[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in row.items() if key not in OF_BLOCKS}


Change = Callable[[dict[str, Any]], dict[str, Any]]


def _change(found: dict[str, Any], key: str, change: Change) -> None:
    """Change the table under a key, if there is one."""
    if isinstance(found.get(key), dict):
        found[key] = change(found[key])


def _change_each(found: dict[str, Any], key: str, change: Change) -> None:
    """Change each table of the list under a key, if there is one."""
    if isinstance(found.get(key), list):
        found[key] = [change(row) if isinstance(row, dict) else row for row in found[key]]


def _table(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}
