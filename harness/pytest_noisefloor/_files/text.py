"""Texts of files: decoded, parsed as TOML, and hashed whatever their line ends."""

from __future__ import annotations

import codecs
import hashlib
import tomllib
from pathlib import Path
from typing import Any

from pytest_noisefloor.errors import BetError, NoisefloorError, plain

from .disk import read_bytes

_OTHERS = {
    codecs.BOM_UTF32_LE: "UTF-32",
    codecs.BOM_UTF32_BE: "UTF-32",
    codecs.BOM_UTF16_LE: "UTF-16",
    codecs.BOM_UTF16_BE: "UTF-16",
}
"""Encodings by their byte order marks; the longer come first."""


def decoded(content: bytes, path: Path, error: type[NoisefloorError]) -> str:
    """Decode a file's content from UTF-8, without a byte order mark.

    Raises:
        NoisefloorError: of the class ``error``. It is in another encoding, or holds a null.
    """
    other = next((name for mark, name in _OTHERS.items() if content.startswith(mark)), None)
    if other:
        raise error(f"{path}: in {other}; expected UTF-8")
    try:
        text = content.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as wrong:
        byte = wrong.object[wrong.start]
        raise error(f"{path}: byte {byte:#04x} at offset {wrong.start}; expected UTF-8") from None
    if (at := text.find("\0")) >= 0:
        raise error(f"{path}: a null at character {at}; expected text")
    return text


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        BetError: the file is missing, not UTF-8 or not TOML.
    """
    return parse_toml(read_bytes(path), path)


def parse_toml(content: bytes, path: Path) -> dict[str, Any]:
    """Parse the content of a TOML file.

    Raises:
        BetError: the content is not UTF-8 or not TOML.
    """
    text = decoded(content, path, BetError)
    try:
        found = tomllib.loads(text)
        refuse_hidden(found, path, BetError)
    except (ValueError, RecursionError) as error:
        raise BetError(f"{path}: not TOML ({error})") from None
    return found


def refuse_hidden(content: object, path: Path, error: type[NoisefloorError]) -> None:
    """Refuse names and values of a file that a terminal would obey rather than show.

    Raises:
        NoisefloorError: of the class ``error``. One holds a control character or a change of the
            direction of writing. Line ends and tabs are none.
    """
    if isinstance(content, str) and content != plain(content):
        said = plain(repr(content[:100]))
        raise error(f"{path}: {said}; expected text without control characters")
    if isinstance(content, dict):
        for key, value in content.items():
            refuse_hidden(key, path, error)
            refuse_hidden(value, path, error)
    elif isinstance(content, (list, tuple)):
        for value in content:
            refuse_hidden(value, path, error)


def text_sha256(content: bytes) -> str:
    """SHA-256 (hex) of a text with its line ends converted to those of a POSIX checkout."""
    return hashlib.sha256(content.replace(b"\r\n", b"\n")).hexdigest()
