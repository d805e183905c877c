"""The repository tests itself: documents, configuration and CI say the same."""

import configparser
import json
import re
import subprocess
import tomllib
from itertools import chain

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import pytest_noisefloor
from noisefloor_tests.conftest import TIERS
from noisefloor_tests.support.places import CHECKOUT
from noisefloor_tests.support.results_by_hand import (
    by_cell,
    by_pair,
    confusion,
    formats,
    found,
    noise_floor,
)
from pytest_noisefloor.bets.bet import load_bet
from pytest_noisefloor.bets.registry import registered_bet
from pytest_noisefloor.claims.claim import load_claims
from pytest_noisefloor.report.summary import record, summarised
from pytest_noisefloor.results.collection import Collection, registered_bets
from pytest_noisefloor.results.collection import collection_rows as tabled
from pytest_noisefloor.results.documentation import TABLES, with_tables

pytestmark = pytest.mark.skipif(
    not (CHECKOUT / "pyproject.toml").is_file(),
    reason="an installed wheel brings neither docs nor configuration",
)


def read(*names):
    return CHECKOUT.joinpath(*names).read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def project():
    return tomllib.loads(read("pyproject.toml"))["project"]


@pytest.fixture(scope="module")
def environments():
    """What each environment of tox runs, by its name."""
    parser = configparser.ConfigParser(interpolation=None)
    parser.read_string(read("tox.ini"))
    named = [name for name in parser if name.startswith("testenv:")]
    envs = {name.removeprefix("testenv:"): parser[name]["commands"] for name in named}
    return {"fast": parser["testenv"]["commands"], **envs}


# --- one command, the same everywhere -----------------------------------------------------------


def test_the_readmes_two_commands_are_one_but_for_the_environment_and_ci_runs_the_second():
    text = read("README.md")
    whole, passing = re.findall(r"^python3 scripts/check_python.*$", text, re.MULTILINE)
    start, _, environment = passing.rpartition(" -e ")
    assert environment == "fast"
    assert whole == f"{start} -e full"
    assert passing in read(".ci", "run").splitlines()


def test_ci_runs_every_environment_that_can_fail_without_data_or_hours(environments):
    """The bets themselves, larger bases, timings, mutants and old versions are run by hand."""
    by_hand = {"full", "catalogue", "scale", "bench", "mutation", "lowest"}
    run = re.findall(r"tox run -e (\w+)$", read(".ci", "run"), re.MULTILINE)
    assert {*run} == environments.keys() - by_hand
    assert len(run) == len({*run})
    assert "bash .ci/run" in read(".github", "workflows", "ci.yml")


@pytest.mark.parametrize(
    "document", ["README.md", "CONTRIBUTING.md", "benchmarks/README.md", "tox.ini", ".ci/run"]
)
def test_no_document_names_an_environment_that_is_none(environments, document):
    named = re.findall(r"tox run -e ([\w,]+)", read(document))
    assert {name for names in named for name in names.split(",")} <= environments.keys()
    assert named


def test_every_tier_has_its_line_in_the_readme_and_its_environment(environments):
    table = read("README.md").partition("\n## Tiers\n")[2].partition("\n## ")[0]
    lines = re.findall(r"^\| `pytest(?: -m (\w+))?` \| ", table, re.MULTILINE)
    assert sorted(name or "fast" for name in lines) == sorted(TIERS)
    for tier in TIERS:
        marks = environments[tier].replace('"full or catalogue"', "catalogue")
        assert tier == "fast" or f" -m {tier} " in marks


def test_tests_are_shuffled_wherever_they_run(environments, project):
    tests = [Requirement(line).name for line in project["optional-dependencies"]["test"]]
    assert "pytest-randomly" in tests
    said = [read("pyproject.toml"), read("tox.ini"), read(".ci", "run"), *environments.values()]
    assert not [text for text in said if "no:randomly" in text or "randomly-dont" in text]


def test_every_requirement_has_a_pin_that_satisfies_it(project):
    lines = [line for line in read("constraints.txt").splitlines() if not line.startswith("#")]
    parted = [line.partition("==") for line in lines]
    pins = {canonicalize_name(name): version for name, _, version in parted}
    assert list(pins) == sorted(pins)
    extras = project["optional-dependencies"].values()
    for requirement in map(Requirement, chain(project["dependencies"], *extras)):
        assert requirement.specifier.contains(pins[canonicalize_name(requirement.name)])


# --- documents ----------------------------------------------------------------------------------


def test_contributors_find_every_folder_in_the_tree():
    library, suite = re.findall(r"```text\n(\S+)/\n(.*?)```", read("CONTRIBUTING.md"), re.DOTALL)
    for (root, tree), ending in ((library, "pytest_noisefloor"), (suite, "noisefloor_tests")):
        assert root.endswith(ending)
        named = {*re.findall(r"^  (\w+(?:\.py)?)/?", tree, re.MULTILINE)}
        named |= {*re.findall(r"\b(_\w+\.py)\b", tree)}
        there = {p.name for p in (CHECKOUT / root).iterdir() if not p.name.startswith("__")}
        assert named == there - {"py.typed", "conftest.py"}


def test_the_package_has_few_entries_so_that_a_room_is_found_at_once():
    listed = list((CHECKOUT / "harness" / "pytest_noisefloor").iterdir())
    assert len([path for path in listed if path.name != "__pycache__"]) <= 20


HOSTS = {"doi.org", "download.pytorch.org", "github.com", "json-schema.org", "www.apache.org"}
"""Where links in this repository may lead: what anybody can reach, and no private index."""

LOCAL = r"(?<![\w.~-])/(?:home|Users|root|work|tmp|opt|mnt|srv|private|var)/\w|\b[A-Z]:\\\\?\w"


def test_no_file_names_a_place_that_only_one_machine_has():
    if not (CHECKOUT / ".git").exists():
        pytest.skip("no repository that would say which files are its own")
    listed = subprocess.run(
        ["git", "ls-files", "-z"],  # noqa: S607 (wherever it is)
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=True,
    )
    names = listed.stdout.split("\0")[:-1]
    assert "README.md" in names
    for name in names:
        try:
            text = read(name)
        except UnicodeDecodeError:  # weights and pictures
            continue
        assert not re.search(LOCAL, text), name
        assert {*re.findall(r"\b[a-z+]+://([^\s/\"')>`]*)", text)} <= HOSTS, name


def test_the_version_of_the_changelog_is_that_of_the_package():
    text = (CHECKOUT / "CHANGELOG.md").read_text(encoding="utf-8")
    assert re.search(rf"^## {re.escape(pytest_noisefloor.__version__)}\b", text, re.MULTILINE)


def keys(value, named=("mean_nll", "perplexity", "mean_nll_by_seed", "training_s")):
    """Every key of a result file; below ``named``, keys are names of arms or of files."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield key
            if key not in named:
                yield from keys(inner, named)
    elif isinstance(value, list):
        for inner in value:
            yield from keys(inner, named)


def test_the_tables_of_a_result_files_keys_are_what_the_models_say():
    text = read("docs", "results.md")
    assert re.findall(r"<!-- keys of ([\w ]+) -->", text) == [*TABLES]
    assert with_tables(text) == text, "run python scripts/write_schemas.py"
    assert "| `users` | one entry a unit, below" in text


def test_the_pattern_of_a_bet_file_is_bet_60(tmp_path):
    pattern = read("docs", "bets.md").partition("as a pattern to change:\n\n```toml\n")[2]
    file = tmp_path / "bet.toml"
    file.write_text(pattern.partition("```")[0], encoding="utf-8")
    shown, bet = load_bet(file), registered_bet("bet60")
    assert (shown.id, shown.registration.locked) == ("our-own", None)
    kept = ("method", "users", "seeds", "recipe", "scoring", "contrast", "criteria")
    assert [getattr(shown, key) for key in kept] == [getattr(bet, key) for key in kept]


def test_the_committed_summary_has_every_registered_bet_as_it_is_locked():
    rows = json.loads(read("docs", "catalogue", "SUMMARY.json"))["bets"]
    bets = {bet.id: bet for bet in registered_bets()}
    assert {row["bet"] for row in rows} == bets.keys()
    assert all(bets[row["bet"]].has_text(row["sha256"]) for row in rows)
    expected = tabled(Collection(registered_bets(), {}, {}))
    assert {(row["bet"], row["base"]): row["bars"] for row in rows} == {
        (row["bet"], row["base"]): row["bars"] for row in expected
    }
    levels = {(row["bet"], row["base"]): row["level"] for row in rows}
    for claim in load_claims(CHECKOUT / "fixtures" / "claims.toml"):
        if not (claim.withdrawn or claim.asserts == "NOT_MET"):  # whatever came out by points
            assert levels[claim.bet.id, claim.base] == claim.asserts, claim.id


@pytest.mark.parametrize(
    "document",
    ["README.md", "CONTRIBUTING.md", "LOG.md"]
    + [f"docs/{name}.md" for name in ("bets", "claims", "leaks", "own", "statistics", "trust")],
)
def test_what_a_document_links_to_is_there(document):
    links = re.findall(r"\]\((?!http)([^)#]+)", read(document))
    assert links
    missing = [link for link in links if not (CHECKOUT / document).parent.joinpath(link).exists()]
    assert not missing


def test_each_promise_names_a_test_that_there_is():
    named = re.findall(r"`(test_\w+)`", read("docs/trust.md"))
    assert len(named) > 10
    pages = "".join(p.read_text("utf-8") for p in (CHECKOUT / "noisefloor_tests").rglob("*.py"))
    assert not [name for name in named if f"def {name}(" not in pages]


def test_every_key_of_a_summary_is_documented():
    results = [found("bet60", noise_floor()), found("bet60-long", noise_floor()), confusion()]
    results += [formats(), by_cell(2), by_pair()]
    by_bet = {(one.verdict.bet.id, one.base): one for one in results}
    content = record(summarised(Collection(registered_bets(), by_bet, {"PLANTED": 1})))
    (of_base,) = content.pop("bases").values()
    of_base["ladder"] = [*of_base["ladder"].values()]
    of_base["cells"] = [*of_base["cells"].values()]
    of_base["slices"] = [*of_base["slices"].values()]
    named = ("met", "bars", "left_out", "nll")
    text = (CHECKOUT / "docs" / "results.md").read_text(encoding="utf-8")
    documented = set(re.findall(r"`([\w-]+)`", text.partition("\n## What SUMMARY.json holds")[2]))
    everything = {*keys(content, named), *keys(of_base, named)}
    assert len(everything) > 40
    assert not sorted(everything - documented)
