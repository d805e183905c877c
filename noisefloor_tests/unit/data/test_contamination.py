"""The leak between training and held-out text: what is counted, and what is refused."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from noisefloor_tests.support.texts import words
from pytest_noisefloor.data.contamination import (
    LEAK_PARAGRAPH,
    NGRAM,
    LeakError,
    check_user,
    leak,
    ngrams,
    overlap,
)
from pytest_noisefloor.data.users import CorpusError, Slice, User


def prose(count, prefix, width=60):
    """Words of one's own, in paragraphs."""
    own = words(count, prefix)
    return "\n\n".join(" ".join(own[start : start + width]) for start in range(0, count, width))


def user(train, heldout):
    return User("ann", train, (Slice("clean", prose(500, "other")), Slice("letters", heldout)))


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
    with pytest.raises(CorpusError, match=f"^{NGRAM - 1} words; expected at least {NGRAM}$"):
        overlap(short, set())
    with pytest.raises(CorpusError, match=r"^user ann, slice letters: 12 words; expected"):
        check_user(user(prose(500, "own"), short))


def test_texts_that_share_nothing_have_no_leak():
    clean, letters = check_user(user(prose(5000, "own"), prose(5000, "new")))
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
        check_user(user(train, f"{prose(9000, 'new')}\n\n{copied}"))
    message = str(caught.value)
    assert message.startswith("user ann, slice letters: 0.42% of its word 13-grams stand in")
    assert "and 1 of its paragraphs of 50 words or more (none may)" in message
    assert "'copied0 copied1 copied2" in message


def test_a_copied_paragraph_is_seen_in_files_with_one_paragraph_a_line():
    copied = " ".join(words(LEAK_PARAGRAPH, "copied"))
    lines = prose(9000, "new").replace("\n\n", "\n")
    with pytest.raises(LeakError, match="and 1 of its paragraphs"):
        check_user(user(f"{prose(3000, 'own')}\n{copied}", f"{lines}\n{copied}"))


def test_a_paragraph_one_word_shorter_is_left_to_the_share_of_ngrams():
    copied = " ".join(words(LEAK_PARAGRAPH - 1, "copied"))
    train = f"{prose(3000, 'own')}\n\n{copied}"
    _, letters = check_user(user(train, f"{prose(9000, 'new')}\n\n{copied}"))
    assert letters.paragraphs == 0
    assert letters.share == (LEAK_PARAGRAPH - NGRAM) / (9000 + LEAK_PARAGRAPH - 1 - NGRAM + 1)
    with pytest.raises(LeakError, match=r"3\.57% of its word 13-grams .* first: 'copied0 copied1"):
        check_user(user(train, f"{prose(1000, 'new')}\n\n{copied}"))


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
            check_user(ann)
    else:
        check_user(ann)
