"""The one kind of error that is the user's to mend."""

from __future__ import annotations


class NoisefloorError(Exception):
    """A mistake in what the suite was given; its text alone is what the user sees.

    Raise it (or a subclass) with the file or option, the value found and what was expected.
    The plugin and the command line print it as one message, without a traceback.
    """


class MethodError(NoisefloorError):
    """A method does not fit the base it was given."""


class BaseError(NoisefloorError):
    """A base that cannot be loaded as what it is said to be."""


class BetError(NoisefloorError):
    """A bet file that cannot be taken as registered."""
