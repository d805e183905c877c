"""Candidates: who can be used, and who is refused with a reason that quotes no text."""

import pytest

from noisefloor_tests.support.texts import words
from pytest_noisefloor.data import candidates
from pytest_noisefloor.data.candidates import usable_users
from pytest_noisefloor.data.download import SourceMissing
from pytest_noisefloor.data.users import CorpusError, load_users, text_digests


def person(folder, name, train=None, heldout=None):
    """A user of 200 words to train on and 100 held out, or of other words."""
    path = folder / name
    path.joinpath("heldout").mkdir(parents=True)
    path.joinpath("train.txt").write_text(" ".join(train or words(200, f"{name}t")))
    path.joinpath("heldout", "a.txt").write_text(" ".join(heldout or words(100, f"{name}h")))


@pytest.fixture
def folder(tmp_path):
    """Two users whom nothing is wrong with."""
    for name in ("ann", "bob"):
        person(tmp_path, name)
    return tmp_path


def test_users_whom_a_session_would_take_are_all_taken(folder):
    assert usable_users(folder) == (load_users(folder), {})


def test_each_who_cannot_be_used_is_set_apart_with_its_reason_and_the_others_stay(folder):
    both = load_users(folder)
    person(folder, "copy", train=[*words(200, "annt"), *words(50, "more")])
    person(folder, "leaky", heldout=words(100, "leakyt"))
    person(folder, "short", heldout=words(12, "few"))
    person(folder, "empty", train=[" "])
    folder.joinpath("bare").mkdir()
    folder.joinpath("odd", "heldout").mkdir(parents=True)
    folder.joinpath("odd", "train.txt").write_bytes(b"na\xefve")
    folder.joinpath("odd", "heldout", "a.txt").write_text("text")
    usable, refused = usable_users(str(folder))
    assert usable == both
    assert refused == {
        "bare": "bare: neither train.txt nor train/; expected one of the two",
        "copy": "user copy, training text: word 13-grams shared with user ann's training text are "
        "100.00% of the smaller of the two (at most 1% may)",
        "empty": "empty/train.txt: empty; expected text",
        "leaky": "user leaky, slice a: 100.00% of its word 13-grams stand in the training text (at "
        "most 1% may), and 1 of its paragraphs of 50 words or more (none may)",
        "odd": "odd/train.txt: byte 0xef at offset 2; expected UTF-8",
        "short": "user short, slice a: 12 words; expected at least 13",
    }


def test_of_users_who_share_with_one_another_one_is_left(tmp_path):
    """The longest text is refused first, then the next, as long as two share."""
    for n, name in enumerate(("ann", "bob", "cy")):
        person(tmp_path, name, train=words(200 + n, "shared"))
    usable, refused = usable_users(tmp_path)
    assert [user.name for user in usable] == ["ann"]
    assert {*refused} == {"bob", "cy"}


def test_a_refused_user_refuses_nobody_else(tmp_path):
    """Whose slices are in their own training text; another has the same text, and may."""
    person(tmp_path, "ann")
    person(tmp_path, "eve", train=words(300, "annt"), heldout=words(100, "annt"))
    usable, refused = usable_users(tmp_path)
    assert ([user.name for user in usable], [*refused]) == (["ann"], ["eve"])


def test_if_nobody_can_be_used_all_are_refused(tmp_path):
    tmp_path.joinpath("ann").mkdir()
    assert usable_users(tmp_path)[0] == ()


@pytest.mark.parametrize("error", [CorpusError("altered"), SourceMissing("download it")])
def test_a_shipped_text_that_is_not_at_hand_refuses_nobody(monkeypatch, error):
    def fail(*_):
        raise error

    monkeypatch.setattr(candidates, "load_user", fail)
    with pytest.raises(type(error), match=str(error)):
        usable_users("shipped")


def test_a_folder_whose_name_cannot_be_a_users_is_refused_and_the_others_are_usable(folder):
    before, _ = usable_users(folder)
    folder.joinpath("a b").mkdir()
    usable, refused = usable_users(folder)
    assert usable == before
    assert [*refused] == ["a b"]
    assert refused["a b"].startswith("a b: name 'a b'; expected [A-Za-z0-9]")


def test_those_whom_a_bet_refused_are_left_out_of_a_folder_unread(folder):
    both = load_users(folder)
    folder.joinpath("bare").mkdir()
    assert load_users(folder, refused=("bare", "gone")) == both
    assert text_digests(folder, refused=("bare",)) == {user.name: user.digests for user in both}
    assert [*text_digests(folder, refused=("bare", "bob"))] == ["ann"]
