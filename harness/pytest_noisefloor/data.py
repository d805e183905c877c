"""Where the data files lie: bets, users, bases and published tables."""

from __future__ import annotations

from pathlib import Path

from .errors import NoisefloorError


def data_path(*parts: str) -> Path:
    """The path of a shipped data file, in a checkout (``fixtures/``) and in a wheel alike.

    Raises:
        NoisefloorError: no such file is shipped.
    """
    package = Path(__file__).resolve().parent
    installed = package / "data"
    root = installed if installed.is_dir() else package.parents[1] / "fixtures"
    path = root.joinpath(*parts)
    if not path.exists():
        raise NoisefloorError(f"{path}: not found, though pytest-noisefloor ships it; reinstall")
    return path
