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
    """A study's verdict, whose table the session will print at its end."""
    from pytest_noisefloor.report import render

    verdict = explained(lambda: experiment.verdict)
    config.stash[REPORTS][str(experiment.result_path)] = render(verdict)
    return verdict


def claimed(config: pytest.Config, experiment: Experiment) -> Claim | None:
    """The claim in the session's claims file about a study's bet, base, method and users.

    None for a study of other seeds than the bet's, of which nobody claims anything.
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
            where=config.stash[SETTINGS].users,
        )
    )


def explained(make: Callable[[], T]) -> T:
    """Turn a mistake that the user can mend into one message without a traceback."""
    __tracebackhide__ = True
    try:
        return make()
    except NoisefloorError as error:
        message = str(error)
    pytest.fail(message, pytrace=False)


def renew_evidence(config: pytest.Config, claim: Claim) -> None:
    """Train what a claim rests on, where it never was trained, and replace its evidence."""
    import json

    from pytest_noisefloor.claims import claimed_users, replace_evidence
    from pytest_noisefloor.models import open_base
    from pytest_noisefloor.report import render

    settings = config.stash[SETTINGS]
    base = replace(open_base(claim.located), name=claim.base)  # no path of this machine
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
    """A bet, or the session's; by other seeds or matrix products it is not what was locked."""
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
    loaded: Callable[[str, tuple[str, ...]], tuple[User, ...]],
    named: str | None,
    name: str | None,
) -> Experiment:
    """A bet on a base, with the session's users and seeds."""
    settings = config.stash[SETTINGS]
    bet = session_bet(settings, name)
    usual = bet.base or settings.base
    base = named or usual
    return build_experiment(
        config,
        bet=bet,
        base=opened(base),
        users=loaded(settings.users, bet.users),
        seeds=settings.seeds or bet.seeds,
        # results of another base than the usual one do not overwrite that one's
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
    """An experiment on the session's store and device, whose progress its terminal shows."""
    from pytest_noisefloor.experiment import Experiment
    from pytest_noisefloor.models import resolve_device
    from pytest_noisefloor.runs import ProgressBar, RunContext, Runner, Store
    from pytest_noisefloor.training import open_method

    settings = config.stash[SETTINGS]
    runner = Runner(
        RunContext(
            store=Store(settings.out / ".noisefloor"),
            base=base,
            device=resolve_device(settings.device),
            method=open_method(bet.method),
            recipe=bet.recipe,
            scoring=bet.scoring,
            progress_bar=ProgressBar(_terminal(config), line=_worker()),
            workers=int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")),
        )
    )
    return Experiment(bet=bet, runner=runner, users=users, seeds=seeds, out=out)


def _folder_name(base: str) -> str:
    """A base's name, path or hub id as the name of one folder."""
    return re.sub(r"[^\w.-]+", "-", base).strip("-.") or "base"


def _worker() -> int:
    """The number of this xdist worker, 0 also where there is none."""
    number = re.search(r"\d+$", os.environ.get("PYTEST_XDIST_WORKER", ""))
    return int(number.group()) if number else 0


def _terminal(config: pytest.Config) -> TextIO:
    """The session's own standard error, which capturing would swallow during a test."""
    capture: Any = config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled() if capture else nullcontext():
        stream = os.fdopen(os.dup(2), "w", encoding="utf-8", errors="replace")
    config.add_cleanup(stream.close)
    return stream
