"""Errors the user can fix."""

from __future__ import annotations


class NoisefloorError(Exception):
    """A mistake in the suite's input. The user sees only the message.

    Raise it, or a subclass, with the file or option, the value found and what was expected. The
    plugin and the command line print it as one message, without a traceback.
    """


class MethodError(NoisefloorError):
    """A method that does not fit its base."""


class BaseError(NoisefloorError):
    """A base that cannot be found, or whose files cannot be used."""


class BetError(NoisefloorError):
    """A bet that cannot be read, or is not valid as registered."""
