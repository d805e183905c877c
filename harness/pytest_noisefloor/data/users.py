"""Users: a name, a training text, and held-out slices by the same author."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from pytest_noisefloor._files import (
    decoded,
    expanded,
    read_bytes,
    read_toml,
    resource_path,
    system_refusals,
    validated,
)
from pytest_noisefloor.errors import NoisefloorError

from .cleaning import article, chapters, normalise
from .download import find_source
from .user_file import Sha256, TextParts, UserFile

SHIPPED = ("programmer", "novelist", "scientist")
USER_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")  # the name becomes part of file names


class CorpusError(NoisefloorError):
    """A user whose name or texts cannot be used."""


@dataclass(frozen=True)
class Slice:
    """A held-out text, scored as one document."""

    name: str
    text: str

    @cached_property
    def sha256(self) -> str:
        """Hexadecimal SHA-256 of the cleaned text in UTF-8."""
        return _sha256(self.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class TextDigests:
    """SHA-256 (hex) of each of a user's texts, after cleaning."""

    train: Sha256 = field(metadata={"description": "SHA-256 of the training text"})
    heldout: Mapping[str, Sha256] = field(
        metadata={"description": "SHA-256 of each held-out slice, by the slice's name"}
    )


@dataclass(frozen=True)
class User:
    """A user: the text to train on, and the held-out slices, which are only ever scored."""

    name: str
    train: str
    heldout: tuple[Slice, ...]

    @cached_property
    def train_sha256(self) -> str:
        """Hexadecimal SHA-256 of the cleaned training text in UTF-8."""
        return _sha256(self.train)

    @property
    def digests(self) -> TextDigests:
        """The digests of all texts."""
        heldout = {piece.name: piece.sha256 for piece in self.heldout}
        return TextDigests(train=self.train_sha256, heldout=heldout)


def load_users(
    where: str | Path, shipped: Sequence[str] = SHIPPED, refused: Collection[str] = ()
) -> tuple[User, ...]:
    """Load the shipped users, or the users in a folder, sorted by name.

    Args:
        where: ``"shipped"``, or a folder with ``<user>/train.txt`` or ``<user>/train/*.txt``
            (joined in the order of their names) and ``<user>/heldout/*.txt`` (each file is a
            slice). Hidden entries, and files beside the users' folders, are not read.
        shipped: the users that ``"shipped"`` stands for.
        refused: the users of a folder that are left out.

    Raises:
        CorpusError: a file or name cannot be used, or a shipped text is not the registered one.
        SourceMissing: the package that holds a shipped text is missing.
    """
    return tuple(load_user(where, name) for name in user_names(where, shipped, refused))


def load_user(where: str | Path, name: str) -> User:
    """Load one user of those that ``load_users`` loads.

    Raises:
        CorpusError: a file or name cannot be used, or a shipped text is not the registered one.
        SourceMissing: the package that holds a shipped text is missing.
    """
    return _shipped_user(name) if where == "shipped" else _folder_user(expanded(where) / name)


def text_digests(
    where: str | Path, shipped: Sequence[str] = SHIPPED, refused: Collection[str] = ()
) -> dict[str, TextDigests]:
    """The digests of the texts that ``load_users`` would load, by user. No shipped text is read.

    Raises:
        CorpusError: as ``load_users``.
    """
    if where != "shipped":
        return {user.name: user.digests for user in load_users(where, shipped, refused)}
    return {name: _registered_digests(name) for name in user_names(where, shipped)}


def _registered_digests(name: str) -> TextDigests:
    """The digests in the file of a shipped user."""
    about = shipped_file(name)
    heldout = {key: part.sha256 for key, part in about.heldout.items()}
    return TextDigests(train=about.train.sha256, heldout=heldout)


def user_names(
    where: str | Path, shipped: Sequence[str] = SHIPPED, refused: Collection[str] = ()
) -> tuple[str, ...]:
    """The names of the users that ``load_users`` would load. No text is read.

    Raises:
        CorpusError: the folder does not exist or has no users, a user is not shipped, or a name is
            not fit for file names.
    """
    if where == "shipped":
        if strange := [name for name in shipped if name not in SHIPPED]:
            raise CorpusError(
                f"user {strange[0]!r}: not among the shipped ({', '.join(SHIPPED)}); expected a "
                "folder of users, by --noisefloor-users"
            )
        return tuple(shipped)
    return tuple(
        _named(path, path.name) for path in user_folders(where) if path.name not in refused
    )


def user_folders(where: str | Path) -> list[Path]:
    """The folders of the users in a folder, whatever their names.

    Raises:
        CorpusError: the folder does not exist, or has no folders.
    """
    folder = expanded(where)
    if not folder.is_dir():
        raise CorpusError(f"{folder}: no such folder; expected 'shipped' or a folder of users")
    found = [path for path in _visible(folder) if path.is_dir()]
    if not found:
        raise CorpusError(f"{folder}: no users; expected <user>/train.txt and <user>/heldout/*.txt")
    return found


def shipped_file(name: str) -> UserFile:
    """Read the file of a shipped user.

    Raises:
        CorpusError: the file has a key or value that such a file cannot have.
    """
    path = resource_path("users", f"{name}.toml")
    return validated(UserFile, read_toml(path), str(path), CorpusError)


def _shipped_user(name: str) -> User:
    """Load a shipped user, and check each text against the hash in the user's file."""
    about = shipped_file(name)
    read = _reader(about)

    def text(key: str, described: TextParts) -> str:
        cleaned = "\n\n".join(map(read, described.parts))
        if _sha256(cleaned) != described.sha256:
            raise CorpusError(
                f"{resource_path('users', f'{name}.toml')}: {key}, from {list(described.parts)} of "
                f"{about.package} {about.version}, has sha256 {_sha256(cleaned)}; expected "
                f"{described.sha256}. Either the installed package was altered, or cleaning.py "
                "was: then the new hash needs a dated note"
            )
        return cleaned

    train = text("train", about.train)
    slices = (Slice(key, text(f"heldout.{key}", part)) for key, part in about.heldout.items())
    return User(about.name, train, tuple(slices))


def _reader(about: UserFile) -> Callable[[str | int], str]:
    """A function: the cleaned text of a part, which is a file, a chapter or an article."""
    folder = find_source(about.package)
    if about.kind == "code":
        return lambda name: normalise(_read(folder / str(name)))
    if about.kind == "novel":
        found = chapters(_read(folder / about.file))
        return lambda number: found[int(number) - 1]
    return lambda number: article(read_bytes(folder / about.file.format(number), CorpusError))


def _folder_user(folder: Path) -> User:
    """Load the user whose texts are in a folder."""
    _named(folder, folder.name)
    single, several, heldout = folder / "train.txt", folder / "train", folder / "heldout"
    if single.exists() == several.exists():
        both = "both train.txt and train" if single.exists() else "neither train.txt nor train"
        raise CorpusError(f"{folder}: {both}/; expected one of the two")
    train = [single] if single.exists() else _texts(several)
    slices = (Slice(_named(path, path.stem), _text(path)) for path in _texts(heldout))
    return User(folder.name, "\n\n".join(_text(path) for path in train), tuple(slices))


def _named(path: Path, name: str) -> str:
    """Return a name after checking that it is fit for file names."""
    if not USER_NAME.fullmatch(name):
        raise CorpusError(f"{path}: name {name!r}; expected {USER_NAME.pattern}")
    return name


def _visible(folder: Path) -> list[Path]:
    """The visible entries of a folder, sorted because file systems differ in their order."""
    with system_refusals(folder):
        return sorted(path for path in folder.iterdir() if not path.name.startswith("."))


def _texts(folder: Path) -> list[Path]:
    """The text files of a folder. Other files are refused, so that no text is overlooked."""
    paths = _visible(folder) if folder.is_dir() else []
    if not paths:
        raise CorpusError(f"{folder}: missing or empty; expected a folder of .txt files")
    for path in paths:
        if path.suffix != ".txt" or not path.is_file():
            raise CorpusError(f"{path}: expected .txt files alone in this folder")
    return paths


def _text(path: Path) -> str:
    """The cleaned content of a text file, which must not be empty."""
    text = normalise(_read(path))
    if not text:
        raise CorpusError(f"{path}: empty; expected text")
    return text


def _read(path: Path) -> str:
    """The content of a UTF-8 file, without a byte order mark."""
    return decoded(read_bytes(path, CorpusError), path, CorpusError)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8")).hexdigest()
