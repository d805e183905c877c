"""Find shipped data and the cache, read and atomically write files; refusals are one line."""

from __future__ import annotations

import errno
import os
import stat
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from platformdirs import user_cache_path

from pytest_noisefloor.errors import BetError, NoisefloorError

_PLACE = "expected a place that this user may read and write"
_SPACE = "free some space; what is finished is kept, and the same command goes on"
_OPEN = "raise the limit of open files (ulimit -n); the same command goes on"
_EXPECTED = {
    errno.ENOSPC: _SPACE,
    errno.EDQUOT: _SPACE,
    errno.EACCES: _PLACE,
    errno.EPERM: _PLACE,
    errno.EROFS: _PLACE,
    errno.EMFILE: _OPEN,
    errno.ENFILE: _OPEN,
    errno.ENAMETOOLONG: "expected a shorter name",
    errno.ENOTDIR: "expected a folder where a file is",
    errno.EEXIST: "expected a folder where a file is",
    errno.EISDIR: "expected a file where a folder is",
    errno.ELOOP: "expected a link that leads somewhere",
    errno.EMLINK: "expected a file with fewer links",
}
"""What was expected, by what the operating system says."""

TEMPORARY = ".noisefloor-tmp."
"""Part of the name of every file that is not finished yet."""

ABANDONED_S = 24 * 3600.0
"""A temporary file that nothing changed for so long belongs to nobody: a write takes seconds."""

LONGEST_NAME = 255
"""Bytes in a file's name, on all file systems in common use."""


class SystemRefusal(NoisefloorError):  # noqa: N818 (the name says what is wrong)
    """What the operating system refuses to do with a file."""


def refusal(error: OSError, path: Path | None = None) -> SystemRefusal:
    """Return an operating system's error as one line: the file, what it said, what to do."""
    where = path if path is not None else error.filename
    said = error.strerror or str(error) or type(error).__name__
    expected = _EXPECTED.get(error.errno or 0)
    words = [str(where)] if where is not None else []
    return SystemRefusal(": ".join([*words, f"{said}; {expected}" if expected else said]))


@contextmanager
def system_refusals(path: Path) -> Iterator[None]:
    """Name a file in what the operating system refuses to do with it.

    Raises:
        SystemRefusal: it refused.
    """
    try:
        yield
    except OSError as error:
        raise refusal(error, path) from None
    except ValueError as error:  # a null in the name
        raise SystemRefusal(f"{str(path)!r}: {error}; expected a path") from None


def resource_path(*parts: str) -> Path:
    """The path of a shipped data file, in a checkout (``fixtures/``) or in a wheel.

    Raises:
        NoisefloorError: there is no such shipped file.
    """
    package = Path(__file__).resolve().parents[1]
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
    root = expanded(moved) if moved else user_cache_path("pytest-noisefloor")
    return root.joinpath(*parts)


def expanded(path: str | Path) -> Path:
    """A path whose ``~`` or ``~user`` is that user's home.

    Raises:
        SystemRefusal: there is no such user.
    """
    try:
        return Path(path).expanduser()
    except RuntimeError:
        raise SystemRefusal(f"{path}: no such user; expected a path") from None


def read_bytes(path: Path, error: type[NoisefloorError] = BetError) -> bytes:
    """Read a regular file. What is none could make its reader wait for ever.

    Raises:
        NoisefloorError: of the class ``error``. The file cannot be read, or is not a regular file.
    """
    try:
        with system_refusals(path):
            mode = path.stat().st_mode
            if not stat.S_ISREG(mode) and not stat.S_ISDIR(mode):  # a folder refuses by itself
                raise error(f"{path}: no regular file; expected one")
            return path.read_bytes()
    except SystemRefusal as refused:
        raise error(str(refused)) from None


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file atomically: readers see the old or the new content, even after a crash.

    Raises:
        SystemRefusal: the operating system refuses. The old content is still there.
    """
    with system_refusals(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        _sweep(path.parent)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=TEMPORARY)
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


_swept: set[Path] = set()
"""Folders in which this process has looked for abandoned files."""


def _sweep(folder: Path) -> None:
    """Remove what killed processes left unfinished in a folder, once in each process."""
    if folder in _swept:
        return
    _swept.add(folder)
    for file in folder.glob(f"{TEMPORARY}*"):
        with suppress(OSError):  # another process removes it too
            if time.time() - file.stat().st_mtime > ABANDONED_S:
                file.unlink()
