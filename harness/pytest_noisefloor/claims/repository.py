"""The claims of a whole repository, from every claims file that git does not ignore."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pytest_noisefloor._files import read_toml
from pytest_noisefloor.errors import NoisefloorError

from .claim import Claim, load_claims

_KEYS = {"bet", "asserts", "evidence"}
"""Keys by which an entry of a list ``claim`` is ours, and not another program's."""


@dataclass(frozen=True)
class Repository:
    """All claims that are made beside a claims file, its own first.

    ``unknown`` says why other claims are not known: git cannot list its files, or a claims file
    cannot be read.
    """

    claims: tuple[Claim, ...]
    unknown: tuple[str, ...]


def repository_of(file: Path, claims: tuple[Claim, ...]) -> Repository:
    """Return the claims of a claims file, and of all others in its git work tree.

    These are the TOML files with a list ``claim`` that are tracked, or neither tracked nor ignored.
    Outside of git there is only the one file.
    """
    found, unknown = list(claims), []
    try:
        others = {path.resolve() for path in _toml_files(file.parent)} - {file.resolve()}
        for other in sorted(path for path in others if _has_claims(path)):
            try:
                found += load_claims(other)
            except NoisefloorError as error:
                unknown.append(str(error))
    except OSError as error:
        unknown.append(f"{file.parent}: the repository's files cannot be listed ({error})")
    return Repository(tuple(found), tuple(unknown))


def _toml_files(folder: Path) -> Iterator[Path]:
    """Yield the TOML files of the git work tree around a folder, but for those that are ignored.

    Raises:
        OSError: git is not installed, or refuses.
    """
    if not any((above / ".git").exists() for above in (folder, *folder.parents)):
        return
    # a hook of git's runs with these set, and -C would then take the folder for the whole tree
    environment = {k: v for k, v in os.environ.items() if k not in {"GIT_DIR", "GIT_WORK_TREE"}}
    done = subprocess.run(  # noqa: S603 - a fixed command, no shell
        ["git", "-C", folder, "ls-files", "-z", "-co", "--exclude-standard", "--", ":/*.toml"],  # noqa: S607
        env=environment,
        capture_output=True,
        check=False,
    )
    if done.returncode:
        raise OSError(os.fsdecode(done.stderr).strip().partition("\n")[0])
    yield from (folder / os.fsdecode(name) for name in done.stdout.split(b"\0") if name)


def _has_claims(path: Path) -> bool:
    """Whether a TOML file has an entry of ours; one that cannot be read is another program's."""
    try:
        rows = read_toml(path).get("claim")
    except NoisefloorError:
        return False
    return isinstance(rows, list) and any(
        isinstance(row, dict) and row.keys() >= _KEYS for row in rows
    )
