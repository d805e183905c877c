"""Users: a name, a training text, held-out slices by the same author, and the leak between them."""

from __future__ import annotations

import hashlib
import re
import tomllib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from pathlib import Path
from typing import Any

from .cleaning import article, chapters, normalise
from .data import data_path
from .errors import NoisefloorError
from .sources import find

SHIPPED = ("programmer", "novelist", "scientist")
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")  # it becomes part of file names

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


class CorpusError(NoisefloorError):
    """A user whose files cannot be used as they are."""


class LeakError(NoisefloorError):
    """Held-out text that stands in the training text too."""


@dataclass(frozen=True)
class Slice:
    """A held-out text, scored as one document."""

    name: str
    text: str

    @cached_property
    def sha256(self) -> str:
        """Hexadecimal SHA-256 of the cleaned text in UTF-8."""
        return _sha256(self.text)


@dataclass(frozen=True)
class User:
    """Whose text it is: what may be trained on, and what is only ever scored."""

    name: str
    train: str
    heldout: tuple[Slice, ...]

    @cached_property
    def train_sha256(self) -> str:
        """Hexadecimal SHA-256 of the cleaned training text in UTF-8."""
        return _sha256(self.train)


@dataclass(frozen=True)
class SliceLeak:
    """How much of one held-out slice stands in its user's training text."""

    name: str
    share: float  # of the slice's distinct word n-grams, from 0 to 1
    paragraphs: int  # of LEAK_PARAGRAPH words or more, found word for word
    passage: str | None  # the first that was found: a paragraph, else an n-gram


def load_users(where: str | Path, shipped: Sequence[str] = SHIPPED) -> tuple[User, ...]:
    """The users of a folder, sorted by name, or those that are shipped.

    Args:
        where: ``"shipped"``, or a folder with ``<user>/train.txt`` or ``<user>/train/*.txt``
            (joined in the order of their names) and ``<user>/heldout/*.txt`` (each a slice).
            Hidden entries, and files beside the users' folders, are not read.
        shipped: which of the shipped users ``"shipped"`` means.

    Raises:
        CorpusError: a file or name cannot be used, or a shipped text is not the registered one.
        SourceMissing: the package of a shipped text is not there.
    """
    names = user_names(where, shipped)
    if where == "shipped":
        return tuple(_shipped_user(data_path("users", f"{name}.toml")) for name in names)
    return tuple(_folder_user(Path(where, name)) for name in names)


def user_names(where: str | Path, shipped: Sequence[str] = SHIPPED) -> tuple[str, ...]:
    """The names of the users that ``load_users`` would give, without reading any text.

    Raises:
        CorpusError: there is no such folder, no user in it, or a name is not fit for file names.
    """
    if where == "shipped":
        return tuple(shipped)
    folder = Path(where)
    if not folder.is_dir():
        raise CorpusError(f"{folder}: no such folder; expected 'shipped' or a folder of users")
    names = tuple(_named(path, path.name) for path in _visible(folder) if path.is_dir())
    if not names:
        raise CorpusError(f"{folder}: no users; expected <user>/train.txt and <user>/heldout/*.txt")
    return names


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


def check_leak(user: User) -> tuple[SliceLeak, ...]:
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


def check_others(users: Sequence[User]) -> None:
    """Refuse a user who is trained on another user's text as well.

    What counts is the n-grams that a training text shares with any text of another user, as a
    share of the smaller of the two. A licence that many files open with passes within LEAK_SHARE.

    Raises:
        LeakError: more than LEAK_SHARE is shared.
    """
    longest_first = sorted(users, key=lambda user: -len(user.train))  # it is what holds the other
    texts = [(user.name, "training text", user.train) for user in longest_first]
    texts += [(u.name, f"slice {piece.name}", piece.text) for u in users for piece in u.heldout]
    holders: dict[int, list[int]] = defaultdict(list)  # 64-bit hashes take a tenth of the memory
    sizes = []
    for number, (_, _, text) in enumerate(texts):
        found = {hash(gram) for gram in _ngrams(text, NGRAM)}
        sizes.append(len(found))
        for gram in found:
            holders[gram].append(number)
    pairs = (combinations(held, 2) for held in holders.values() if len(held) > 1)
    for (a, b), count in sorted(Counter(pair for held in pairs for pair in held).items()):
        (user, _, train), (other, what, text) = texts[a], texts[b]
        share = count / min(sizes[a], sizes[b])
        if a < len(users) and user != other and share > LEAK_SHARE:
            reference = ngrams(text)
            passage = next(" ".join(g) for g in _ngrams(train, NGRAM) if g in reference)
            raise LeakError(
                f"user {user}, training text: word {NGRAM}-grams shared with user {other}'s "
                f"{what} are {share:.2%} of the smaller of the two (at most {LEAK_SHARE:.0%} may); "
                f"the first: {passage[:100]!r}. Train each user on their own text alone, and take "
                "out of both what is nobody's own"
            )


def _shipped_user(file: Path) -> User:
    """The user that a TOML file describes, with each text checked against its hash there."""
    about = tomllib.loads(file.read_text(encoding="utf-8"))

    def text(part: str, table: dict[str, Any]) -> str:
        cleaned = "\n\n".join(_pieces(about, table["parts"]))
        if _sha256(cleaned) != table["sha256"]:
            raise CorpusError(
                f"{file}: {part}, from {table['parts']} of {about['package']} {about['version']}, "
                f"has sha256 {_sha256(cleaned)}; expected {table['sha256']}. Either the installed "
                "package was altered, or cleaning.py was: then the new hash needs a dated note"
            )
        return cleaned

    train = text("train", about["train"])
    slices = (Slice(name, text(f"heldout.{name}", t)) for name, t in about["heldout"].items())
    return User(about["name"], train, tuple(slices))


def _pieces(about: dict[str, Any], parts: list[Any]) -> Iterator[str]:
    """The cleaned text of each named part: a file, a chapter's number or an article's."""
    folder = find(about["package"])
    match about["kind"]:
        case "code":
            yield from (normalise(_read(folder / part)) for part in parts)
        case "novel":
            found = chapters(_read(folder / about["file"]))
            yield from (found[number - 1] for number in parts)
        case "articles":
            files = (folder / about["file"].format(part) for part in parts)
            yield from (article(path.read_bytes()) for path in files)
        case kind:
            raise CorpusError(
                f"user {about['name']}: kind {kind!r}; expected code, novel or articles"
            )


def _folder_user(folder: Path) -> User:
    """The user whose text lies in a folder of its own."""
    single, several, heldout = folder / "train.txt", folder / "train", folder / "heldout"
    if single.exists() == several.exists():
        both = "both train.txt and train" if single.exists() else "neither train.txt nor train"
        raise CorpusError(f"{folder}: {both}/; expected one of the two")
    train = [single] if single.exists() else _texts(several)
    slices = (Slice(_named(path, path.stem), _text(path)) for path in _texts(heldout))
    return User(folder.name, "\n\n".join(_text(path) for path in train), tuple(slices))


def _named(path: Path, name: str) -> str:
    """A name, once it is known to be fit for file names."""
    if not NAME.fullmatch(name):
        raise CorpusError(f"{path}: name {name!r}; expected {NAME.pattern}")
    return name


def _visible(folder: Path) -> list[Path]:
    """What lies in a folder, hidden entries aside, by name: file systems differ in their order."""
    return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _texts(folder: Path) -> list[Path]:
    """The text files of a folder that should hold nothing else, so that none is overlooked."""
    paths = _visible(folder) if folder.is_dir() else []
    if not paths:
        raise CorpusError(f"{folder}: missing or empty; expected a folder of .txt files")
    for path in paths:
        if path.suffix != ".txt" or not path.is_file():
            raise CorpusError(f"{path}: expected .txt files alone in this folder")
    return paths


def _text(path: Path) -> str:
    """The cleaned content of a text file that must have some."""
    text = normalise(_read(path))
    if not text:
        raise CorpusError(f"{path}: empty; expected text")
    return text


def _read(path: Path) -> str:
    """The content of a file in UTF-8, without byte order mark."""
    try:
        return path.read_bytes().decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        raise CorpusError(
            f"{path}: byte {error.object[error.start]:#04x} at offset {error.start}; expected UTF-8"
        ) from None
    except OSError as error:
        raise CorpusError(f"{path}: {error.strerror}; expected a readable file") from None


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()


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
