"""Spread files: what is read of them, for which trainings, and how they are made."""

import json
import runpy
from dataclasses import asdict, replace

import pytest

from noisefloor_tests.support.places import CHECKOUT
from noisefloor_tests.support.planted import damaged_base, experiment, user
from pytest_noisefloor._files import resource_path, text_sha256
from pytest_noisefloor.bets.registry import registered_bet
from pytest_noisefloor.data.arms import ARMS
from pytest_noisefloor.results import spread_file
from pytest_noisefloor.results.files import ResultError, read_file
from pytest_noisefloor.results.lifting import lift
from pytest_noisefloor.results.rejudging import rejudge_file
from pytest_noisefloor.results.schema import seal
from pytest_noisefloor.results.spread_file import filed_spread, read_spread_files
from pytest_noisefloor.stats.spread import Spread

SCRIPT = CHECKOUT / "scripts" / "make_spread.py"
FILES = sorted(resource_path("spread").glob("*.json"))
USERS = {"ann": {"real": (0.3, 5)}, "bob": {"real": (0.4, 3), "random": (0.1, 2)}}


def content_for(runner, **changes):
    """The content of a spread file about what a runner trains."""
    return {
        "spread": 1,
        "made": "2026-11-26",
        "base": {"name": "planted", "fingerprint": runner.base.fingerprint},
        "method": {"name": runner.method.name, "version": runner.method.version},
        "recipe": asdict(runner.recipe),
        "scoring": asdict(runner.scoring),
        "arms": {"real": ARMS["real"].version, "random": ARMS["random"].version},
        "users": {
            name: {arm: {"sd": sd, "seeds": seeds} for arm, (sd, seeds) in arms.items()}
            for name, arms in USERS.items()
        },
        "evidence": [{"file": "made.json", "sha256": "0" * 64}],
        **changes,
    }


@pytest.fixture
def runner(tmp_path):
    return experiment(damaged_base(), [user("ann", 1)], tmp_path).runner


@pytest.fixture
def written(tmp_path):
    """Write the contents of spread files into a folder, and return it."""

    def write(*contents):
        folder = tmp_path / "spread"
        folder.mkdir()
        for at, content in enumerate(contents):
            (folder / f"{at}.json").write_text(json.dumps(content), encoding="utf-8")
        return folder

    return write


def test_a_user_has_the_spread_of_all_others_in_the_file_with_its_hash(runner, written):
    folder = written(content_for(runner))
    sha256 = text_sha256((folder / "0.json").read_bytes())

    def filed(sd, df):
        return Spread(sd=pytest.approx(sd), df=df, source="filed", sha256=sha256)

    both = ((4 * 0.3**2 + 2 * 0.4**2) / 6) ** 0.5
    assert filed_spread(runner, "ann", "real", folder) == filed(0.4, 2.0)
    assert filed_spread(runner, "bob", "real", folder) == filed(0.3, 4.0)
    assert filed_spread(runner, "cat", "real", folder) == filed(both, 6.0)
    assert filed_spread(runner, "ann", "random", folder) == filed(0.1, 1.0)
    assert filed_spread(runner, "bob", "random", folder) is None  # nobody else has it
    assert filed_spread(runner, "ann", "oracle", folder) is None


@pytest.mark.parametrize(
    "changes",
    [
        {"base": {"name": "planted", "fingerprint": "f" * 64}},
        {"method": {"name": "norm-only", "version": 99}},
        {"method": {"name": "full", "version": 1}},
        {"recipe": {"lr": 1e-3}},
        {"recipe": {"steps": 7}},
        {"scoring": {"noise": 0.01}},
        {"arms": {"real": 99}},
    ],
    ids=str,
)
def test_a_spread_of_other_trainings_is_not_taken(runner, written, changes):
    whole = content_for(runner)
    changed = {key: {**whole[key], **of} for key, of in changes.items()}
    assert filed_spread(runner, "ann", "real", written(whole | changed)) is None


def test_how_much_text_is_scored_may_differ(runner, written):
    whole = content_for(runner)
    more = whole | {"scoring": whole["scoring"] | {"tokens": 20480}}
    assert filed_spread(runner, "ann", "real", written(more)).sd == 0.4


def test_two_files_about_the_same_trainings_are_refused(runner, written):
    folder = written(content_for(runner), content_for(runner))
    with pytest.raises(ResultError, match=r"0\.json and .*1\.json: both are about .* on planted"):
        filed_spread(runner, "ann", "real", folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sd": 0.0}, "users.ann.real.sd = 0.0; expected more than 0"),
        ({"sd": -1.0}, "users.ann.real.sd = -1.0; expected more than 0"),
        ({"seeds": 1}, "users.ann.real.seeds = 1; expected 2 or more"),
        ({"colour": 1}, "users.ann.real: unknown key 'colour'; expected sd, seeds"),
    ],
)
def test_a_spread_that_cannot_be_is_refused_with_its_file(runner, written, change, message):
    """The cheat: no spread at all, or that of one training."""
    one = content_for(runner)
    one["users"]["ann"]["real"] |= change
    folder = written(one)
    with pytest.raises(ResultError) as caught:
        read_spread_files(folder)
    assert str(caught.value) == f"{folder / '0.json'}: {message}"


def test_a_day_that_never_was_is_refused(runner, written):
    folder = written(content_for(runner, made="2026-02-30"))
    with pytest.raises(ResultError, match="made = '2026-02-30'; expected a date, as 2026-11-26"):
        read_spread_files(folder)


# --- those that are shipped --------------------------------------------------------------------


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
@pytest.mark.skipif(not SCRIPT.is_file(), reason="an installed wheel brings no scripts")
def test_every_shipped_spread_file_is_what_the_script_makes_of_the_committed_evidence(
    path, tmp_path
):
    content = json.loads(path.read_text(encoding="utf-8"))
    sources = [resource_path("evidence", one["file"]) for one in content["evidence"]]
    made = runpy.run_path(str(SCRIPT))["main"](content["method"]["name"], sources, tmp_path)
    assert made.name == path.name
    assert json.loads(made.read_text(encoding="utf-8")) | {"made": content["made"]} == content


def test_the_shipped_spread_of_random_text_is_a_fraction_of_the_users_own():
    """The spread sits in the real arm, so the control's alone says too little."""
    name = "norm-only_reference_5e-05x100"
    (file,) = (
        file for path, _, file in read_spread_files(resource_path("spread")) if path.stem == name
    )
    ratios = [arms["real"].sd / arms["random"].sd for arms in file.users.values()]
    assert len(ratios) == 3
    assert min(ratios) > 1.5
    assert max(ratios) > 15


@pytest.mark.skipif(not SCRIPT.is_file(), reason="an installed wheel brings no scripts")
@pytest.mark.parametrize(
    ("method", "names", "message"),
    [
        ("lora-r4", ("bet46",), "no arm is trained by lora-r4; expected one"),
        ("norm-only", ("bet46",) * 2, "programmer, real, seed 0: given twice; expected once"),
        ("norm-only", ("bet60", "bet60-rate-5e-4"), "recipe is .*; expected .*, as before"),
        ("norm-only", ("bet60",), "no arm has two seeds; expected one"),
    ],
)
def test_results_that_give_no_spread_are_refused(method, names, message, tmp_path):
    paths = [resource_path("evidence", f"{name}_reference.json") for name in names]
    with pytest.raises(ResultError, match=message):
        runpy.run_path(str(SCRIPT))["main"](method, paths, tmp_path)


# --- in a verdict and its file -------------------------------------------------------------------


@pytest.fixture
def judged(tiny, tmp_path, runner, written, monkeypatch):
    """An experiment of one seed whose arms both have a filed spread."""
    recipe = asdict(replace(runner.recipe, steps=2))
    both = {"real": {"sd": 0.02, "seeds": 5}, "random": {"sd": 0.01, "seeds": 5}}
    folder = written(content_for(runner, recipe=recipe, users={"cat": both}))
    monkeypatch.setattr(spread_file, "resource_path", lambda _: folder)
    users = [user(name, at, lengths=(2048,)) for at, name in enumerate(("ann", "bob"))]
    return experiment(damaged_base(), users, tmp_path / "run", steps=2)


def test_the_filed_spread_stands_in_the_verdict_its_file_and_the_verdict_made_again(judged):
    verdict = judged.verdict
    content = read_file(judged.result_path)
    for one, row in zip(verdict.resolved, content["users"], strict=True):
        assert one.delta.of_trainings
        assert one.delta.spread_se == pytest.approx((0.02**2 + 0.01**2) ** 0.5)
        assert row["spread"]["real"] == {
            "sd": 0.02,
            "freedom": 4.0,
            "source": "filed",
            "sha256": one.spreads["real"].sha256,
        }
        assert row["intervals"]["delta"]["trainings"] is True
        assert one.oracle is None or not one.oracle.of_trainings
    again = rejudge_file(lift(content), judged.bet)
    assert again.resolved == verdict.resolved


def test_a_result_without_a_spread_is_judged_of_its_adapters_alone(judged):
    """As all evidence is that was made before there were spread files."""
    judged.verdict  # noqa: B018 (it writes the file)
    content = read_file(judged.result_path)
    for row in content["users"]:
        del row["spread"]
    again = rejudge_file(lift(content | {"seal": seal(content)}), judged.bet)
    assert not any(one.delta.of_trainings for one in again.resolved)


@pytest.mark.parametrize("edited", [0.5, 2.0])
def test_an_edited_spread_of_own_seeds_is_refused(edited):
    content = lift(read_file(resource_path("evidence", "bet46_reference.json"))).content
    bet = registered_bet("bet46")
    whole = rejudge_file(lift(content), bet)
    known = whole.resolved[0].spreads["real"]
    assert (known.source, known.df) == ("own seeds", 4.0)
    row = next(row for row in content["users"] if row["unit"] == whole.resolved[0].user)
    said = {"sd": known.sd, "freedom": 4.0, "source": "own seeds", "sha256": ""}
    row["spread"] = {"real": said}
    assert rejudge_file(lift(content), bet).resolved == whole.resolved
    said["sd"] *= edited
    with pytest.raises(ResultError, match=r"spread\.real\.sd = .*, as the sums give"):
        rejudge_file(lift(content), bet)
