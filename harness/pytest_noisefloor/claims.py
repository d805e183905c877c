"""What a verdict means for a test."""

from __future__ import annotations

import pytest

from .bets import Level
from .judge import Verdict
from .report import criterion, criterion_sentence, report


def settle(verdict: Verdict, level: Level) -> None:
    """Let the running test report one criterion, where no claim says what is expected of it.

    STRICT and LENIENT: met passes, missed is an expected failure with the numbers.
    CATASTROPHIC: met fails, not met passes. Planted verdicts are skipped, since they prove the
    machinery and no criterion.

    The verdict is at hand before anything is expected to fail: a crash or a missing file on the
    way to it stays an error.
    """
    __tracebackhide__ = True
    wanted = criterion(verdict, level)
    sentence = criterion_sentence(verdict, wanted)
    if verdict.planted:
        pytest.skip(f"PLANTED, no registered criterion: {sentence}")
    holds = len(verdict.met[level]) >= wanted.needed(len(verdict.effects))
    if level is Level.CATASTROPHIC:
        if holds:
            pytest.fail(f"{sentence}\n\n{report(verdict)}", pytrace=False)
    elif not holds:
        pytest.xfail(sentence)
        pytest.fail(sentence, pytrace=False)  # what --runxfail, which mutes xfail, leads to
