"""Adapters that PEFT trained on four users' texts: whose they are, and whether they help."""

import math
import shutil
from dataclasses import replace

import pytest
import torch

from noisefloor_tests.support.given_adapters import reconfigure, retensor
from noisefloor_tests.support.given_users import train_adapter, write_users
from pytest_noisefloor.cli import main
from pytest_noisefloor.data.users import load_users
from pytest_noisefloor.errors import NoisefloorError
from pytest_noisefloor.models.adapters import attached, find_adapters
from pytest_noisefloor.runs import given, match_users, score_given
from pytest_noisefloor.specs import Scoring

pytest.importorskip("peft", reason="pip install pytest-noisefloor[catalogue]")

NAMES = ["ann", "bob", "cy", "dee"]
SCORING = Scoring(window=128, stride=64, tokens=2048)


@pytest.fixture(scope="module")
def trained(tiny, tmp_path_factory):
    """A folder with users, and adapters that were trained on their texts."""
    root = tmp_path_factory.mktemp("given")
    for user in load_users(write_users(root / "users", NAMES)):
        train_adapter(root / "adapters" / user.name, tiny, user.train)
    return root


@pytest.fixture
def place(trained, tmp_path):
    return shutil.copytree(trained, tmp_path / "given")


def scored(base, place, scoring=SCORING):
    adapters = find_adapters(place / "adapters")
    users = match_users(adapters, load_users(place / "users"))
    return score_given(base, adapters, users, scoring)


def swap(place, one, other):
    one, other = (place / "adapters" / name for name in (one, other))
    one.rename(place / "aside")
    other.rename(one)
    (place / "aside").rename(other)


def test_adapters_that_learned_their_users_are_theirs_and_help(tiny, trained):
    found = scored(tiny, trained)
    assert found.p == pytest.approx(1 / 24)
    assert [(one.name, one.rank, one.of) for one in found.users] == [(n, 1, 4) for n in NAMES]
    assert found.helped == tuple(NAMES)
    assert found.swapped == found.harmed == ()
    assert (found.failed, found.unclear) == (False, False)
    assert found.tokens == 4 * 2 * 2048


def test_two_adapters_that_are_swapped_are_named(tiny, place):
    swap(place, "ann", "cy")
    found = scored(tiny, place)
    assert found.swapped == (("ann", "cy"),)
    assert found.failed
    assert found.p > 0.05


def test_an_adapter_that_makes_peft_change_the_base_changes_nobody_elses_scores(tiny, place):
    """PiSSA takes its first factors out of the base's own weights."""
    expected = scored(tiny, place).users[1:]
    reconfigure(init_lora_weights="pissa")(place / "adapters" / "ann")
    found = scored(tiny, place).users[1:]
    assert [one.nll for one in found] == [one.nll for one in expected]


def test_scores_are_those_of_the_models_own_loss(tiny, trained):
    """With one window for a whole slice, to 1e-5."""
    found = scored(tiny, trained, Scoring(window=300, stride=300, tokens=300))
    user, given = load_users(trained / "users")[0], find_adapters(trained / "adapters")[0]
    model, losses = tiny.model("cpu"), []
    with attached(model, given), torch.no_grad():
        for piece in user.heldout:
            ids = [tiny.tokenizer.prefix, *tiny.encode(piece.text)[:300]]
            ids = torch.tensor(ids)[None]
            losses.append(float(model(input_ids=ids, labels=ids).loss))
    assert found.users[0].nll == pytest.approx(sum(losses) / 2, abs=1e-5)


def test_each_user_has_the_figures_of_the_own_block(tiny, trained, monkeypatch):
    """Of two blocks whose users stand in another order."""
    adapters, users = find_adapters(trained / "adapters"), load_users(trained / "users")
    pairs = {0: 2, 2: 0, 1: 3, 3: 1}
    of_others = [
        score_given(tiny, [adapters[other]], [users[own]], SCORING).users[0].nll
        for own, other in sorted(pairs.items())
    ]
    whole = scored(tiny, trained).users
    monkeypatch.setattr(given, "user_blocks", lambda _: [[1, 3], [0, 2]])
    for one, same, nll in zip(scored(tiny, trained).users, whole, of_others, strict=True):
        assert (one.name, one.nll, one.of) == (same.name, same.nll, 2)
        assert one.advantage == pytest.approx(nll - one.nll)


def test_a_token_without_a_row_is_one_line(tiny, place):
    class Moved:
        prefix, text_ids, name = tiny.tokenizer.prefix, tiny.tokenizer.text_ids, tiny.tokenizer.name

        def encode(self, text):
            return tiny.tokenizer.encode(text) + 200

    with pytest.raises(NoisefloorError, match=r"^user 'ann', training .*token \d+, .* below 257"):
        scored(replace(tiny, _load_tokenizer=Moved), place)


def test_a_window_beyond_the_positions_is_one_line(tiny, place):
    with pytest.raises(NoisefloorError, match="windows of 600 tokens; expected at most 512"):
        scored(tiny, place, Scoring(window=600, stride=300, tokens=1200))


def test_fewer_than_four_users_leave_it_to_the_other_questions(tiny, place):
    shutil.rmtree(place / "adapters" / "dee")
    found = scored(tiny, place)
    assert found.p is None
    assert not found.failed
    assert not found.unclear


def test_an_adapter_of_nobody_is_one_line(tiny, place):
    (place / "adapters" / "dee").rename(place / "adapters" / "eve")
    with pytest.raises(NoisefloorError) as refused:
        scored(tiny, place)
    assert str(refused.value) == (
        f"{place}/adapters/eve: no user 'eve'; expected an adapter's folder to have the name of "
        "its user: ann, bob, cy, dee"
    )


def test_a_text_that_is_too_short_for_an_interval_has_none(tiny, place):
    for name in NAMES:
        for file in (place / "users" / name / "heldout").iterdir():
            file.write_text(file.read_text()[:100])
    found = scored(tiny, place)
    assert [one.help for one in found.users] == [None] * 4
    assert all(math.isfinite(one.nll) for one in found.users)
    assert found.unclear


@pytest.mark.parametrize(("swapped", "status"), [(False, 0), (True, 1)])
def test_the_command_says_whose_they_are(place, capsys, swapped, status):
    if swapped:
        swap(place, "ann", "cy")
    words = ["check", str(place / "adapters"), "--base", "tiny", "--users", str(place / "users")]
    assert main(words) == status
    printed = capsys.readouterr().out
    assert printed.startswith("4 adapters on tiny: 4 ok.\n\nuser ")
    shown = "not shown" if swapped else "shown"
    assert f"The adapters are {shown} to be their users', p 0." in printed
    assert ("The adapters of ann and cy look swapped: each predicts" in printed) == swapped


def test_an_adapter_without_numbers_is_said_and_nothing_is_scored(place, capsys):
    retensor(lambda ts: {n: t * float("nan") for n, t in ts.items()})(place / "adapters" / "cy")
    words = ["check", str(place / "adapters"), "--base", "tiny", "--users", str(place / "users")]
    assert main(words) == 1
    printed = capsys.readouterr().out
    assert "\n\nNo text was scored, since an adapter does not fit or its values are no" in printed
