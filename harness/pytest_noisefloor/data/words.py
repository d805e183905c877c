"""Split a text of any script into words, and give each word the form in which it is compared.

Two copies of a text can differ in what a reader hardly sees: case, accents, line breaks, invisible
characters, presentation forms. Their words are compared in forms that leave these out.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from typing import NamedTuple

import numpy as np
import regex

# Scripts without spaces between words are read character by character (grapheme clusters, UAX 29).
# Two characters of Han, or three of another such script, count as one word. Article 1 of the
# Universal Declaration of Human Rights has 30 words in English. It has 39 characters in Chinese, 25
# of Han and 53 others in Japanese, 103 in Thai and 93 in Khmer: 20, 30, 34 and 31 words as counted
# here. Han is counted low on purpose: the full name of China's Standing Committee, a stock phrase,
# has 20 characters, and an n-gram must be longer.
_HAN = r"\p{scx=Hani}"
_KANA = r"\p{scx=Hira}\p{scx=Kana}\p{scx=Bopo}"
_ASIAN = r"\p{scx=Thai}\p{scx=Laoo}\p{scx=Khmr}\p{scx=Mymr}\p{scx=Tibt}\p{scx=Java}\p{scx=Bali}"
_TAI = r"\p{scx=Tale}\p{scx=Talu}\p{scx=Lana}\p{scx=Tavt}\p{scx=Ahom}"
_UNSPACED = rf"[{_HAN}{_KANA}{_ASIAN}{_TAI}]"
_WHOLE = 6  # the size of a word; a character of Han is 3, one of another of these scripts is 2

# A word is made of what Unicode calls word characters (UTS 18, annex C): letters, marks, decimal
# digits and connectors. Spacing modifiers are left out, since people type them for apostrophes.
# Apostrophes are written in many ways and left out, so they are no part of a word; Hebrew has a
# double one. A single hyphen between letters is none either, since at the end of a line nobody can
# tell one that belongs to the word from one that breaks it. Nor is a mark of thousands in a number.
_LETTERS = r"[\p{L}\p{M}]"
_APOSTROPHES = r"'`\u2018\u2019\u201b\u2032\u055a\u05f3\p{Blk=Spacing_Modifier_Letters}"
_WITHIN = (
    rf"(?:[{_APOSTROPHES}[\p{{Hyphen}}--\u30fb]](?<={_LETTERS}.)(?={_LETTERS})"
    r"|[\"\u05f4\u201c-\u201f](?<=\p{Hebr}.)(?=\p{Hebr})"
    r"|[,.'\u2019\u066c](?<=\p{Nd}.)(?=\p{Nd}{3}(?!\p{Nd})))"
)
_JOINED = regex.compile(_WITHIN, regex.V1)
_RUN = regex.compile(rf"\w++(?:{_WITHIN}\w++)*+", regex.V1)
# Spaces that do not break may mark thousands too, until NFKC makes ordinary ones of them.
_THOUSANDS = regex.compile(r"(?<=\p{Nd})[\xa0\u2007\u2009\u202f](?=\p{Nd}{3}(?!\p{Nd}))", regex.V1)
_WORD_CHARACTER = r"[\w--\p{Blk=Spacing_Modifier_Letters}]"
_CHARACTER = rf"[{_UNSPACED}&&{_WORD_CHARACTER}--\p{{Nd}}--\p{{M}}]"
_LETTER = rf"[{_WORD_CHARACTER}--{_CHARACTER}]"
_WORD = regex.compile(rf"(?={_CHARACTER})\X\p{{M}}*|[{_LETTER}--\p{{M}}]{_LETTER}*", regex.V1)
_OF_UNSPACED = regex.compile(_CHARACTER, regex.V1)
_OF_HAN = regex.compile(_HAN, regex.V1)

# What a reader does not see, and U+0640, which lengthens Arabic words. Soft hyphens are seen at the
# end of a line, so they are left for the next step.
_UNSEEN = regex.compile(r"[\p{DI}\p{Cf}[\p{Cc}--\s]\u0640--\xad]+", regex.V1)
# A hyphen between letters at the end of a line; \xac is the sign that some converters write for it.
# Possessive, so that long runs of hyphens or spaces take no longer than other text.
# Lines end in many ways; a form feed stands between pages.
_BLANK = r"[\s\xad--[\n\v\f\r\x85\u2028\u2029]]*+"
_BREAK = r"(?:(?:\r\n?|[\n\v\x85\u2028\u2029])\f?|\f\n?)"
_LINE_END = regex.compile(
    rf"(?<={_LETTERS})(?:\xad++|[\p{{Hyphen}}\xac]){_BLANK}{_BREAK}{_BLANK}(?=\p{{L}})", regex.V1
)
# Marks that people add or leave out: accents, Hebrew points, Arabic vowels. Of other scripts a mark
# is as good as a letter, and so are the voicing marks of kana.
_OPTIONAL_MARKS = regex.compile(
    r"[[\p{Mn}&&[\p{Zinh}\p{Latn}\p{Grek}\p{Cyrl}\p{Hebr}\p{Arab}\p{Syrc}]]--[\u3099\u309a]]",
    regex.V1,
)
_DIGIT = regex.compile(r"[\p{Nd}--[0-9]]", regex.V1)
# Small letters without marks that look like Latin ones, and Arabic ones that keyboards confuse.
_ALIKE = str.maketrans(
    "авекмнорстухіјѕһӏԁԛԝ" + "αβεικνορτυχ" + "ı" + "يىك",
    "abekmhopctyxijshldqw" + "abeikvoptux" + "i" + "ییک",
)


class Word(NamedTuple):
    """A word, or a character of a script without spaces between words."""

    shown: str  # as the text has it, in Unicode NFKC
    compared: str  # in lower case, without accents and look-alikes
    size: int  # how much of a word it counts as, in sixths


def visible(text: str) -> str:
    """A text in Unicode NFKC, without invisible characters and hyphens at the ends of lines."""
    joined = _LINE_END.sub("", _UNSEEN.sub("", text)).replace("\xad", "")
    # of an acute accent that is typed for an apostrophe NFKC would make a space
    return unicodedata.normalize("NFKC", _THOUSANDS.sub("", joined).replace("\xb4", "'"))


def words(text: str) -> list[Word]:
    """The words of a text that ``visible`` returned, in its order."""
    return [word for run in _RUN.findall(text) for word in _split(run)]


def word_count(found: Sequence[Word]) -> float:
    """How many words these are. A character of a script without spaces is a half or a third."""
    return sum(word.size for word in found) / _WHOLE


def spans(found: Sequence[Word], n: int) -> list[tuple[int, int]]:
    """The n-grams, each as its first index and the index behind its last.

    One begins at every word and is as short as it can be to count as n words or more.
    """
    sizes = np.fromiter((size for _, _, size in found), dtype=np.int64, count=len(found))
    ends = sizes.cumsum()
    lasts = np.searchsorted(ends, ends - sizes + n * _WHOLE)
    complete = lasts[lasts < len(found)]  # the lasts ascend
    return list(enumerate((complete + 1).tolist()))


def quote(found: Sequence[Word]) -> str:
    """Words as a text, with spaces where their script has them."""
    spaced = (word.shown if word.size < _WHOLE else f" {word.shown} " for word in found)
    return " ".join("".join(spaced).split())


@lru_cache(maxsize=2**16)
def _split(run: str) -> tuple[Word, ...]:
    """The words of a run of word characters. Runs recur, so this is cached."""
    joined = _JOINED.sub("", run)
    found = tuple(Word(word, _compared(word), _size(word)) for word in _WORD.findall(joined))
    # messages show a word with its apostrophe
    return (found[0]._replace(shown=run),) if joined != run and len(found) == 1 else found


def _compared(word: str) -> str:
    word = unicodedata.normalize("NFKD", word).casefold()
    word = _OPTIONAL_MARKS.sub("", unicodedata.normalize("NFKD", word)).translate(_ALIKE)
    # regex can know newer digits than Python does: those stay
    word = _DIGIT.sub(lambda digit: str(unicodedata.decimal(digit[0], digit[0])), word)
    return word.strip("_") or word  # underscores mark emphasis in plain text


def _size(word: str) -> int:
    if not _OF_UNSPACED.match(word):
        return _WHOLE
    return 3 if _OF_HAN.match(word) else 2
