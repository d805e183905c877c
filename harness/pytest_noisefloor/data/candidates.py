"""Set apart the users whom any session would refuse, whatever its base."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from .contamination import LeakError, check_user, leaks_between
from .users import SHIPPED, CorpusError, User, load_user, user_names


def usable_users(
    where: str | Path, shipped: Sequence[str] = SHIPPED
) -> tuple[tuple[User, ...], dict[str, str]]:
    """Load users as ``load_users`` does. Return those that can be used, and why others cannot.

    A text that is missing, empty, not UTF-8 or too short to check, or that holds a text that must
    be separate, refuses its user. If a training text shares too much with another user's text, the
    user who trains on it is refused; of two such training texts, the longer one's. Whether a text
    has enough tokens is left to the session, which knows the base. Reasons quote no text.

    Raises:
        CorpusError: there is no such folder, it has no users, a user's name cannot be used, or a
            shipped text is not the registered one.
        SourceMissing: the package that holds a shipped text is missing.
    """
    found, refused = [], {}
    for name in user_names(where, shipped):
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
