"""Write the JSON Schemas of the files, and the tables of docs/results.md, from the models.

    python scripts/write_schemas.py

A name carries a version. A change after which an old file is read differently, or no longer, needs
a new version, and the old schema stays.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from pytest_noisefloor.bets.bet_file import BetFile
from pytest_noisefloor.claims.claims_file import ClaimsFile
from pytest_noisefloor.results.documentation import with_tables
from pytest_noisefloor.results.schema import ResultFile
from pytest_noisefloor.results.spread_file import SpreadFile

MODELS: dict[str, type[BaseModel]] = {
    "bet-1": BetFile,
    "claims-1": ClaimsFile,
    "result-4": ResultFile,
    "spread-1": SpreadFile,
}

FOLDER = Path(__file__).parents[1] / "harness" / "pytest_noisefloor" / "results" / "schemas"


DOCUMENT = Path(__file__).parents[1] / "docs" / "results.md"


def schema_text(model: type[BaseModel]) -> str:
    """Return the JSON Schema of a model as the text of a file."""
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
    return (
        json.dumps(_plain(schema | model.model_json_schema()), indent=2, ensure_ascii=False) + "\n"
    )


def _plain(node: Any) -> Any:
    """Drop titles, which repeat the keys, and all but the first paragraph of a description."""
    if isinstance(node, list):
        return [_plain(each) for each in node]
    if not isinstance(node, dict):
        return node
    plain = {key: _plain(value) for key, value in node.items()}
    if isinstance(plain.get("title"), str):
        del plain["title"]
    if isinstance(plain.get("description"), str):
        plain["description"] = " ".join(plain["description"].partition("\n\n")[0].split())
    return plain


def main() -> None:
    """Write all schemas, and the tables."""
    text = DOCUMENT.read_text(encoding="utf-8")
    DOCUMENT.write_text(with_tables(text), encoding="utf-8")
    for name, model in MODELS.items():
        FOLDER.joinpath(f"{name}.json").write_text(schema_text(model), encoding="utf-8")
        sys.stdout.write(f"{FOLDER / name}.json\n")


if __name__ == "__main__":
    main()
