"""Turn a criterion into the outcome of a test."""

from __future__ import annotations

import pytest

from pytest_noisefloor.bets import Level, Status, Verdict
from pytest_noisefloor.claims import Claim, criterion_disagreement
from pytest_noisefloor.report import criterion_sentence, render


def check_criterion(verdict: Verdict, level: Level, claim: Claim | None = None) -> None:
    """Report one criterion as the running test's outcome, checked against its claim if any.

    With a claim, the test passes if the criterion is met, shown and asserted. It is an expected
    failure, with the numbers, if the criterion is missed and not asserted. It fails for whatever
    ``criterion_disagreement`` finds.

    Without a claim, STRICT and LENIENT pass if met and are expected failures if missed.
    CATASTROPHIC fails if met.

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
    holds = verdict.holds(level)
    if level is Level.CATASTROPHIC:
        if holds and claim is None:
            pytest.fail(f"{sentence}\n\n{render(verdict)}", pytrace=False)
    elif not holds:
        pytest.xfail(sentence)
        pytest.fail(sentence, pytrace=False)  # reached with --runxfail, which mutes xfail
