"""Load custom arms and methods by import path, ``package.module:object``."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pkgutil import resolve_name
from typing import Any

from .errors import NoisefloorError

_IMPORT_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*:[A-Za-z_]\w*")


def is_import_path(words: str) -> bool:
    """Whether a string has the form ``package.module:object``. Nothing is imported."""
    return bool(_IMPORT_PATH.fullmatch(words))


def imported(words: str, members: Mapping[str, Any], shipped: Mapping[str, object]) -> Any:
    """Import the object at an import path, and check its members and its name.

    Args:
        words: the import path.
        members: the type of each member that the object must have.
        shipped: the shipped objects by name. The object's name must differ from all of these.

    Raises:
        NoisefloorError: the import fails, the object is a class or lacks a member, or a shipped
            object has its name.
    """
    try:
        found = resolve_name(words)
    except Exception as error:  # a custom module can raise anything
        raise NoisefloorError(f"{words!r}: {type(error).__name__}: {error}") from error
    lacks = [
        key for key, kind in members.items() if not isinstance(getattr(found, key, None), kind)
    ]
    if isinstance(found, type):
        wrong = f"the class {found.__name__}, not an object of it"
    elif lacks:
        wrong = f"an object of {type(found).__name__} without {', '.join(lacks)}"
    elif found.name in shipped:
        wrong = f"the name {found.name!r}, which a shipped one has"
    else:
        return found
    raise NoisefloorError(
        f"{words!r}: {wrong}; expected an object with {', '.join(members)}, a name that no "
        "shipped one has, and a whole number as its version"
    )
