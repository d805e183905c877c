"""Authors who write random words of one script, and ways to hide what they wrote."""

import unicodedata
from collections.abc import Callable
from random import Random

import regex

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
