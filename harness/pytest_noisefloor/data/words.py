"""Split a text of any script into words, and give each word the form in which it is compared.

Two copies of a text can differ in what a reader hardly sees: case, accents, line breaks, invisible
characters, presentation forms. Their words are compared in forms that leave these out.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise
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
# digits and connectors. Letters that people type for apostrophes are left out: spacing modifiers,
# the saltillo of Mexico and the tone apostrophes of N'Ko.
_RUN = regex.compile(r"\w+", regex.V1)
_MODIFIERS = r"\p{Blk=Spacing_Modifier_Letters}\ua78b\ua78c\u07f4\u07f5"
_WORD_CHARACTER = rf"[\w--[{_MODIFIERS}]]"
_CHARACTER = rf"[{_UNSPACED}&&{_WORD_CHARACTER}--\p{{Nd}}--\p{{M}}]"
_LETTER = rf"[{_WORD_CHARACTER}--{_CHARACTER}]"
_WORD = regex.compile(rf"(?={_CHARACTER})\X\p{{M}}*|[{_LETTER}--\p{{M}}]{_LETTER}*", regex.V1)
_OF_UNSPACED = regex.compile(_CHARACTER, regex.V1)
_OF_HAN = regex.compile(_HAN, regex.V1)
_NUMBER = regex.compile(r"_*+\p{Nd}[\p{Nd}_]*+")  # programs may have 1_000 for 1000

# What a reader does not see, and U+0640, which lengthens Arabic words. Soft hyphens are seen at the
# end of a line, so they are left for the next step.
_UNSEEN = regex.compile(r"[\p{DI}\p{Cf}[\p{Cc}--\s]\u0640--\xad]+", regex.V1)
# A hyphen between letters at the end of a line; \xac is the sign that some converters write for it.
# A line ends with \n or with another sign; two of these in a row end a paragraph.
# Possessive, so that long runs of hyphens or spaces take no longer than other text.
_BREAK = r"[\n\v\f\r\x85\u2028\u2029]"
_BLANK, _INLINE = r"[\s\xad--\n]*+", rf"[\s\xad--{_BREAK}]*+"
_LINE_END = regex.compile(
    r"(?<=[\p{L}\p{M}])(?:\xad++|[\p{Hyphen}\xac])"
    rf"(?:{_BLANK}\n{_BLANK}|{_INLINE}{_BREAK}{_INLINE})(?=\p{{L}})",
    regex.V1,
)
# Apostrophes within a word, and the quotation marks and accents that people type for them. People
# also leave them out. So they do with geresh and gershayim (U+05F3, U+05F4), and with the marks of
# stress, exclamation and question that Armenian has within words (U+055B, U+055C, U+055E). Programs
# put backslashes before an apostrophe, and emphasis may end or begin beside it: _Emma_'s. Hyphens
# are not here, since some people write a space for them.
_TYPED = r"\p{QMark}`\xb4\u0384\u1fbd\u1fbf\u1fef\u1ffe\u2032\u2033\uff40"
_APOSTROPHE = rf"[{_TYPED}{_MODIFIERS}\u055a-\u055c\u055e\u05f3\u05f4]"
_STARS = r"\*{0,3}+"
_WITHIN = regex.compile(
    rf"(?<=[\p{{L}}\p{{M}}\p{{Nd}}_]){_STARS}\\*+{_APOSTROPHE}++{_STARS}(?=[\p{{L}}_])", regex.V1
)
# Marks that people add or leave out: accents, Hebrew points, Arabic vowels. Of other scripts a mark
# is as good as a letter, and so are the voicing marks of kana.
_OPTIONAL_MARKS = regex.compile(
    r"[[\p{Mn}&&[\p{Zinh}\p{Latn}\p{Grek}\p{Cyrl}\p{Hebr}\p{Arab}\p{Syrc}]]--[\u3099\u309a]]",
    regex.V1,
)
# Underscores mark emphasis in plain text, and names in programs have them or do without.
_CONNECTORS = regex.compile(r"\p{Pc}+", regex.V1)
_DIGIT = regex.compile(r"[\p{Nd}--[0-9]]", regex.V1)
# Small letters without marks that look like Latin ones, and Arabic ones that keyboards confuse.
_ALIKE = str.maketrans(
    "авекмнорстухіјѕһӏԁԛԝ" + "αβεικνορτυχ" + "ı" + "يىك",
    "abekmhopctyxijshldqw" + "abeikvoptux" + "i" + "ییک",
)


class Word(NamedTuple):
    """A word, a group of a number's digits, or a character of a script without spaces."""

    shown: str  # as the text has it, in Unicode NFKC
    compared: str  # in lower case, without accents and look-alikes
    size: int  # how much of a word it counts as, in sixths


def visible(text: str) -> str:
    """A text in Unicode NFKC, without what may be left out of its words.

    That is invisible characters, hyphens at the ends of lines, and apostrophes.
    """
    joined = _LINE_END.sub("", _UNSEEN.sub("", text)).replace("\xad", "")
    # before NFKC, which makes a space and a mark of an acute accent
    return unicodedata.normalize("NFKC", _WITHIN.sub("", joined))


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
    parts = (part for word in _WORD.findall(run) for part in _groups(word))
    return tuple(Word(part, _compared(part), _size(part)) for part in parts)


def _groups(word: str) -> list[str]:
    """The digits that a word begins with in groups of three, the last with the rest of the word.

    So 1000 is the same two words as 1,000, and as 1 000 with any space.
    """
    if not (number := _NUMBER.match(word)):
        return [word]
    digits = number[0].replace("_", "")
    word = digits + word[number.end() :]
    cuts = [0, *range(len(digits) % 3 or 3, len(digits), 3), len(word)]
    return [word[start:end] for start, end in pairwise(cuts)]


def _compared(word: str) -> str:
    word = unicodedata.normalize("NFKD", word).casefold()
    word = _OPTIONAL_MARKS.sub("", unicodedata.normalize("NFKD", word)).translate(_ALIKE)
    # regex can know newer digits than Python does: those stay
    word = _DIGIT.sub(lambda digit: str(unicodedata.decimal(digit[0], digit[0])), word)
    return _CONNECTORS.sub("", word) or word


def _size(word: str) -> int:
    if not _OF_UNSPACED.match(word):
        return _WHOLE
    return 3 if _OF_HAN.match(word) else 2
