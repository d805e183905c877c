"""The leak check in fifteen scripts: copies are found however they hide, and own texts pass."""

import unicodedata
from collections.abc import Callable
from random import Random

import pytest
import regex
from hypothesis import example, given
from hypothesis import strategies as st

from pytest_noisefloor.data.contamination import (
    LEAK_PARAGRAPH,
    LEAK_SHARE,
    NGRAM,
    LeakError,
    check_between_users,
    check_user,
    leak,
)
from pytest_noisefloor.data.users import CorpusError, Slice, User
from pytest_noisefloor.data.words import visible, words

# Letters of each script that has spaces between words. A word of the tests has three to six.
SPACED = {
    "Latin": "a b c d é f g h i ö k l m ñ o p r s t u",
    "Greek": "α ά β γ δ ε έ ζ η θ κ λ μ ν ξ π ρ σ τ ω",
    "Cyrillic": "а б в г д е ё ж з и й к л м н о п р с т",
    "Armenian": "ա բ գ դ ե զ է ը թ ժ ի լ խ ծ կ հ ձ ղ",
    "Hebrew": "א ב ג ד ה ו ז ח ט י כ ל מ נ ס ע פ צ ק ר ש ת",
    "Arabic": "ا ب ت ث ج ح خ د ذ ر ز س ش ص ط ع غ ف ق م ن ه و",
    "Devanagari": "क कि खी गु चे जो टा तं दि न प्र बा म् या रे लो क़",
    "Tamil": "க கி சீ டு தூ நே பொ மை ய் ரா ல வி",
    "Hangul": "가 각 나 난 다 달 라 람 마 막 바 반 사 산 아 안 자 장",
}
# Characters of each script that has none, and how many of them count as one word.
UNSPACED = {
    "Han": ("人生而自由在尊严和权利上一律平等他们赋有理性良心并应以兄弟关系的精神", 2),
    "kana": ("すべてのにんげはうまれがらしじゆであるガギグゲゴパピプペポー", 3),
    "Thai": ("ก กำ ขิ คี งู จ้ ดั เ แ า น ม ร ล ส ห", 3),
    "Lao": ("ກ ກຳ ຂິ ຄີ ງູ ຈ້ ດັ ເ ແ າ ນ ມ ລ", 3),
    "Khmer": ("ក ខិ គី ងុ ច ជា ដេ ន ប ម យ រ ស", 3),
    "Myanmar": ("က ခိ ဂီ စု ည တ န် ပါ မ ယ ရ လ", 3),
}
SCRIPTS = [*SPACED, *UNSPACED]


def characters(text: str) -> list[str]:
    """The characters as a reader sees them, without spaces."""
    return regex.findall(r"(?=\S)\X\p{M}*", unicodedata.normalize("NFKC", text))


class Author:
    """Somebody who writes random words of one script."""

    def __init__(self, script: str, seed: int) -> None:
        self.draw = Random(f"{script} {seed}")  # noqa: S311
        self.script, self.space = script, " " if script in SPACED else ""

    def text(self, count: int) -> str:
        """So many words, or as many characters as count as so many words."""
        if self.script in UNSPACED:
            letters, in_a_word = UNSPACED[self.script]
            return "".join(self.draw.choices(characters(letters), k=count * in_a_word))
        letters = characters(SPACED[self.script])
        lengths = (self.draw.randint(3, 6) for _ in range(count))
        return " ".join("".join(self.draw.choices(letters, k=length)) for length in lengths)


def units(text: str, script: str) -> list[str]:
    """What n-grams are counted in."""
    return text.split() if script in SPACED else characters(text)


def within(what: str) -> Callable[[str], str]:
    """Put something into words: before every third character that follows another."""

    def hide(text: str) -> str:
        parts = regex.findall(r"\X\p{M}*", text)
        for at in range(3, len(parts), 3):
            if not (parts[at].isspace() or parts[at - 1].isspace()):
                parts[at] = what + parts[at]
        return "".join(parts)

    return hide


def between(what: str) -> Callable[[str], str]:
    return lambda text: text.replace(" ", what)


def swap(here: str, there: str) -> Callable[[str], str]:
    return lambda text: text.translate(str.maketrans(here, there))


def swap_for(forms: str) -> Callable[[str], str]:
    """Replace letters by compatibility forms of theirs, which NFKC turns back."""
    return lambda text: text.translate({ord(unicodedata.normalize("NFKC", f)): f for f in forms})


def span(first: int, last: int) -> str:
    """Those characters of a block that stand for one letter."""
    found = map(chr, range(first, last + 1))
    return "".join(form for form in found if len(unicodedata.normalize("NFKC", form)) == 1)


CASED = ["Latin", "Greek", "Cyrillic"]
HIDINGS: dict[str, tuple[list[str], Callable[[str], str]]] = {
    "nothing": (SCRIPTS, str),
    "NFD": (SCRIPTS, lambda text: unicodedata.normalize("NFD", text)),
    "soft hyphens": (SCRIPTS, within("\xad")),
    "zero-width spaces": (SCRIPTS, within("\u200b")),
    "joiners": (SCRIPTS, within("\u200d\u2060\ufeff")),
    "directions and variants": (SCRIPTS, within("\u200f\ufe0f\u202c")),
    "control characters": (SCRIPTS, within("\0\x7f")),
    "hyphens at line ends": (SCRIPTS, within("-\n  ")),
    "soft hyphens at line ends": (SCRIPTS, within("\xad\r\n")),
    "other hyphens at line ends": (SCRIPTS, within("\u2010\u200b \n\u3000")),
    "not signs at line ends": (SCRIPTS, within("\xac\n")),
    "hyphens before carriage returns": (SCRIPTS, within("-\r")),
    "hyphens before vertical tabs": (SCRIPTS, within("\u2011\v")),
    "hyphens before form feeds": (SCRIPTS, within("- \f\t")),
    "hyphens before next lines": (SCRIPTS, within("-\x85 ")),
    "hyphens before line separators": (SCRIPTS, within("\xad\u2028")),
    "hyphens before paragraph separators": (SCRIPTS, within("\u2010\u2029")),
    "one word a line": ([*SPACED], between("\n\n")),
    "other spaces": ([*SPACED], between("\xa0\u3000")),
    "quotes": ([*SPACED], between("’ “")),
    "apostrophes": ([*SPACED], within("'")),
    "curly apostrophes": ([*SPACED], within("’")),
    "letters for apostrophes": ([*SPACED], within("ʼ")),
    "accents for apostrophes": ([*SPACED], within("`´")),
    "apostrophes in programs": ([*SPACED], within("\\'")),
    "underscores": ([*SPACED], within("_")),
    "emphasis": ([*SPACED], lambda text: f"_{text.replace(' ', '_ _')}_"),
    "line breaks": ([*UNSPACED], within("\n")),
    "spaces": ([*UNSPACED], within("\u3000 ")),
    "punctuation": ([*UNSPACED], within("，。")),
    "capitals": ([*CASED, "Armenian"], str.upper),
    "accents left out": (CASED, swap("éöñάέёй", "eonαεеи")),
    "stress": (CASED, within("\u0301")),
    "letters of Cyrillic": (["Latin"], swap("acehikmopstd", "асеһікморѕтԁ")),
    "letters of Greek": (["Latin"], swap("aiktopu", "αικτορυ")),
    "full width": (["Latin"], swap_for(span(0xFF41, 0xFF5A))),
    "bold letters": (["Latin"], swap_for(span(0x1D41A, 0x1D433))),
    "ligatures": (["Latin"], lambda text: text.replace("fi", "ﬁ").replace("st", "ﬆ")),
    "stress and questions": (["Armenian"], within("՛՞")),
    "geresh and gershayim": (["Hebrew"], within("׳״")),
    "quotes for gershayim": (["Hebrew"], within('"')),
    "points": (["Hebrew"], within("\u05b8\u05bc")),
    "vowels": (["Arabic"], within("\u064e\u0651")),
    "tatweel": (["Arabic"], within("\u0640\u0640")),
    "presentation forms": (["Arabic"], swap_for(span(0xFE80, 0xFEF4))),
    "half width": (["kana"], swap_for(span(0xFF66, 0xFF9D))),
    "radicals": (["Han"], swap_for(span(0x2F00, 0x2FD5))),
}


@pytest.mark.parametrize("grams", [1, 4, 40])
@pytest.mark.parametrize("way", HIDINGS)
def test_a_passage_is_found_to_the_ngram_however_it_hides(way, grams):
    """Of 200 n-grams 1, 4 or 40 are planted: 0.5, 2 and 20 %."""
    scripts, hide = HIDINGS[way]
    found = {}
    for script in scripts:
        own, other = Author(script, 1), Author(script, 2)
        in_a_gram = NGRAM * (UNSPACED[script][1] if script in UNSPACED else 1)
        heldout = units(other.text(200 + NGRAM), script)[: 200 + in_a_gram - 1]
        copied = own.space.join(heldout[50 : 50 + grams + in_a_gram - 1])
        train = f"{own.text(100)}\n\n0\n\n{hide(copied)}\n\n0\n\n{own.text(100)}"
        ann = User("ann", train, (Slice("only", own.space.join(heldout)),))
        found[script] = leak(ann)[0].share
        if grams / 200 > LEAK_SHARE:
            with pytest.raises(LeakError, match=rf"slice only: {grams / 2:.2f}% of its word 13-gr"):
                check_user(ann)
        else:
            check_user(ann)
    assert found == dict.fromkeys(scripts, grams / 200)


@pytest.mark.parametrize("way", HIDINGS)
def test_a_paragraph_is_found_however_it_hides_and_its_twin_passes(way):
    scripts, hide = HIDINGS[way]
    found = {}
    for script in scripts:
        own, other, twin = (Author(script, seed) for seed in range(3))
        train, paragraph = own.text(100), other.text(LEAK_PARAGRAPH)
        heldout = (Slice("only", f"{paragraph}\n\n{other.text(100)}"),)
        ann = User("ann", f"{train}\n\n{hide(paragraph)}\n\n{own.text(100)}", heldout)
        found[script] = leak(ann)[0].paragraphs
        clean = User("ann", f"{train}\n\n{hide(twin.text(LEAK_PARAGRAPH))}\n\n{train}", heldout)
        assert [(one.share, one.paragraphs) for one in check_user(clean)] == [(0, 0)], script
    assert found == dict.fromkeys(scripts, 1)


@pytest.mark.parametrize("script", SCRIPTS)
def test_stock_phrases_of_five_words_pass_and_their_text_is_long_enough(script):
    own, other, common = (Author(script, seed) for seed in range(3))
    phrases = [common.text(5) for _ in range(12)]

    def text(author, count):
        parts = (
            f"{author.text(8)}{author.space}{author.draw.choice(phrases)}" for _ in range(count)
        )
        return author.space.join(parts)

    ann = User("ann", text(own, 100), (Slice("only", text(other, 40)),))
    assert [(one.share, one.paragraphs) for one in check_user(ann)] == [(0, 0)]


@pytest.mark.parametrize("script", SCRIPTS)
def test_another_users_text_is_found_in_every_script(script):
    ann, bob, cy = (Author(script, seed).text(60) for seed in range(3))
    heldout = (Slice("only", cy),)
    check_between_users([User("ann", ann, heldout), User("bob", bob, ())])
    hide = within("-\n")
    copy = User("bob", f"{bob}\n\n{hide(cy)}", ())
    with pytest.raises(LeakError, match=r"^user bob, .* with user ann's slice only are 100\.00%"):
        check_between_users([User("ann", ann, heldout), copy])


def test_words_and_characters_may_mix():
    han, latin = Author("Han", 1), Author("Latin", 1)
    mixed = "".join(f"{han.text(3)} {latin.text(2)} 2026年" for _ in range(20))
    ann = User("ann", within("\n\n")(mixed.replace("\n\n", "")), (Slice("only", mixed),))
    copied = User("ann", mixed.replace(" ", "\n").upper(), ann.heldout)
    assert leak(copied)[0].share == 1
    assert leak(ann)[0].share < 1  # words cut in two are other words


@pytest.mark.parametrize(
    ("here", "there"),
    [
        ("ılık kış", "ILIK KIŞ"),
        ("straße", "STRASSE"),
        ("σοφός", "ΣΟΦΌΣ"),
        ("п'ять об’єктів", "пʼять об'єктів"),
        ("oʻzbek", "o'zbek"),
        ("يكتب على", "یکتب علی"),
        ("سنة ١٩٩٩", "سنة 1999"),
        ("वर्ष १९९९", "वर्ष 1999"),
        ("พ.ศ. ๒๕๖๙", "พ.ศ. 2569"),
    ],
)
def test_spellings_of_keyboards_and_locales_are_one(here, there):
    fill = " ".join(f"w{index}" for index in range(NGRAM - 1))
    ann = User("ann", f"{there} {fill}", (Slice("only", f"{here} {fill}"),))
    assert leak(ann)[0].share == 1


@pytest.mark.parametrize(
    ("here", "there"),
    [("कि की", "क क"), ("はばは", "ははは"), ("มีมีมี", "มิมิมิ"), ("l1", "li"), ("é", "o")],
)
def test_marks_that_are_letters_tell_words_apart(here, there):
    fill = " ".join(f"w{index}" for index in range(NGRAM - 1))
    ann = User("ann", f"{there} {fill} {there}", (Slice("only", f"{here} {fill}"),))
    assert leak(ann)[0].share < 1


def test_the_passage_is_quoted_as_its_text_has_it():
    heldout = "Ёлка и " * 2 + "人生而自由在尊严和权利上一律平等他们赋有 and reason"
    ann = User("ann", heldout.upper(), (Slice("only", heldout),))
    assert leak(ann)[0].passage == ("Ёлка и Ёлка и 人生而自由在尊严和权利上一律平等他们")


def test_what_is_too_short_to_check_says_how_many_words_its_characters_count_as():
    short = User("ann", "人" * 100, (Slice("only", "人" * 25),))
    with pytest.raises(CorpusError, match=r"^user ann, slice only: 12 words; expected at least"):
        check_user(short)


@pytest.mark.parametrize(
    "joined",
    ["-\n", "\xad\n\xad", "\xac\r\n\t", "-\u200b\n", "\u2011 \n ", "-\n\f", "-\r", "- \u2028 "],
)
def test_a_hyphen_at_the_end_of_a_line_is_no_part_of_a_word(joined):
    assert visible(f"exam{joined}ple") == "example"


@pytest.mark.parametrize(
    "apart",
    ["well-known", "sea--\nand", "sea\u2014\nand", "a -\nb", "page-\n\nx", "page-\r\rx"],
)
def test_other_hyphens_and_dashes_stay(apart):
    assert visible(apart) == apart


@pytest.mark.parametrize(
    "much",
    [
        *("\xad", "\u200b", "- ", "a-", "\u0301", "\u0e34", "-\n", "人", "_", "-\r", "-\f ", "\r"),
        *("'", "a'", "*", "\\", "\\'", "*'", "'*", " 1", "1,", "1_", "_1", "1'"),
    ],
)
def test_no_text_takes_longer_than_its_length(much):
    """Quadratic time on 50,000 of these would take a minute, and more than the suite may."""
    assert len(words(visible(f"a{much * 50_000}"))) <= 50_001


@given(st.text())
@example("\U00011f50")  # a digit of Kawi, which Python 3.11 does not know
@example("\u0301\u0e34\u0640")  # marks without a letter
def test_every_text_can_be_read_and_each_word_has_a_form(text):
    found = words(visible(text))
    assert all(word.shown and word.compared for word in found)
    assert sum(word.size for word in found) <= 6 * len(visible(text))
