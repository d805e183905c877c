"""Find shipped data and the cache; read, hash and atomically write files."""

from __future__ import annotations

import hashlib
import os
import tempfile
import tomllib
from pathlib import Path
from typing import Any

from platformdirs import user_cache_path

from .errors import BetError, NoisefloorError


def resource_path(*parts: str) -> Path:
    """The path of a shipped data file, in a checkout (``fixtures/``) or in a wheel.

    Raises:
        NoisefloorError: there is no such shipped file.
    """
    package = Path(__file__).resolve().parent
    installed = package / "fixtures"
    root = installed if installed.is_dir() else package.parents[1] / "fixtures"
    path = root.joinpath(*parts)
    if not path.exists():
        raise NoisefloorError(f"{path}: not found, though pytest-noisefloor ships it; reinstall")
    return path


def cache_path(*parts: str) -> Path:
    """A path in this project's cache directory. It need not exist yet.

    The environment variable ``NOISEFLOOR_CACHE`` names the directory. By default it is where the
    system keeps caches.
    """
    moved = os.environ.get("NOISEFLOOR_CACHE")
    root = Path(moved).expanduser() if moved else user_cache_path("pytest-noisefloor")
    return root.joinpath(*parts)


def read_toml(path: Path) -> dict[str, Any]:
    """Read a TOML file.

    Raises:
        BetError: the file is missing, not UTF-8 or not TOML.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise BetError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise BetError(f"{path}: not TOML ({error})") from None


def file_sha256(path: Path) -> str:
    """SHA-256 (hex) of a file, with its line ends converted to those of a POSIX checkout."""
    return hashlib.sha256(path.read_bytes().replace(b"\r\n", b"\n")).hexdigest()


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file atomically: readers see the old or the new content, even after a crash."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
