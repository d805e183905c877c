"""Set apart the users whom any session would refuse, whatever its base."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from .contamination import LeakError, check_user, leaks_between
from .users import SHIPPED, CorpusError, User, load_user, user_folders, user_names


def usable_users(
    where: str | Path, shipped: Sequence[str] = SHIPPED
) -> tuple[tuple[User, ...], dict[str, str]]:
    """Load users as ``load_users`` does. Return those that can be used, and why others cannot.

    A name that is not fit for file names refuses its user. So does a text that is missing, empty,
    not UTF-8 or too short to check, or that holds a text that must be separate. If a training text
    shares too much with another user's text, the user who trains on it is refused; of two such
    training texts, the longer one's. Whether a text has enough tokens is left to the session, which
    knows the base. Reasons quote no text.

    Raises:
        CorpusError: there is no such folder, it has no users, or a shipped text is not the
            registered one.
        SourceMissing: the package that holds a shipped text is missing.
    """
    found, refused = [], {}
    names = user_names(where, shipped) if where == "shipped" else _names(where)
    for name in names:
        try:
            user = load_user(where, name)
            check_user(user)
        except LeakError as error:
            refused[name] = error.finding
        except CorpusError as error:
            if where == "shipped":
                raise
            refused[name] = str(error).replace(f"{Path(where)}{os.sep}", "")
        else:
            found.append(user)
    for name, other, leak in leaks_between(found) if found else ():
        if not {name, other} & refused.keys():
            refused[name] = leak.finding
    return tuple(user for user in found if user.name not in refused), refused


def _names(where: str | Path) -> list[str]:
    """The names of a folder's users, those too that cannot be used."""
    return [path.name for path in user_folders(where)]
