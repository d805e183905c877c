"""Which was committed first, a result file or the text of its bet, as git tells it."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

TIMEOUT_S = 10
"""Seconds that one call of git may take."""


@dataclass(frozen=True)
class Commit:
    """A commit: its hash and its day."""

    sha: str
    day: str

    def __str__(self) -> str:
        return f"{self.sha[:7]}, {self.day}"


@dataclass(frozen=True)
class CommitOrder:
    """Which of two commits came first: that of a bet's text, or that of a result file.

    ``unknown`` says why this cannot be told; it is empty if the order is known.
    """

    text: Commit | None = None
    file: Commit | None = None
    text_first: bool = False
    unknown: str = ""

    @property
    def wrong(self) -> bool:
        """Whether the result file was committed before the bet's text was."""
        return not self.unknown and not self.text_first

    def __str__(self) -> str:
        if self.unknown:
            return (
                "Whether the bet's text was committed before this file cannot be told: "
                f"{self.unknown}."
            )
        if self.text_first:
            return f"The bet's text was committed before this file was ({self.text}; {self.file})."
        return f"The bet's text was committed after this file was ({self.text}; {self.file})."


def commit_order(file: Path, bet_sha256: str) -> CommitOrder | None:
    """Return which was committed first, the text of a bet or a result file made under it.

    The text's commit is the first that added ``locked/<bet_sha256>.toml`` anywhere in the
    repository. The file's commit is the first in which the file names that text. None if the file
    is in no work tree of git, or if git cannot be run.
    """
    here = file.resolve().parent
    try:
        return _order(here, file.resolve().name, bet_sha256)
    except subprocess.TimeoutExpired:
        return CommitOrder(unknown=f"git took longer than {TIMEOUT_S} s")
    except OSError:  # there is no git
        return None


def _order(here: Path, name: str, bet_sha256: str) -> CommitOrder | None:
    state = _git(here, "rev-parse", "--is-inside-work-tree", "--is-shallow-repository")
    if state is None and any((above / ".git").exists() for above in (here, *here.parents)):
        return CommitOrder(unknown="git cannot read this repository")
    if state is None or state[0] != "true":
        return None
    if state[1] != "false":
        return CommitOrder(unknown="the clone is shallow")
    text = _first(here, "--diff-filter=A", "--", f":(top,glob)**/locked/{bet_sha256}.toml")
    own = _first(here, "--follow", f"-S{bet_sha256}", "--", f":(literal){name}")
    if own is None:
        return CommitOrder(unknown="this file is not committed")
    if text is None:
        return CommitOrder(unknown=f"locked/{bet_sha256[:12]}….toml is not committed here")
    return _compared(here, text, own)


def _compared(here: Path, text: Commit, own: Commit) -> CommitOrder:
    if text == own:
        return CommitOrder(unknown=f"both were first committed together ({own})")
    if _is_ancestor(here, text, own):
        return CommitOrder(text, own, text_first=True)
    if _is_ancestor(here, own, text):
        return CommitOrder(text, own)
    return CommitOrder(unknown=f"they were committed on different branches ({text}; {own})")


def _first(here: Path, *arguments: str) -> Commit | None:
    """Return the oldest commit that ``git log`` lists."""
    found = _git(here, "log", "--format=%H %cs", "--topo-order", *arguments)
    return Commit(*found[-1].split()) if found else None


def _is_ancestor(here: Path, one: Commit, other: Commit) -> bool:
    return _git(here, "merge-base", "--is-ancestor", one.sha, other.sha) is not None


def _git(here: Path, *arguments: str) -> list[str] | None:
    """Return the lines that git prints, or None if it fails.

    Variables such as GIT_DIR, which a hook of git sets, would lead to another repository.
    """
    clean = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    done = subprocess.run(  # noqa: S603 (no shell)
        ["git", "-C", here, *arguments],  # noqa: S607 (the git that is installed)
        capture_output=True,
        check=False,
        encoding="utf-8",
        env=clean,
        stdin=subprocess.DEVNULL,
        timeout=TIMEOUT_S,
    )
    return None if done.returncode else done.stdout.split("\n")[:-1]
