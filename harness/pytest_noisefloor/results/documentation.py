"""Write the tables of docs/results.md from the models of a result file."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import get_args

from .parts_design import Part
from .parts_ledger import LedgerPart
from .parts_measured import IntervalPart, SlicePart, SpreadPart, UnitPart
from .parts_verdict import FindingsPart, VerdictPart
from .schema import ResultFile

TABLES: dict[str, type[Part]] = {
    "result file": ResultFile,
    "verdict": VerdictPart,
    "findings": FindingsPart,
    "users": UnitPart,
    "slices": SlicePart,
    "interval": IntervalPart,
    "spread": SpreadPart,
    "ledger": LedgerPart,
}
"""The models that have a table of their own, by the name in the document's marks."""

_MARKED = re.compile(r"(<!-- keys of ([\w ]+) -->\n).*?(<!-- end of keys -->\n)", re.DOTALL)


def with_tables(text: str) -> str:
    """Return a document with each marked table as the models are now."""
    return _MARKED.sub(lambda found: f"{found[1]}{key_table(TABLES[found[2]])}{found[3]}", text)


def key_table(model: type[Part]) -> str:
    """Return the table of a model's keys; keys of parts without a table stand below their own."""
    rows = [f"| `{key}` | {words} |" for key, words in _keys(model)]
    return "\n".join(["| key | content |", "|---|---|", *rows, ""])


def _keys(model: type[Part], inside: str = "") -> Iterator[tuple[str, str]]:
    for name, field in model.model_fields.items():
        key = f"{inside}{field.alias or name}"
        yield key, " ".join((field.description or "").split()).replace("|", r"\|")
        for part, is_list in _parts(field.annotation):
            if part not in TABLES.values():
                yield from _keys(part, f"{key}[]." if is_list else f"{key}.")


def _parts(annotation: object) -> Iterator[tuple[type[Part], bool]]:
    """Yield the models in a field's type, and whether the field is a list of them."""
    if isinstance(annotation, type) and issubclass(annotation, Part):
        yield annotation, False
    for inner in get_args(annotation):
        for part, _ in _parts(inner):
            yield part, Ellipsis in get_args(annotation)
