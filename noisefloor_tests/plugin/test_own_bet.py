"""A bet file of one's own: judged like any, and never taken for what was registered."""

import json
import re

import pytest

from noisefloor_tests.support.claims_planted import entry
from noisefloor_tests.support.locking import lock
from noisefloor_tests.support.places import BET_60_PAGE, CHECKOUT
from pytest_noisefloor._files import resource_path
from pytest_noisefloor.bets import locking, registry
from pytest_noisefloor.cli import main
from pytest_noisefloor.data.users import load_users
from pytest_noisefloor.models.loading import fingerprints_at_hand
from pytest_noisefloor.plugin import session

pytestmark = pytest.mark.usefixtures("without_reach")

BET60 = "60_norm_only_noise_floor"
DOCUMENT = CHECKOUT / "docs" / "own.md"


@pytest.fixture
def own(pytester, downstream, folder_base):
    """Run the two tests of a project by its own bet file: Bet 60's text, shorter, and changed."""
    text = resource_path("bets", "bet60.toml").read_text(encoding="utf-8")
    text = text.replace("steps = 100", "steps = 2").replace("Norm-only noise floor", "My own")
    words = [*downstream[:2], f"--noisefloor-base={folder_base}", "--noisefloor-bet=own.toml"]

    def run(*more, lines=None, **changes):
        """With keys at the head of the file, and others, ``lines``, in the place of its own."""
        own = "\n".join([*(f"{key} = {value}" for key, value in changes.items()), text])
        for key, value in (lines or {}).items():
            line = re.compile(f"^{key} = .*$", re.MULTILINE)
            own, replaced = line.subn(f"{key} = {value}", own, count=1)
            assert replaced == 1
        pytester.path.joinpath("own.toml").write_text(own)
        return pytester.runpytest_inprocess(*words, *more)

    return run


def written(pytester):
    folders = (pytester.path / "results", pytester.path / "out")
    return sorted(path.name for folder in folders for path in folder.iterdir())


def test_it_is_judged_and_its_status_stands_in_print_and_in_every_files_name(pytester, own):
    result = own()
    result.assert_outcomes(passed=3)
    result.stdout.re_match_lines(
        [
            r"UNREGISTERED, a bet of one's own: Bet 60: My own \(2026-11-23, not locked, ",
            r"UNREGISTERED [A-Z ]+\. STRICT \(ratio ",
        ]
    )
    names = written(pytester)
    assert f"UNREGISTERED_{BET60}.json" in names
    assert len(names) == 9
    assert all(name.startswith("UNREGISTERED_60_") for name in names)
    (path,) = (pytester.path / "results").iterdir()
    assert json.loads(path.read_text(encoding="utf-8"))["recipe"]["steps"] == 2


@pytest.fixture
def short_bet_60(pytester, monkeypatch):
    """Bet 60 as it is shipped, but for a shorter training."""
    path = pytester.mkdir("shipped") / "bet60.toml"
    text = resource_path("bets", "bet60.toml").read_text(encoding="utf-8")
    path.write_text(text.replace("steps = 100", "steps = 2"), encoding="utf-8")
    lock(path)
    for module in (registry, locking):
        monkeypatch.setattr(module, "resource_path", lambda _, *name: path.parent.joinpath(*name))


def test_a_copy_that_the_command_has_locked_is_registered_and_a_claim_may_rest_on_it(
    pytester, downstream, folder_base, short_bet_60, held
):
    """For its users' texts alone: once a word of them changed, neither is so."""
    pytester.makeconftest("")
    assert main(["lock", "bet60", "--users", "texts", "--id", "ours"]) == 0
    words = [*downstream[:2], "--noisefloor-base=small", "--noisefloor-bet=ours.toml"]
    result = pytester.runpytest_inprocess(*words)
    result.assert_outcomes(passed=3)
    result.stdout.re_match_lines(
        [r"Bet ours: Norm-only noise floor \(registered .* by its own project with Bet 60's desi"]
    )
    content = json.loads((pytester.path / "results" / "ours.json").read_text(encoding="utf-8"))
    assert content["verdict"]["level"] == "NOT_MET"
    _, fingerprint = fingerprints_at_hand(str(folder_base))
    of = {"base": "small", "users": ["ann", "bob"], "texts": "texts", "fingerprint": fingerprint}
    claim = entry("mine", "NOT_MET", evidence="results/ours.json", **of)
    pytester.path.joinpath("claims.toml").write_text(claim)
    held("claims.toml").assert_outcomes(passed=1)

    with (pytester.path / "texts" / "bob" / "heldout" / "a.txt").open("a") as file:
        file.write(" more")
    result = pytester.runpytest_inprocess(*words)
    result.assert_outcomes(passed=3)
    result.stdout.re_match_lines(
        [r"UNREGISTERED, Bet ours's design on texts that nobody registered: Bet ours: Norm-only "]
    )
    assert (pytester.path / "results" / "UNREGISTERED_ours.json").is_file()
    held("claims.toml").stdout.fnmatch_lines(["*bob's held-out text is *, but Bet ours registers*"])


def test_whom_a_bet_refused_a_session_leaves_out(pytester, downstream, monkeypatch):
    """Whose folder has no text."""
    pytester.mkdir("texts/eve")
    words = ["--noisefloor-users=texts", "--noisefloor-bet=ours.toml"]
    assert main(["lock", "bet60", "--users", "texts", "--id", "ours"]) == 0
    found = pytester.runpytest_inprocess("--collect-only", "-q", *words).stdout.str()
    assert re.findall(r"two_adapters\[(\w+)\]", found) == ["ann", "bob"]
    monkeypatch.setattr(session, "build_experiment", lambda _, **given: given["users"])
    opened = session.open_experiment(
        pytester.parseconfigure(*words), lambda name: name, load_users, None, None
    )
    assert [user.name for user in opened] == ["ann", "bob"]


def test_its_criteria_say_that_it_is_not_registered(pytester, own):
    pytester.makepyfile(test_downstream=BET_60_PAGE.read_text(encoding="utf-8"))
    result = own("-rx", "-W", "ignore::pytest.PytestUnknownMarkWarning")
    result.stdout.re_match_lines([r"XFAIL .*test_strict - UNREGISTERED: STRICT \(ratio at least"])


@pytest.mark.skipif(not DOCUMENT.is_file(), reason="an installed wheel brings no docs")
def test_a_method_and_an_arm_run_as_the_document_shows_them(pytester, own):
    text = DOCUMENT.read_text(encoding="utf-8")
    modules = re.findall(r"```python\n# (\w+\.py)\n(.*?)```", text, re.DOTALL)
    assert [name for name, _ in modules] == ["my_methods.py", "my_arms.py"]
    for name, code in modules:
        pytester.path.joinpath(name).write_text(code, encoding="utf-8")
    (path,) = re.findall(r"\[tool\.pytest\]\n(pythonpath = .*)", text)
    pytester.makepyprojecttoml(f"[tool.pytest]\n{path}")
    lines = re.search(r"```toml\n(method = .*?)```", text, re.DOTALL)[1].splitlines()
    given = dict(line.partition("#")[0].rstrip().split(" = ") for line in lines)
    # by the other ways of importing tests pytest itself would make the folder's modules be found
    result = own("--import-mode=importlib", lines=given)
    result.assert_outcomes(passed=3)
    (path,) = (pytester.path / "results").iterdir()
    content = json.loads(path.read_text(encoding="utf-8"))
    assert (content["method"]["name"], content["method"]["trained_values"]) == ("last-norm", 8)
    assert content["versions"]["arms"]["my_arms:BACKWARDS"] == 1
    chosen = content["users"][0]["candidates"]["random | my_arms:BACKWARDS"]
    assert len({*chosen.values()}) == 2


def test_a_bet_file_that_is_no_bet_is_one_message(own):
    result = own(flavour='"vanilla"')
    assert result.ret != pytest.ExitCode.OK
    assert "own.toml: unknown key 'flavour'" in result.stdout.str()


def test_a_name_that_is_not_registered_is_one_message(pytester, downstream):
    result = pytester.runpytest_inprocess(*downstream, "--noisefloor-bet=bet99")
    assert result.ret != pytest.ExitCode.OK
    assert "bet 'bet99': expected bet37 or" in result.stdout.str()


def test_results_by_other_matrix_products_are_marked(pytester, downstream, folder_base):
    words = [*downstream[:2], f"--noisefloor-base={folder_base}", "--noisefloor-matmul=bfloat16"]
    pytester.runpytest_inprocess(*words).assert_outcomes(passed=3)
    assert all(name.startswith("UNREGISTERED_60_") for name in written(pytester))
    (path,) = (pytester.path / "results").iterdir()
    assert json.loads(path.read_text(encoding="utf-8"))["recipe"]["matmul"] == "bfloat16"


@pytest.mark.parametrize(
    ("own", "asked", "used", "registered"),
    [
        ("float32", [], "float32", True),
        ("float32", ["--noisefloor-seeds=0"], "float32", True),
        ("float32", ["--noisefloor-seeds=7"], "float32", False),
        ("float32", ["--noisefloor-matmul=float32"], "float32", True),
        ("float32", ["--noisefloor-matmul=bfloat16"], "bfloat16", False),
        ("bfloat16", [], "bfloat16", False),
    ],
)
def test_by_other_matrix_products_or_seeds_than_its_own_a_bet_is_not_the_registered_one(
    pytester, own, asked, used, registered
):
    text = resource_path("bets", "bet60.toml").read_text(encoding="utf-8")
    if own != "float32":
        text = text.replace("steps = 100", f'steps = 100\nmatmul = "{own}"')
    pytester.path.joinpath("own.toml").write_text(text, encoding="utf-8")
    config = pytester.parseconfigure("--noisefloor-bet=own.toml", *asked)
    bet = session.session_bet(config.stash[session.SETTINGS])
    assert (bet.recipe.matmul, bet.status() == "REGISTERED") == (used, registered)


@pytest.mark.parametrize(
    ("named", "bet", "folder"),
    [
        (None, None, ""),
        ("tiny", None, ""),
        ("tiny+ternary", None, "tiny-ternary"),
        (None, "bet52", ""),
        ("tiny", "bet52", "tiny"),
    ],
)
def test_results_of_another_base_than_the_usual_one_have_their_own_folder(
    pytester, monkeypatch, named, bet, folder
):
    """Bet 52 is about a ternary base: that is where its result stands by itself."""
    config = pytester.parseconfigure("--noisefloor-base=tiny", "--noisefloor-out=runs")
    monkeypatch.setattr(session, "build_experiment", lambda _, **given: given["out"])
    out = session.open_experiment(config, lambda name: name, lambda *_: (), named, bet)
    assert out == pytester.path / "runs" / folder
