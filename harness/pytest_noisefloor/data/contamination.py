"""Leaks: text of a user's held-out slices, or of another user, that stands in a training text."""

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

# Words in an n-gram. Thirteen in a row are hardly ever chance: the n by which GPT-3's authors
# looked for test text in training text (Brown et al. 2020, appendix C).
NGRAM = 13
# Share of a slice's n-grams that may stand in the training text: stock phrases, not copies. Were
# every token of that share learnt from 4 nats to none, Δ would move by 0.04 nats a token, less
# than half of the smallest registered effect, ln 1.1 = 0.095.
LEAK_SHARE = 0.01
# Words from which a paragraph found word for word is a leak by itself: too long for a stock
# phrase, too short to be seen in the share of a slice of thousands of words.
LEAK_PARAGRAPH = 50


class LeakError(NoisefloorError):
    """Held-out text that stands in the training text too."""


@dataclass(frozen=True)
class SliceLeak:
    """How much of one held-out slice stands in its user's training text."""

    name: str
    share: float  # of the slice's distinct word n-grams, from 0 to 1
    paragraphs: int  # of LEAK_PARAGRAPH words or more, found word for word
    passage: str | None  # the first that was found: a paragraph, else an n-gram


def ngrams(text: str, n: int = NGRAM) -> set[tuple[str, ...]]:
    """The distinct word n-grams of a text: lower case, punctuation left out."""
    return set(_ngrams(text, n))


def overlap(text: str, reference: AbstractSet[tuple[str, ...]], n: int = NGRAM) -> float:
    """The share of a text's distinct word n-grams that are in a reference, from 0 to 1.

    Raises:
        CorpusError: the text has fewer than n words, hence no n-gram to look for.
    """
    grams = ngrams(text, n)
    if not grams:
        raise CorpusError(f"text {text[:40]!r}: expected at least {n} words")
    return len(grams & reference) / len(grams)


def leak(user: User) -> tuple[SliceLeak, ...]:
    """For each held-out slice, what of it stands in the training text.

    Raises:
        CorpusError: a slice is too short to say.
    """
    reference, training = ngrams(user.train), _spaced(user.train)
    found = []
    for piece in user.heldout:
        try:
            share = overlap(piece.text, reference)
        except CorpusError as error:
            raise CorpusError(f"user {user.name}, slice {piece.name}: {error}") from None
        paragraphs = [p for p in _paragraphs(piece.text) if _spaced(p) in training]
        gram = next((" ".join(g) for g in _ngrams(piece.text, NGRAM) if g in reference), None)
        passage = paragraphs[0] if paragraphs else gram
        found.append(SliceLeak(piece.name, share, len(paragraphs), passage))
    return tuple(found)


@lru_cache(maxsize=4)
def check_contamination(users: tuple[User, ...]) -> dict[str, tuple[SliceLeak, ...]]:
    """What leaks of each user's slices, by name; checked once for all bets on the same users.

    Raises:
        LeakError: held-out text, or another user's, stands in a user's training text.
        CorpusError: a slice is too short to say.
    """
    leaks = {user.name: check_user(user) for user in users}
    check_between_users(users)
    return leaks


def check_user(user: User) -> tuple[SliceLeak, ...]:
    """The figures of ``leak``, once they are known to be harmless.

    Raises:
        LeakError: a slice shares more than LEAK_SHARE of its n-grams, or any long paragraph.
    """
    figures = leak(user)
    for figure in figures:
        if figure.share > LEAK_SHARE or figure.paragraphs:
            raise LeakError(
                f"user {user.name}, slice {figure.name}: {figure.share:.2%} of its word "
                f"{NGRAM}-grams stand in the training text (at most {LEAK_SHARE:.0%} may), and "
                f"{figure.paragraphs} of its paragraphs of {LEAK_PARAGRAPH} words or more (none "
                f"may); the first: {(figure.passage or '')[:100]!r}. Take it out of one of the two"
            )
    return figures


def check_between_users(users: Sequence[User]) -> None:
    """Refuse a user who is trained on another user's text as well, or measured twice on one text.

    What counts is the n-grams that a training text shares with any text of another user, and that
    two slices of one user share, as a share of the smaller of the two. A licence that many files
    open with passes within LEAK_SHARE.

    Raises:
        LeakError: more than LEAK_SHARE is shared.
    """
    longest_first = sorted(users, key=lambda user: -len(user.train))  # it is what holds the other
    texts = [(user.name, "training text", user.train) for user in longest_first]
    texts += [(u.name, f"slice {piece.name}", piece.text) for u in users for piece in u.heldout]
    grams, sizes = _hashed([text for _, _, text in texts])
    for (a, b), count in sorted(_shared(grams, sizes).items()):
        (user, what, text), (other, where, another) = texts[a], texts[b]
        share = count / min(sizes[a], sizes[b])
        # what slices of two users share is nobody's replicate
        if share <= LEAK_SHARE or (user != other) != (a < len(users)):
            continue
        reference = ngrams(another)
        passage = next(" ".join(g) for g in _ngrams(text, NGRAM) if g in reference)
        mend = (
            "Train each user on their own text alone, and take out of both what is nobody's own"
            if user != other
            else "The same text twice is no second measurement; take it out of one of the two"
        )
        raise LeakError(
            f"user {user}, {what}: word {NGRAM}-grams shared with user {other}'s {where} are "
            f"{share:.2%} of the smaller of the two (at most {LEAK_SHARE:.0%} may); the first: "
            f"{passage[:100]!r}. {mend}"
        )


def _hashed(texts: Sequence[str]) -> tuple[npt.NDArray[np.int64], list[int]]:
    """Each text's distinct n-grams as 64-bit hashes, one text behind the other; and how many each.

    Hashes in one array take a fiftieth of what n-grams in sets do: hundreds of users fit.
    """
    arrays = [
        np.unique(np.fromiter((hash(gram) for gram in _ngrams(text, NGRAM)), dtype=np.int64))
        for text in texts
    ]
    return np.concatenate(arrays), [len(array) for array in arrays]


def _shared(grams: npt.NDArray[np.int64], sizes: Sequence[int]) -> Counter[tuple[int, int]]:
    """How many n-grams two texts share, by their numbers, for those that share any."""
    holders = np.repeat(np.arange(len(sizes)), sizes)
    order = np.argsort(grams, kind="stable")  # so that the holders of one n-gram ascend
    ends = np.flatnonzero(np.diff(grams[order], append=grams[order][-1:] - 1)) + 1
    starts = np.concatenate([[0], ends[:-1]])[: len(ends)]
    several = ends - starts > 1
    # boilerplate has many n-grams, and the same holders for all of them
    same = Counter(
        tuple(holders[order[start:end]].tolist())
        for start, end in zip(starts[several], ends[several], strict=True)
    )
    pairs: Counter[tuple[int, int]] = Counter()
    for held, count in same.items():
        for pair in combinations(held, 2):
            pairs[pair] += count
    return pairs


def _words(text: str) -> list[str]:
    return re.findall(r"\w+", text.lower())


def _ngrams(text: str, n: int) -> Iterator[tuple[str, ...]]:
    """The word n-grams of a text in their order."""
    words = _words(text)
    return zip(*(words[start:] for start in range(n)), strict=False)


def _paragraphs(text: str) -> list[str]:
    """The distinct long paragraphs: between blank lines, or, as many files have it, one a line."""
    blocks = [*re.split(r"\n\s*\n", text), *text.split("\n")]
    return [p for p in dict.fromkeys(blocks) if len(_words(p)) >= LEAK_PARAGRAPH]


def _spaced(text: str) -> str:
    """Text with every run of white space as one space, and a space at both ends."""
    return f" {' '.join(text.split())} "
