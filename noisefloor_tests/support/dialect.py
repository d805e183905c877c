"""Users who write a dialect: real text in which common words have changed places.

No base has read the dialect, so a base has to learn it from the user's own training text.

A word is a run of two letters or more, in lower case, in upper case or with a capital first letter.
The COMMON most frequent words of a user's training text are ranked by count, and words with the
same count by alphabet. A fixed draw divides each GROUP of neighbours in that order into pairs. The
two words of a pair change places everywhere, in the training text and in the held-out text alike.
The new word takes the old one's case. The same swaps, applied again, restore the text.

Neighbours in rank are about equally frequent. So the dialect hardly changes how frequent a word is;
it changes which words it follows.
"""

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

from pytest_noisefloor.bets.bet import load_bet
from pytest_noisefloor.data.arms import generator

COMMON = 400
GROUP = 4
WORD = re.compile(r"[^\W\d_]{2,}")
CASES = (str.lower, str.upper, str.capitalize)

BET = load_bet(Path(__file__).with_name("dialect.toml"))
BESIDE = replace(
    BET,
    id="dialect-unigram",
    name="dialect_unigram",
    contrast=replace(BET.contrast, numerator="unigram"),
)
"""The same bet, with the frequencies of the user's own tokens as the control."""


def dialect(user):
    """The user with swapped words in all texts, under another name."""
    swaps = swapped_words(user)
    return replace(
        user,
        name=f"{user.name}-dialect",
        train=swap(user.train, swaps),
        heldout=tuple(replace(s, text=swap(s.text, swaps)) for s in user.heldout),
    )


def swapped_words(user):
    """The partner of each swapped word, both in lower case."""
    counts = Counter()
    for word, count in Counter(WORD.findall(user.train)).items():
        if any(case(word) == word for case in CASES):
            counts[word.lower()] += count
    ranked = sorted(counts, key=lambda word: (-counts[word], word))[:COMMON]
    rng = generator(0, user.name, "dialect")
    swaps = {}
    for start in range(0, len(ranked) - GROUP + 1, GROUP):
        drawn = rng.permutation(ranked[start : start + GROUP])
        for one, other in drawn.reshape(-1, 2).tolist():
            swaps |= {one: other, other: one}
    return swaps


def swap(text, swaps):
    """The text with each swapped word replaced by its partner, in the word's own case."""
    partners = {case(one): case(other) for one, other in swaps.items() for case in CASES}
    return WORD.sub(lambda found: partners.get(found[0], found[0]), text)
