"""Find leaks: held-out text or another user's text inside a training text."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations

import numpy as np
import numpy.typing as npt

from pytest_noisefloor.errors import NoisefloorError

from .users import CorpusError, User
from .words import quote, spans, visible, word_count, words

# Words in an n-gram. Two texts hardly ever share thirteen words in a row by chance. GPT-3's
# authors used this n to look for test text in training text (Brown et al. 2020, appendix C).
NGRAM = 13
# Largest share of a slice's n-grams that the training text may contain. It allows for stock
# phrases, not for copies. If training took every token of that share from 4 nats to 0, Δ would
# move by 0.04 nats per token: less than half of the smallest registered effect, ln 1.1 = 0.095.
LEAK_SHARE = 0.01
# A paragraph of this many words or more is a leak by itself if it is found word for word. It is
# too long for a stock phrase, and too short to show in the share of a slice of thousands of words.
LEAK_PARAGRAPH = 50


class LeakError(NoisefloorError):
    """Texts that must be separate share too much. ``finding`` quotes none of them."""

    def __init__(self, finding: str, *, passage: str, mend: str) -> None:
        super().__init__(f"{finding}; the first: {passage[:100]!r}. {mend}")
        self.finding = finding


@dataclass(frozen=True)
class SliceLeak:
    """How much of one held-out slice appears in its user's training text."""

    name: str
    share: float  # share of the slice's distinct word n-grams, from 0 to 1
    paragraphs: int  # how many of LEAK_PARAGRAPH words or more are found word for word
    passage: str | None  # the first passage found: a paragraph if any, else an n-gram


def ngrams(text: str, n: int = NGRAM) -> set[tuple[str, ...]]:
    """The distinct n-grams of a text, of words as they are compared: in lower case, for instance.

    Text of scripts without spaces between words has n-grams of characters, as long as n words.
    """
    return set(_ngrams(text, n))


def overlap(text: str, reference: AbstractSet[tuple[str, ...]], n: int = NGRAM) -> float:
    """The share of a text's distinct word n-grams that are in ``reference``, from 0 to 1.

    Raises:
        CorpusError: the text has fewer than n words, or characters that count as so many.
    """
    grams = ngrams(text, n)
    if not grams:
        raise CorpusError(f"{int(word_count(words(visible(text))))} words; expected at least {n}")
    return len(grams & reference) / len(grams)


def leak(user: User) -> tuple[SliceLeak, ...]:
    """Measure how much of each held-out slice appears in the training text.

    Raises:
        CorpusError: a slice is too short to check.
    """
    reference = ngrams(user.train)
    found = []
    for piece in user.heldout:
        try:
            share = overlap(piece.text, reference)
        except CorpusError as error:
            raise CorpusError(f"user {user.name}, slice {piece.name}: {error}") from None
        copied: list[str] = []
        passage = None
        if share:  # a copied paragraph has n-grams, so without a share there is none
            copied = _copied_paragraphs(piece.text, user.train)
            passage = copied[0] if copied else _first_shared(piece.text, reference)
        found.append(SliceLeak(piece.name, share, len(copied), passage))
    return tuple(found)


@lru_cache(maxsize=4)
def check_contamination(users: tuple[User, ...]) -> dict[str, tuple[SliceLeak, ...]]:
    """Check all users for leaks, and return each user's figures by name.

    The result is cached, so bets on the same users share one check.

    Raises:
        LeakError: a training text contains held-out text or another user's text, or two slices of
            one user share text.
        CorpusError: a slice is too short to check.
    """
    leaks = {user.name: check_user(user) for user in users}
    check_between_users(users)
    return leaks


def check_user(user: User) -> tuple[SliceLeak, ...]:
    """Return the figures of ``leak`` after checking that they are harmless.

    Raises:
        LeakError: a slice shares more than LEAK_SHARE of its n-grams, or any long paragraph, with
            the training text.
    """
    figures = leak(user)
    for figure in figures:
        if figure.share > LEAK_SHARE or figure.paragraphs:
            raise LeakError(
                f"user {user.name}, slice {figure.name}: {figure.share:.2%} of its word "
                f"{NGRAM}-grams stand in the training text (at most {LEAK_SHARE:.0%} may), and "
                f"{figure.paragraphs} of its paragraphs of {LEAK_PARAGRAPH} words or more (none "
                "may)",
                passage=figure.passage or "",
                mend="Take it out of one of the two",
            )
    return figures


def check_between_users(users: Sequence[User]) -> None:
    """Refuse training on another user's text, and measuring a user twice on the same text.

    A training text is compared with every text of every other user. Every two slices of one user
    are compared too. The figure is the number of n-grams that the two texts share, as a share of
    the smaller text's n-grams. LEAK_SHARE leaves room for a licence at the top of many files.

    Raises:
        LeakError: two texts share more than LEAK_SHARE.
    """
    for _, _, error in leaks_between(users):
        raise error


def leaks_between(users: Sequence[User]) -> Iterator[tuple[str, str, LeakError]]:
    """Yield every two texts that ``check_between_users`` refuses, as two users and the error.

    The first user's training text holds the other's text. Of two training texts the longer comes
    first. The two users are one if two of a user's slices share text.
    """
    longest_first = sorted(users, key=lambda user: -len(user.train))  # it is named first
    texts = [(user.name, "training text", user.train) for user in longest_first]
    texts += [(u.name, f"slice {piece.name}", piece.text) for u in users for piece in u.heldout]
    grams, sizes = _hashed([text for _, _, text in texts])
    for (a, b), count in sorted(_shared(grams, sizes).items()):
        (user, what, text), (other, where, another) = texts[a], texts[b]
        share = count / min(sizes[a], sizes[b])
        # slices of two users may share text: that measures no user twice
        if share <= LEAK_SHARE or (user != other) != (a < len(users)):
            continue
        passage = _first_shared(text, ngrams(another))
        mend = (
            "Train each user on their own text alone: remove from both what neither user wrote"
            if user != other
            else "The same text twice is no second measurement; take it out of one of the two"
        )
        finding = (
            f"user {user}, {what}: word {NGRAM}-grams shared with user {other}'s {where} are "
            f"{share:.2%} of the smaller of the two (at most {LEAK_SHARE:.0%} may)"
        )
        yield user, other, LeakError(finding, passage=passage, mend=mend)


def _hashed(texts: Sequence[str]) -> tuple[npt.NDArray[np.int64], list[int]]:
    """Hash each text's distinct n-grams to 64 bits. Return all hashes, and the count per text.

    The hashes of all texts stand in one array, text after text. That takes a fiftieth of the memory
    of sets of n-grams, so hundreds of users fit.
    """
    arrays = [
        np.unique(np.fromiter((hash(gram) for gram in _ngrams(text, NGRAM)), dtype=np.int64))
        for text in texts
    ]
    return np.concatenate(arrays), [len(array) for array in arrays]


def _shared(grams: npt.NDArray[np.int64], sizes: Sequence[int]) -> Counter[tuple[int, int]]:
    """Count the n-grams that two texts share, by the texts' numbers.

    Pairs that share none are left out.
    """
    holders = np.repeat(np.arange(len(sizes)), sizes)
    order = np.argsort(grams, kind="stable")  # the holders of one n-gram ascend
    ends = np.flatnonzero(np.diff(grams[order], append=grams[order][-1:] - 1)) + 1
    starts = np.concatenate([[0], ends[:-1]])[: len(ends)]
    several = ends - starts > 1
    # the many n-grams of a boilerplate text all have the same holders: handle these once
    same = Counter(
        tuple(holders[order[start:end]].tolist())
        for start, end in zip(starts[several], ends[several], strict=True)
    )
    pairs: Counter[tuple[int, int]] = Counter()
    for held, count in same.items():
        for pair in combinations(held, 2):
            pairs[pair] += count
    return pairs


def _ngrams(text: str, n: int) -> Iterator[tuple[str, ...]]:
    """The word n-grams of a text, in text order."""
    found = words(visible(text))
    forms = [word.compared for word in found]
    return (tuple(forms[start:end]) for start, end in spans(found, n))


def _first_shared(text: str, reference: AbstractSet[tuple[str, ...]]) -> str:
    """The first n-gram of a text that is in ``reference``, in the words of the text."""
    found = words(visible(text))
    grams = zip(spans(found, NGRAM), _ngrams(text, NGRAM), strict=True)
    start, end = next(span for span, gram in grams if gram in reference)
    return quote(found[start:end])


def _copied_paragraphs(text: str, training: str) -> list[str]:
    """The distinct long paragraphs of a text that stand word for word in the training text.

    Paragraphs stand between blank lines or on one line. Both are tried, because many files have
    one paragraph per line.
    """
    text, within = visible(text), _in_one_line(visible(training))
    blocks = dict.fromkeys([*re.split(r"\n\s*\n", text), *text.split("\n")])
    long = [block for block in blocks if word_count(words(block)) >= LEAK_PARAGRAPH]
    return [block for block in long if _in_one_line(block) in within]


def _in_one_line(text: str) -> str:
    """The compared forms of the words of a text that ``visible`` returned, between spaces."""
    return f" {' '.join(word.compared for word in words(text))} "
