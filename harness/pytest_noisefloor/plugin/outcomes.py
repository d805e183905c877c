"""Turn a criterion into the outcome of a test."""

from __future__ import annotations

import pytest

from pytest_noisefloor.bets import Level, Status, Verdict
from pytest_noisefloor.claims import Claim, criterion_disagreement, licensed
from pytest_noisefloor.report import criterion_sentence, render


def check_criterion(verdict: Verdict, level: Level, claim: Claim | None = None) -> None:
    """Report one criterion as the running test's outcome, checked against its claim if any.

    STRICT and LENIENT pass if they are met and licensed, and CATASTROPHIC then fails unless the
    claim asserts it. A level that is met by point estimates alone is an expected failure with its
    numbers, CATASTROPHIC too. So are STRICT and LENIENT if they are missed.

    With a claim, the test also fails for whatever ``criterion_disagreement`` finds.

    Planted verdicts are skipped, because they prove the machinery and no criterion.

    The verdict exists before anything is expected to fail. So a crash or a missing file on the way
    to the verdict stays an error.
    """
    __tracebackhide__ = True
    wanted = verdict.bet.criterion(level)
    sentence = criterion_sentence(verdict, wanted)
    if verdict.status is Status.PLANTED:
        pytest.skip(f"PLANTED, no registered criterion: {sentence}")
    sentence = f"{verdict.status.prefix(': ')}{sentence}"
    if claim is not None and (text := criterion_disagreement(claim, verdict, level)):
        pytest.fail(f"{sentence}\n{text}", pytrace=False)
    holds, shown = verdict.holds(level), licensed(verdict, level)
    if level is Level.CATASTROPHIC and shown and claim is None:
        pytest.fail(f"{sentence}\n\n{render(verdict)}", pytrace=False)
    if holds and not shown:
        sentence += " That is by point estimates alone, so it may not be claimed."
    elif holds or level is Level.CATASTROPHIC:
        return
    pytest.xfail(sentence)
    pytest.fail(sentence, pytrace=False)  # reached with --runxfail, which mutes xfail
