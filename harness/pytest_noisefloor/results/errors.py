"""The error of a file that cannot be judged."""

from __future__ import annotations

from pytest_noisefloor.errors import NoisefloorError


class ResultError(NoisefloorError):
    """A file that cannot be judged."""
