"""The shipped JSON Schemas say what the models say, and the shipped files keep to them."""

import json
import runpy
import tomllib
from importlib.metadata import version

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from noisefloor_tests.support.places import CHECKOUT, HARNESS
from pytest_noisefloor._files import resource_path

SCHEMAS = HARNESS / "results" / "schemas"
SCRIPT = CHECKOUT / "scripts" / "write_schemas.py"


def faults(name, path):
    """What a schema finds wrong with a TOML file."""
    schema = json.loads((SCHEMAS / f"{name}.json").read_text(encoding="utf-8"))
    Draft202012Validator.check_schema(schema)
    content = tomllib.loads(path.read_text(encoding="utf-8"))
    validator = Draft202012Validator(schema, format_checker=FormatChecker(["date"]))
    return [
        e.json_path for e in validator.iter_errors(json.loads(json.dumps(content, default=str)))
    ]


@pytest.mark.skipif(
    not SCRIPT.is_file()
    or f"\npydantic=={version('pydantic')}\n" not in (CHECKOUT / "constraints.txt").read_text(),
    reason="a wheel brings no scripts; another pydantic than CI's words schemas otherwise",
)
def test_every_schema_is_what_its_model_generates_now():
    script = runpy.run_path(str(SCRIPT))
    for name, model in script["MODELS"].items():
        text = (SCHEMAS / f"{name}.json").read_text(encoding="utf-8")
        assert text == script["schema_text"](model), "run python scripts/write_schemas.py"
    assert script["MODELS"].keys() == {path.stem for path in SCHEMAS.iterdir()}


@pytest.mark.parametrize("name", sorted(path.stem for path in SCHEMAS.iterdir()))
def test_every_key_is_described(name):
    schema = json.loads((SCHEMAS / f"{name}.json").read_text(encoding="utf-8"))
    tables = [schema, *schema["$defs"].values()]
    keys = [key for table in tables for key in table.get("properties", {}).items()]
    assert keys
    assert not [key for key, about in keys if not about.get("description")]


def test_every_registered_bet_and_what_is_claimed_keep_to_their_schemas():
    bets = sorted(resource_path("bets").glob("*.toml"))
    assert bets
    assert not [path for path in bets if faults("bet-1", path)]
    assert not faults("claims-1", resource_path("claims.toml"))


@pytest.mark.parametrize(
    ("old", "new", "path"),
    [
        ("lr = 5e-5", "lrr = 5e-5", "$.design.recipe"),
        ("steps = 100", "steps = 100.5", "$.design.recipe.steps"),
        ("registered = 2026-11-23", 'registered = "today"', "$.registered"),
        ("below = 1.0", "", "$.level[2]"),
        ('share = "1"', 'share = "0.67"', "$.level[0].share"),
    ],
)
def test_a_bet_with_a_mistake_does_not_keep_to_the_schema(tmp_path, old, new, path):
    text = resource_path("bets", "bet60.toml").read_text(encoding="utf-8")
    assert old in text
    changed = tmp_path / "bet.toml"
    changed.write_text(text.replace(old, new, 1), encoding="utf-8")
    assert faults("bet-1", changed) == [path]
