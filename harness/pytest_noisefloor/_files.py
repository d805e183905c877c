"""Files: where shipped data and the cache lie, and how files are read, hashed and written whole."""

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
    """The path of a shipped data file, in a checkout (``fixtures/``) and in a wheel alike.

    Raises:
        NoisefloorError: no such file is shipped.
    """
    package = Path(__file__).resolve().parent
    installed = package / "fixtures"
    root = installed if installed.is_dir() else package.parents[1] / "fixtures"
    path = root.joinpath(*parts)
    if not path.exists():
        raise NoisefloorError(f"{path}: not found, though pytest-noisefloor ships it; reinstall")
    return path


def cache_path(*parts: str) -> Path:
    """A path in this project's cache directory, which need not exist yet.

    The environment variable ``NOISEFLOOR_CACHE`` moves the directory; without it, it lies where
    the system keeps caches.
    """
    moved = os.environ.get("NOISEFLOOR_CACHE")
    root = Path(moved).expanduser() if moved else user_cache_path("pytest-noisefloor")
    return root.joinpath(*parts)


def read_toml(path: Path) -> dict[str, Any]:
    """A TOML file's content.

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
    """SHA-256 (hex) of a file's text with line ends as in a POSIX checkout."""
    return hashlib.sha256(path.read_bytes().replace(b"\r\n", b"\n")).hexdigest()


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that readers, and a crash, see the old content or the new, never a part."""
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
