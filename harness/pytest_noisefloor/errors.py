"""Errors the user can fix."""

from __future__ import annotations

import re

_OBEYED = re.compile(
    r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069"
    r"\ud800-\udfff]"
)
"""What a terminal obeys rather than shows: control characters but for line ends and tabs, changes
of the direction of writing, and halves of characters."""


def plain(text: str) -> str:
    r"""A text that a terminal only shows: what it would obey stands as ``\x1b`` or ``\u202e``."""
    return _OBEYED.sub(lambda found: ascii(found[0])[1:-1], text)


class NoisefloorError(Exception):
    """A mistake in the suite's input. The user sees only the message.

    Raise it, or a subclass, with the file or option, the value found and what was expected. The
    plugin and the command line print it as one message, without a traceback.
    """

    def __str__(self) -> str:
        """The message; names in it are shown, whatever characters they have."""
        return plain(super().__str__())


class MethodError(NoisefloorError):
    """A method that does not fit its base."""


class BaseError(NoisefloorError):
    """A base that cannot be found, or whose files cannot be used."""


class BetError(NoisefloorError):
    """A bet that cannot be read, or is not valid as registered."""
