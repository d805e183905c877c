"""What a session shares: its settings, its claims, and the experiments it opens."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

import pytest

from pytest_noisefloor._files import refusal
from pytest_noisefloor.errors import NoisefloorError

from . import claim_items, options

if TYPE_CHECKING:
    from pytest_noisefloor.bets import Bet, Verdict
    from pytest_noisefloor.claims import Claim
    from pytest_noisefloor.data import User
    from pytest_noisefloor.experiment import Experiment
    from pytest_noisefloor.models import Base


T = TypeVar("T")

REPORTS = pytest.StashKey[dict[str, str]]()

SETTINGS = pytest.StashKey[options.Settings]()

GATE = pytest.StashKey[claim_items.Gate]()


def judged(config: pytest.Config, experiment: Experiment) -> Verdict:
    """Return an experiment's verdict, and have the session print its table at the end."""
    from pytest_noisefloor.report import render

    verdict = explained(lambda: experiment.verdict)
    config.stash[REPORTS][str(experiment.result_path)] = render(verdict)
    return verdict


def claimed(config: pytest.Config, experiment: Experiment) -> Claim | None:
    """The session's claim about an experiment's bet, base, method and users, or None.

    It is None if the seeds are not the bet's own, because claims are about the bet's own seeds.
    """
    if experiment.seeds != experiment.bet.seeds:
        return None
    return explained(
        lambda: config.stash[GATE].claim_about(
            bet=experiment.bet,
            base=experiment.runner.base.name,
            fingerprint=experiment.runner.base.fingerprint,
            method=experiment.bet.method,
            users=[user.name for user in experiment.users],
        )
    )


def explained(make: Callable[[], T]) -> T:
    """Turn an error that the user can fix into one message without a traceback."""
    __tracebackhide__ = True
    try:
        return make()
    except NoisefloorError as error:
        message = str(error)
    except OSError as error:  # at a place that no message of ours names
        message = str(refusal(error))
    pytest.fail(message, pytrace=False)


def renew_evidence(config: pytest.Config, claim: Claim) -> None:
    """Replace a claim's evidence. What was never trained is trained first."""
    import json

    from pytest_noisefloor.claims import claimed_users, replace_evidence
    from pytest_noisefloor.models import open_base
    from pytest_noisefloor.report import render

    settings = config.stash[SETTINGS]
    base = replace(open_base(claim.located), name=claim.base)  # not this machine's path
    claim.check_fingerprint(base.fingerprint)
    where = "shipped" if claim.shipped else str(claim.texts or settings.users)
    experiment = build_experiment(
        config,
        bet=claim.bet,
        base=base,
        users=claimed_users(claim, where),
        seeds=claim.bet.seeds,
        out=settings.out / ".noisefloor" / "claims" / claim.id,
    )
    verdict = experiment.verdict
    replace_evidence(claim, json.loads(experiment.result_path.read_text(encoding="utf-8")))
    config.stash[REPORTS][str(claim.evidence)] = render(verdict)


def session_bet(settings: options.Settings, name: str | None = None) -> Bet:
    """Open a bet by name, or the session's bet.

    With other seeds or another matmul dtype than the bet's own, the bet is marked as altered,
    because that is not what was locked.
    """
    from pytest_noisefloor.bets import open_bet

    bet = open_bet(name or settings.bet)
    recipe = replace(bet.recipe, matmul=settings.matmul or bet.recipe.matmul)
    if recipe == bet.recipe and settings.seeds in (None, bet.seeds):
        return bet
    registration = replace(bet.registration, altered=True)
    return replace(bet, recipe=recipe, registration=registration)


def open_experiment(
    config: pytest.Config,
    opened: Callable[[str], Base],
    loaded: Callable[[str, tuple[str, ...], tuple[str, ...]], tuple[User, ...]],
    named: str | None,
    name: str | None,
) -> Experiment:
    """Open a bet on a base, with the session's users and seeds."""
    settings = config.stash[SETTINGS]
    bet = session_bet(settings, name)
    usual = bet.base or settings.base
    base = named or usual
    return build_experiment(
        config,
        bet=bet,
        base=opened(base),
        users=loaded(settings.users, bet.users, bet.refused_names),
        seeds=settings.seeds or bet.seeds,
        # results of another base must not overwrite the usual base's
        out=settings.out if base == usual else settings.out / _folder_name(base),
    )


def build_experiment(
    config: pytest.Config,
    *,
    bet: Bet,
    base: Base,
    users: Sequence[User],
    seeds: Sequence[int],
    out: Path,
) -> Experiment:
    """Build an experiment on the session's store and device. The terminal shows its progress."""
    from pytest_noisefloor.experiment import Experiment
    from pytest_noisefloor.runs import ProgressBar, Runner, context_for

    settings = config.stash[SETTINGS]
    context = context_for(
        bet,
        base,
        device=settings.device,
        out=settings.out,
        progress_bar=ProgressBar(_terminal(config), line=_worker()),
        workers=int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")),
    )
    runner = Runner(context)
    return Experiment(bet=bet, runner=runner, users=users, seeds=seeds, out=out)


def _folder_name(base: str) -> str:
    """Turn a base's name, path or hub id into the name of one folder."""
    return re.sub(r"[^\w.-]+", "-", base).strip("-.") or "base"


def _worker() -> int:
    """The number of this xdist worker, or 0 if there is none."""
    number = re.search(r"\d+$", os.environ.get("PYTEST_XDIST_WORKER", ""))
    return int(number.group()) if number else 0


def _terminal(config: pytest.Config) -> TextIO:
    """Open the session's own standard error, which capturing would swallow during a test."""
    capture: Any = config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled() if capture else nullcontext():
        stream = os.fdopen(os.dup(2), "w", encoding="utf-8", errors="replace")
    config.add_cleanup(stream.close)
    return stream
