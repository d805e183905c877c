"""The code tests itself: what imports what, what is documented, what is locked."""

import ast
import re
import tomllib
from functools import cache

import pytest

import pytest_noisefloor
from noisefloor_tests.support.places import CHECKOUT, HARNESS, SUITE
from pytest_noisefloor._files import read_toml, resource_path
from pytest_noisefloor.bets.bet import load_bet
from pytest_noisefloor.bets.lock import check_lock, lock_entries, locked_text
from pytest_noisefloor.bets.roles import bet_roles
from pytest_noisefloor.cli import app

LONGEST = 320  # lines of a module that can still be read in one sitting


def modules():
    """Every module of the package, by its path below it."""
    return {path.relative_to(HARNESS).as_posix(): path for path in HARNESS.rglob("*.py")}


@cache
def parsed(path):
    return ast.parse(path.read_text(encoding="utf-8"))


ROOMS = sorted(path.parent.name for path in HARNESS.glob("*/__init__.pyi"))


def imports(path):
    """What a module imports from the package, as (module below the package, name)."""
    for node in ast.walk(parsed(path)):
        if isinstance(node, ast.ImportFrom):
            inside = [] if node.level == 0 else list(path.relative_to(HARNESS).parts[: -node.level])
            parts = [*inside, *(node.module or "").split(".")]
            if node.level or parts.pop(0) == HARNESS.name:
                yield from ((".".join(filter(None, parts)), alias.name) for alias in node.names)
        elif isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] == HARNESS.name:
                    yield alias.name, "*"


@pytest.mark.parametrize("room", ROOMS)
def test_a_room_is_entered_by_its_face_and_the_face_offers_what_is_taken_and_no_more(room):
    taken = set()
    for path in modules().values():
        if path.relative_to(HARNESS).parts[0] != room:
            inner = [pair for pair in imports(path) if pair[0].split(".")[0] == room]
            assert all(module == room for module, _ in inner), path
            taken |= {name for _, name in inner}
    stub = parsed(HARNESS / room / "__init__.pyi")
    offered = {alias.name: node.module for node in stub.body for alias in node.names}
    assert offered.keys() == taken
    # or the module would stand where the name should
    assert not {path.stem for path in (HARNESS / room).iterdir()} & offered.keys()


@pytest.mark.parametrize("name", modules())
def test_no_module_goes_round_the_faces_by_the_package_itself(name):
    """Its face, and a room as a module, would lead from the ground to the roof unseen."""
    ground = {"__version__", *(path.stem for path in HARNESS.glob("*.py"))}
    found = imports(modules()[name])
    past = [pair for pair in found if pair[0] in ("", HARNESS.name) or pair[1] == "*"]
    assert not [pair for pair in past if pair[1] not in ground]


def test_the_packages_face_is_the_same_to_a_type_checker_and_at_run_time():
    tree = parsed(HARNESS / "__init__.py")
    nodes = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level]
    assert sorted(alias.name for node in nodes for alias in node.names) == pytest_noisefloor.__all__
    assert all(getattr(pytest_noisefloor, name) for name in pytest_noisefloor.__all__)


def everywhere():
    """Every module of the package and of the suite, and what else a checkout has, by its path."""
    folders = [HARNESS, SUITE, *(CHECKOUT / name for name in ("benchmarks", "scripts"))]
    return [path for folder in folders for path in sorted(folder.rglob("*.py"))]


def test_no_module_is_too_long_to_read():
    lengths = {path: len(path.read_text("utf-8").splitlines()) for path in everywhere()}
    assert len(lengths) > 60
    assert not {path: n for path, n in lengths.items() if n > LONGEST}


@pytest.mark.skipif(
    not (CHECKOUT / "pyproject.toml").is_file(), reason="a wheel brings no benchmarks"
)
def test_benchmarks_call_only_commands_that_there_are():
    """Nothing else here runs them."""
    pages = [path.read_text("utf-8") for path in (CHECKOUT / "benchmarks").glob("*.py")]
    called = {verb for text in pages for verb in re.findall(r'"pytest_noisefloor", "(\w+)"', text)}
    assert called
    assert called <= {command.callback.__name__ for command in app.registered_commands}


def test_every_page_of_tests_says_what_it_proves():
    for path in SUITE.rglob("test_*.py"):
        assert ast.get_docstring(parsed(path)), path


@pytest.mark.parametrize("name", modules())
def test_every_dataclass_is_frozen(name):
    """What was judged, trained or read is not changed afterwards."""
    for node in ast.walk(parsed(modules()[name])):
        for said in map(ast.unparse, getattr(node, "decorator_list", ())):
            assert "dataclass" not in said or "frozen=True" in said, node.name


def test_every_bet_is_locked_and_every_lock_has_its_bet():
    bets = sorted(resource_path("bets").glob("*.toml"))
    lock = resource_path("bets", "LOCK")
    for path in bets:
        check_lock(path, lock)
        assert load_bet(path).registered <= max(row["date"] for row in read_toml(lock)["lock"])
    assert {row["file"] for row in read_toml(lock)["lock"]} == {path.name for path in bets}


def test_every_text_that_was_ever_locked_is_kept_under_its_hash_and_no_other():
    lock = resource_path("bets", "LOCK")
    kept = {path.name for path in resource_path("bets", "locked").iterdir()}
    entries = [
        e for path in resource_path("bets").glob("*.toml") for e in lock_entries(path.name, lock)
    ]
    assert all(locked_text(entry, lock) for entry in entries)
    assert kept == {f"{entry.sha256}.toml" for entry in entries}


def test_the_amendment_of_bet_60_moved_no_level_recipe_scoring_or_seed():
    """As its reason says: what stood in code was written down, and nothing else."""
    lock = resource_path("bets", "LOCK")
    before, after, *_ = (
        tomllib.loads(locked_text(entry, lock)) for entry in lock_entries("bet60.toml", lock)
    )
    assert after["level"] == before["level"]
    added = {"users": ["programmer", "novelist", "scientist"]}
    assert after["design"] == before["design"] | added
    assert after.keys() - before.keys() == {"statistic"}


def test_every_role_is_played_by_a_registered_bet_that_has_what_it_asks_for():
    roles = bet_roles()
    named = {*roles.larger_bases, *roles.budget, roles.matrix, roles.pareto}
    bets = {bet.id: bet for bet in map(load_bet, resource_path("bets").glob("*.toml"))}
    assert named <= bets.keys()
    for role in roles.ladder:
        contrast = bets[role.bet].contrast
        assert role.label in (*contrast.compared, contrast.reach)


def test_the_budgets_are_bet_60_but_for_rate_and_steps():
    bets = {bet.id: bet for bet in map(load_bet, resource_path("bets").glob("*.toml"))}
    alike = ("method", "users", "seeds", "scoring", "contrast", "criteria")
    for name in bet_roles().budget:
        assert [getattr(bets[name], key) for key in alike] == [
            getattr(bets["60"], key) for key in alike
        ]
    assert len({(bets[n].recipe.lr, bets[n].recipe.steps) for n in bet_roles().budget}) == 5


def test_the_users_that_a_bet_registers_are_shipped():
    shipped = {path.stem for path in resource_path("users").glob("*.toml")}
    for path in resource_path("bets").glob("*.toml"):
        assert set(load_bet(path).users) <= shipped


def test_nothing_here_unpickles_or_runs_code_from_elsewhere():
    texts = {name: path.read_text(encoding="utf-8") for name, path in modules().items()}
    loads = r"\bimport (pickle|marshal)\b|(?<!\.)\b(eval|exec)\(|trust_remote_code=True"
    for name, text in texts.items():
        assert not re.search(loads, text), name
        assert "torch.load" not in text.replace("``torch.load(weights_only=True)``", ""), name
