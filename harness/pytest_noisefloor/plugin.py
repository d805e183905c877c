"""The pytest plugin: options, fixtures, header and summary. Nothing heavy is imported at start.

In a project that only installs it, it adds its options and nothing else: it deselects no test,
prints nothing until a test asks for one of its fixtures, and imports no torch.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO, TypeVar

import pytest

from . import gate, methodology, options
from .errors import NoisefloorError

if TYPE_CHECKING:
    from .bases import Base
    from .bets import Bet
    from .claims import Claim
    from .corpora import User
    from .judge import Verdict
    from .runs import Adapter
    from .study import Study

T = TypeVar("T")

_REPORTS = pytest.StashKey[dict[str, str]]()
_SETTINGS = pytest.StashKey[options.Settings]()
_GATE = pytest.StashKey[gate.Gate]()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add an option and an ini twin for each setting."""
    options.add(parser)
    gate.add(parser)
    methodology.add(parser)


def pytest_configure(config: pytest.Config) -> None:
    """Read the settings, so that a bad value stops the session before anything runs."""
    config.stash[_SETTINGS] = options.read_settings(config)
    config.stash[_REPORTS] = {}
    claims = gate.Gate(config, renew=partial(_renew, config))
    config.stash[_GATE] = claims
    rule = methodology.Methodology(config, claims)
    for name, plugin in {"noisefloor-gate": claims, "noisefloor-methodology": rule}.items():
        if config.pluginmanager.register(plugin, name) is None:
            raise pytest.UsageError(f"-p no:{name}: claims and their controls have no switch")


# --- fixtures ---------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def noisefloor_study(request: pytest.FixtureRequest) -> Callable[..., Study]:
    """A bet on a base with the session's users and device: ``noisefloor_study(base, bet)``.

    Without ``bet`` it is the session's; without ``base`` the bet's own or else the session's. One
    study each a session. Where this is not enough, build a ``study.Study`` yourself.
    """
    from .bases import open_base
    from .corpora import load_users

    opened, loaded = cache(open_base), cache(load_users)

    @cache
    def study(base: str | None = None, bet: str | None = None) -> Study:
        return _explained(partial(_open_study, request.config, opened, loaded, base, bet))

    return study


@pytest.fixture(scope="session")
def noise_floor(request: pytest.FixtureRequest, noisefloor_study: Callable[..., Study]) -> Verdict:
    """The comparison: real against random adapters of all users, judged by the session's bet."""
    return judged(request.config, noisefloor_study())


def judged(config: pytest.Config, study: Study) -> Verdict:
    """A study's verdict, whose table the session will print at its end."""
    from .report import report

    verdict = _explained(lambda: study.verdict)
    config.stash[_REPORTS][str(study.result_path)] = report(verdict)
    return verdict


@pytest.fixture(scope="session")
def noisefloor_claim(
    request: pytest.FixtureRequest, noisefloor_study: Callable[..., Study]
) -> Claim | None:
    """The claim about what ``noise_floor`` compares, or None where nobody claims anything of it."""
    if not request.config.stash[_GATE].file:
        return None  # and nothing is opened to find that out
    return claimed(request.config, noisefloor_study())


def claimed(config: pytest.Config, study: Study) -> Claim | None:
    """The claim in the session's claims file about a study's bet, base, method and users.

    None for a study of other seeds than the bet's, of which nobody claims anything.
    """
    if study.seeds != study.bet.seeds:
        return None
    return _explained(
        lambda: config.stash[_GATE].claim_about(
            bet=study.bet,
            base=study.runner.base.name,
            fingerprint=study.runner.base.fingerprint,
            method=study.bet.method,
            users=[user.name for user in study.users],
            where=config.stash[_SETTINGS].users,
        )
    )


@pytest.fixture
def real_adapter(noisefloor_study: Callable[..., Study], noisefloor_user: str) -> Adapter:
    """A user's adapter trained on that user's text; a test runs once for each user."""
    return _explained(lambda: noisefloor_study().adapter(noisefloor_user, "real"))


@pytest.fixture
def random_adapter(noisefloor_study: Callable[..., Study], noisefloor_user: str) -> Adapter:
    """A user's adapter trained on uniformly random tokens; a test runs once for each user."""
    return _explained(lambda: noisefloor_study().adapter(noisefloor_user, "random"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that asks for a user's adapter once for each user."""
    if "noisefloor_user" in metafunc.fixturenames:
        from .bets import open_bet
        from .corpora import user_names

        try:
            settings = metafunc.config.stash[_SETTINGS]
            names = user_names(settings.users, open_bet(settings.bet).users)
        except NoisefloorError as error:
            raise pytest.Collector.CollectError(str(error)) from None
        metafunc.parametrize("noisefloor_user", names, scope="session")


def _explained(make: Callable[[], T]) -> T:
    """Turn a mistake that the user can mend into one message without a traceback."""
    __tracebackhide__ = True
    try:
        return make()
    except NoisefloorError as error:
        message = str(error)
    pytest.fail(message, pytrace=False)


def _renew(config: pytest.Config, claim: Claim) -> None:
    """Train what a claim rests on, where it never was trained, and replace its evidence."""
    import json

    from .bases import open_base
    from .evidence import claimed_users, replace_evidence
    from .report import report

    settings = config.stash[_SETTINGS]
    base = replace(open_base(claim.located), name=claim.base)  # no path of this machine
    claim.check_fingerprint(base.fingerprint)
    where = "shipped" if claim.shipped else str(claim.texts or settings.users)
    study = _study(
        config,
        bet=claim.bet,
        base=base,
        users=claimed_users(claim, where),
        seeds=claim.bet.seeds,
        out=settings.out / ".noisefloor" / "claims" / claim.id,
    )
    verdict = study.verdict
    replace_evidence(claim, json.loads(study.result_path.read_text(encoding="utf-8")))
    config.stash[_REPORTS][str(claim.evidence)] = report(verdict)


def _bet(settings: options.Settings, name: str | None = None) -> Bet:
    """A bet, or the session's; by other seeds or matrix products it is not what was locked."""
    from .bets import open_bet

    bet = open_bet(name or settings.bet)
    recipe = replace(bet.recipe, matmul=settings.matmul or bet.recipe.matmul)
    if recipe == bet.recipe and settings.seeds in (None, bet.seeds):
        return bet
    return replace(bet, recipe=recipe, altered=True)


def _open_study(
    config: pytest.Config,
    opened: Callable[[str], Base],
    loaded: Callable[[str, tuple[str, ...]], tuple[User, ...]],
    named: str | None,
    name: str | None,
) -> Study:
    """A bet on a base, with the session's users and seeds."""
    settings = config.stash[_SETTINGS]
    bet = _bet(settings, name)
    usual = bet.base or settings.base
    base = named or usual
    return _study(
        config,
        bet=bet,
        base=opened(base),
        users=loaded(settings.users, bet.users),
        seeds=settings.seeds or bet.seeds,
        # results of another base than the usual one do not overwrite that one's
        out=settings.out if base == usual else settings.out / _folder_name(base),
    )


def _study(
    config: pytest.Config,
    *,
    bet: Bet,
    base: Base,
    users: Sequence[User],
    seeds: Sequence[int],
    out: Path,
) -> Study:
    from .devices import resolve
    from .methods import open_method
    from .progress import Watcher
    from .runner import Runner
    from .store import Store
    from .study import Study

    settings = config.stash[_SETTINGS]
    runner = Runner(
        store=Store(settings.out / ".noisefloor"),
        base=base,
        device=resolve(settings.device),
        method=open_method(bet.method),
        recipe=bet.recipe,
        scoring=bet.scoring,
        watcher=Watcher(_terminal(config), line=_worker()),
        workers=int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")),
    )
    return Study(bet=bet, runner=runner, users=users, seeds=seeds, out=out)


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


# --- what is printed --------------------------------------------------------------------------


def header(config: pytest.Config) -> list[str]:
    """What a session is about to use: base, device, recipe, seeds, bet."""
    from .bases import open_base
    from .devices import resolve

    settings = config.stash[_SETTINGS]
    try:
        bet = _bet(settings)
        name = bet.base or settings.base
        base = f"{name} ({open_base(name).fingerprint[:12]})"
        device = resolve(settings.device)
    except NoisefloorError as error:
        return [f"noisefloor: {error}"]
    seeds = ", ".join(map(str, settings.seeds or bet.seeds))
    return [
        f"noisefloor: base {base}, device {device}, users {settings.users}, seeds {seeds}",
        f"noisefloor: {bet.recipe}",
        f"noisefloor: {f'{bet.mark} Bet'.lstrip()} {bet.id}, {bet.standing}, {bet.sha256[:12]}",
    ]


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print each verdict's table once, whichever process obtained it."""
    for path, text in config.stash[_REPORTS].items():
        terminalreporter.section("noisefloor")
        terminalreporter.write_line(text)
        terminalreporter.write_line(f"\nresults: {path}")


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Hand a worker's verdicts to the process that prints them."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["noisefloor_reports"] = session.config.stash[_REPORTS]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take over the verdicts of an xdist worker."""
    node.config.stash[_REPORTS].update(
        getattr(node, "workeroutput", {}).get("noisefloor_reports", {})
    )
