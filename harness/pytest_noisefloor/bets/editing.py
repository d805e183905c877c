"""Edit the text of a bet file, and leave the rest of it as it is, comments included."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import date
from pathlib import Path

from pytest_noisefloor.data import TextDigests
from pytest_noisefloor.errors import BetError

from .bet import Bet, parse_bet
from .bet_file import Refused

_HEADER = re.compile(r"\s*\[")
_TEXTS = re.compile(r"\s*\[\[?\s*design\s*\.\s*(texts|refused)\b")
_USERS = re.compile(r"^(\s*(?:design\s*\.\s*)?users\s*=\s*)\[[^\]]*\]", re.MULTILINE)


def with_texts(
    content: bytes, path: Path, texts: Mapping[str, TextDigests], refused: tuple[Refused, ...]
) -> bytes:
    """Return the content of a bet file with these users, their texts and who was refused.

    They replace the file's own. The tables stand at the end of the file.

    Raises:
        BetError: the file is no bet, or is written in a form that cannot be edited.
    """
    before = parse_bet(content, path)
    if (before.users, before.texts, before.refused) == (tuple(texts), texts, refused):
        return content
    text = content.decode("utf-8")
    ends = "\r\n" if "\r\n" in text else "\n"
    kept = "\n".join(_without_texts(text.replace("\r\n", "\n"))).rstrip("\n")
    if before.users != tuple(texts):
        users = ", ".join(map(quoted, texts))
        kept = _USERS.sub(lambda found: f"{found[1]}[{users}]", kept, count=1)
    tables = [*(_texts_table(*of) for of in texts.items()), *map(_refused_table, refused)]
    after = "\n\n".join([kept, *tables]).replace("\n", ends) + ends
    return _as_meant(after.encode(), path, before, users=(*texts,), texts=texts, refused=refused)


def as_copy(content: bytes, path: Path, own_id: str, of: str, registered: date) -> bytes:
    """Return the content of a shipped bet's file as that of a bet with its design.

    Raises:
        BetError: the id cannot be one, or the file is written in a form that cannot be edited.
    """
    before = parse_bet(content, path)
    text = content.decode("utf-8")
    lines = {
        "id": f"id = {quoted(own_id)}",
        "name": f"name = {quoted(own_id)}",
        "registered": f"registered = {registered}\ndesign_of = {quoted(of)}",
    }
    keys = re.compile(rf"^({'|'.join(lines)}) = .*$", re.MULTILINE)
    text = keys.sub(lambda found: lines.pop(found[1], found[0]), text)
    head = f"# The design of Bet {of}, and its comments, for other users.\n"
    return _as_meant(
        (head + text).encode(),
        path,
        before,
        id=own_id,
        name=own_id,
        registered=registered,
        design_of=of,
    )


def _as_meant(after: bytes, path: Path, before: Bet, **changes: object) -> bytes:
    """Return the edited content after checking that it says what was meant, and nothing else.

    Raises:
        BetError: it does not.
    """
    meant: Bet = replace(before, **changes)  # type: ignore[arg-type]
    try:
        found = parse_bet(after, path)
    except BetError:
        found = None
    if found is None or replace(found, sha256=meant.sha256) != meant:
        raise BetError(
            f"{path}: it cannot be edited as it is written; expected [design] as a table of its "
            'own, with users = ["<name>", …] on a line, and neither texts nor refused in it'
        )
    return after


def _without_texts(text: str) -> Iterator[str]:
    """Yield the lines of a bet file but for the tables of texts and of who was refused.

    Comments in these tables stay.
    """
    inside = False
    for line in text.split("\n"):
        if _HEADER.match(line):
            inside = bool(_TEXTS.match(line))
        if not inside or line.lstrip().startswith("#"):
            yield line


def _texts_table(user: str, of: TextDigests) -> str:
    heldout = ", ".join(f"{quoted(name)} = {quoted(sha)}" for name, sha in of.heldout.items())
    name = user if re.fullmatch(r"[A-Za-z0-9_-]+", user) else quoted(user)
    return f"[design.texts.{name}]\ntrain = {quoted(of.train)}\nheldout = {{ {heldout} }}"


def _refused_table(one: Refused) -> str:
    return f"[[design.refused]]\nuser = {quoted(one.user)}\nwhy = {quoted(one.why)}"


def quoted(words: str) -> str:
    """Return a TOML string: as in JSON, where only the control character DEL needs no escape."""
    return json.dumps(words, ensure_ascii=False).replace("\x7f", "\\u007f")
