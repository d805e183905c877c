"""Words as the leak check compares them: in every script, however a text was set or converted."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from itertools import accumulate

import regex

# Signs of scripts that put no spaces between words, by how many of them make about one word.
_HALF = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Bopomofo}\p{Yi}"
_QUARTER = r"\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}\p{Tai_Le}\p{New_Tai_Lue}\p{Tai_Tham}\p{Javanese}"

# Letters with their marks (UTS #18, annex C, \w), or one sign of those scripts with its marks.
_WORD = regex.compile(
    rf"[\w--[{_HALF}{_QUARTER}]]+|[{_HALF}{_QUARTER}]\p{{M}}*", flags=regex.VERSION1
)
_SIGN = regex.compile(rf"[{_HALF}{_QUARTER}]", flags=regex.VERSION1)
_FOUR_A_WORD = regex.compile(rf"[{_QUARTER}]", flags=regex.VERSION1)

# What shows nothing, or only how a text was set: format characters, among them soft hyphens,
# joiners, and marks of direction; variation selectors; the Arabic stroke; vowel points.
_UNSEEN = regex.compile(
    r"\p{Cf}|\p{Variation_Selector}|\u0640|(?<=[\p{Arabic}\p{Hebrew}]\p{M}*)\p{Mn}",
    flags=regex.VERSION1,
)
_ASCII_WORD, _SPACED_WORD = re.compile(r"\w+"), regex.compile(r"\w+")
_ASCII_BROKEN = re.compile(r"(?<=[A-Za-z])-[ \t]*\r?\n[ \t]*(?=[a-z])")
_BROKEN_WORD = regex.compile(r"(?<=\p{L})[-\u2010\u00ac][ \t]*\r?\n[ \t]*(?=\p{Ll})")

WHOLE = 4
"""The weight of a word between spaces. Other signs have a half or a quarter of it."""


def words(text: str) -> list[str]:
    """A text's words in order, in one case and form.

    A word is a run of letters, digits and their marks. In scripts without spaces between words it
    is one sign with its marks. Two texts that look alike have the same words: compatible forms
    (full width, ligatures, presentation forms) are one, and so are composed and decomposed letters.
    A word that a line's end broke is whole.
    """
    if text.isascii():  # most are, and Python's own expressions are faster
        return _ASCII_WORD.findall(_ASCII_BROKEN.sub("", text).lower())
    text = _UNSEEN.sub("", unicodedata.normalize("NFKC", _UNSEEN.sub("", text)))
    text = _BROKEN_WORD.sub("", text).casefold()
    found: list[str] = (_WORD if _SIGN.search(text) else _SPACED_WORD).findall(text)
    return found


def weight(found: list[str]) -> int:
    """How much text some words are: WHOLE for each word between spaces."""
    return sum(map(_weight, found)) if _has_signs(found) else WHOLE * len(found)


def ngrams(found: list[str], n: int) -> Iterator[tuple[str, ...]]:
    """The n-grams of words, in order. One sign of a script without spaces is a part of a word.

    Each n-gram is the shortest run of words and signs that weighs as much as n words.
    """
    if not _has_signs(found):
        yield from zip(*(found[start:] for start in range(n)), strict=False)
        return
    ends = list(accumulate(map(_weight, found)))
    last = 0
    for first in range(len(found)):
        before = ends[first - 1] if first else 0
        while last < len(found) and ends[last] - before < n * WHOLE:
            last += 1
        if last == len(found):
            return
        yield tuple(found[first : last + 1])


def _has_signs(found: list[str]) -> bool:
    joined = "".join(found)
    return not joined.isascii() and bool(_SIGN.search(joined))


def _weight(word: str) -> int:
    if not _SIGN.match(word):
        return WHOLE
    return 1 if _FOUR_A_WORD.match(word) else 2
