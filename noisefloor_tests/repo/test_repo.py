"""The code tests itself: what imports what, what is documented, what is locked."""

import ast
import re
import tomllib
from pathlib import Path

import pytest

import noisefloor_tests
import pytest_noisefloor
from pytest_noisefloor.bets import load_bet
from pytest_noisefloor.data import data_path
from pytest_noisefloor.lock import check_lock, lock_entries, locked_text, read_toml

HARNESS = Path(pytest_noisefloor.__file__).parent
SUITE = Path(noisefloor_tests.__file__).parent
CHECKOUT = SUITE.parent

# Each module imports only from those before it, inside functions too.
ORDER = [
    *("errors", "own", "data", "recipe", "sources", "cleaning", "corpora", "leaks", "arms"),
    *("smollm2", "ternary", "fingerprints", "bases", "texts", "devices", "loss", "lora"),
    *("methods", "conditions", "training", "noise", "scoring", "stacked", "group"),
    *("capacity", "records", "shards", "store", "kernels", "runs", "progress", "workbench"),
    *("runner", "statistics", "tally", "pairs", "intervals", "inference", "lock", "bets"),
    *("judge", "errorrates", "phrases", "chance", "words", "report", "results", "claims"),
    *("review", "evidence", "lineup", "filing", "study", "gate", "methodology", "options"),
    *("plugin", "catalogue", "ladder", "comparisons", "cells", "tables", "pictures"),
    *("summary", "__main__"),
]

LONGEST = 320  # lines of a module that can still be read in one sitting


def modules():
    """Every module of the package but its first, by name."""
    return {path.stem: path for path in HARNESS.glob("*.py") if path.stem != "__init__"}


def parsed(path):
    return ast.parse(path.read_text(encoding="utf-8"))


def imported(tree):
    """Names of the package's modules that a module imports anywhere in its text."""
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.level == 1:
            yield from [node.module] if node.module else [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith(HARNESS.name):
            yield node.module.partition(".")[2] or "__init__"
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
            yield from (n.partition(".")[2] for n in names if n.startswith(f"{HARNESS.name}."))


def test_every_module_has_its_place_in_the_order():
    assert sorted(modules()) == sorted(ORDER)


@pytest.mark.parametrize("name", ORDER)
def test_a_module_imports_only_from_those_before_it(name):
    before = ORDER[: ORDER.index(name)]
    late = sorted(set(imported(parsed(modules()[name]))) - set(before))
    assert not late, f"{name} imports {late}, which stand behind it"


def everywhere():
    """Every module of the package and of the suite, and what else a checkout has, by its path."""
    folders = [HARNESS, SUITE, *(CHECKOUT / name for name in ("benchmarks", "scripts"))]
    return [path for folder in folders for path in sorted(folder.rglob("*.py"))]


def test_no_module_is_too_long_to_read():
    lengths = {path: len(path.read_text("utf-8").splitlines()) for path in everywhere()}
    assert len(lengths) > 60
    assert not {path: n for path, n in lengths.items() if n > LONGEST}


def undocumented(tree, prefix=""):
    """Public functions, classes and their public methods that have no docstring."""
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_"):
            if not ast.get_docstring(node):
                yield f"{prefix}{node.name}"
            if isinstance(node, ast.ClassDef):
                yield from undocumented(node, f"{node.name}.")


def documented():
    """Every module but the suite's own, whose tests' names are what they prove."""
    return [path for path in everywhere() if not path.is_relative_to(SUITE)]


@pytest.mark.parametrize("path", documented(), ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_everything_public_is_documented(path):
    tree = parsed(path)
    assert ast.get_docstring(tree)
    assert not list(undocumented(tree))


def test_every_page_of_tests_says_what_it_proves_and_no_two_tests_share_a_name():
    """A test that is defined twice on a page would silently replace the first."""
    for path in SUITE.rglob("test_*.py"):
        tree = parsed(path)
        assert ast.get_docstring(tree), path
        names = [node.name for node in tree.body if isinstance(node, ast.FunctionDef)]
        assert len(names) == len({*names}), path


@pytest.mark.parametrize("name", ORDER)
def test_every_dataclass_is_frozen(name):
    """What was judged, trained or read is not changed afterwards."""
    for node in ast.walk(parsed(modules()[name])):
        for said in map(ast.unparse, getattr(node, "decorator_list", ())):
            assert "dataclass" not in said or "frozen=True" in said, node.name


def test_every_bet_is_locked_and_every_lock_has_its_bet():
    bets = sorted(data_path("bets").glob("*.toml"))
    lock = data_path("bets", "LOCK")
    for path in bets:
        check_lock(path, lock)
        assert load_bet(path).registered <= max(row["date"] for row in read_toml(lock)["lock"])
    assert {row["file"] for row in read_toml(lock)["lock"]} == {path.name for path in bets}


def test_every_text_that_was_ever_locked_is_kept_under_its_hash_and_no_other():
    lock = data_path("bets", "LOCK")
    kept = {path.name for path in data_path("bets", "locked").iterdir()}
    entries = [
        e for path in data_path("bets").glob("*.toml") for e in lock_entries(path.name, lock)
    ]
    assert all(locked_text(entry, lock) for entry in entries)
    assert kept == {f"{entry.sha256}.toml" for entry in entries}


def test_the_amendment_of_bet_60_moved_no_level_recipe_scoring_or_seed():
    """As its reason says: what stood in code was written down, and nothing else."""
    lock = data_path("bets", "LOCK")
    before, after, *_ = (
        tomllib.loads(locked_text(entry, lock)) for entry in lock_entries("bet60.toml", lock)
    )
    assert after["level"] == before["level"]
    added = {"users": ["programmer", "novelist", "scientist"]}
    assert after["design"] == before["design"] | added
    assert after.keys() - before.keys() == {"statistic"}


def test_the_users_that_a_bet_registers_are_shipped():
    shipped = {path.stem for path in data_path("users").glob("*.toml")}
    for path in data_path("bets").glob("*.toml"):
        assert set(load_bet(path).users) <= shipped


def test_nothing_here_unpickles_or_runs_code_from_elsewhere():
    texts = {name: path.read_text(encoding="utf-8") for name, path in modules().items()}
    loads = r"\bimport (pickle|marshal)\b|(?<!\.)\b(eval|exec)\(|trust_remote_code=True"
    for name, text in texts.items():
        assert not re.search(loads, text), name
        assert "torch.load" not in text.replace("``torch.load(weights_only=True)``", ""), name
