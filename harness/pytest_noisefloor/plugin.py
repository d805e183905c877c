"""The pytest plugin: options, fixtures, header and summary. Nothing heavy is imported at start.

In a project that only installs it, it adds its options and nothing else: it deselects no test,
prints nothing until a test asks for one of its fixtures, and imports no torch.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, TextIO, TypeVar

import pytest

from .errors import NoisefloorError

if TYPE_CHECKING:
    from .judge import Verdict
    from .runner import Adapter
    from .study import Study

T = TypeVar("T")

DEFAULT_BASE = "smollm2-135m"
DEVICES = ("auto", "mps", "cuda", "cpu")

_REPORTS = pytest.StashKey[dict[str, str]]()
_SETTINGS = pytest.StashKey["Settings"]()


# --- options ----------------------------------------------------------------------------------


@dataclass(frozen=True)
class Settings:
    """What the command line or the ini file asks for.

    ``seeds`` is None where the bet's own apply; ``out`` is the folder of results and store.
    """

    base: str
    users: str
    device: str
    seeds: tuple[int, ...] | None
    out: Path


_OPTIONS = {
    "base": (
        DEFAULT_BASE,
        "base to train on: tiny, smollm2-135m, a folder with config.json and safetensors weights, "
        "or a hub id",
    ),
    "users": ("shipped", "users' texts: 'shipped' (programmer, novelist, scientist) or a folder"),
    "device": ("auto", "auto (mps, then cuda, then cpu), mps, cuda or cpu"),
    "seeds": ("", "seeds to train each arm with, as 0,1,2 (default: those of the bet)"),
    "out": (".", "folder for results/, out/ and the store of everything trained"),
}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add an option and an ini twin for each setting."""
    group = parser.getgroup("noisefloor", "noisefloor: negative controls for adapters")
    for name, (default, text) in _OPTIONS.items():
        about = f"{text} (default: {default})" if default else text
        group.addoption(f"--noisefloor-{name}", metavar=name.upper(), default=None, help=about)
        parser.addini(f"noisefloor_{name}", about, type="string", default=None)


def pytest_configure(config: pytest.Config) -> None:
    """Read the settings, so that a bad value stops the session before anything runs."""
    _refuse_detached_paths(config)
    config.stash[_SETTINGS] = read_settings(config)
    config.stash[_REPORTS] = {}


def _refuse_detached_paths(config: pytest.Config) -> None:
    """Insist on ``=`` before a path: pytest settles its rootdir before it knows our options.

    ``--noisefloor-out results`` would make ``results`` the rootdir, and the project's own
    configuration would silently not be read.
    """
    words = config.invocation_params.args
    for option, value in pairwise(words):
        if option.startswith("--noisefloor-") and "=" not in option and Path(value).exists():
            raise pytest.UsageError(
                f"write {option}={value}: with '=', or pytest moves its rootdir"
            )


def read_settings(config: pytest.Config) -> Settings:
    """The settings of a session.

    Raises:
        pytest.UsageError: a value that its option cannot have.
    """

    base, _ = _given(config, "base")
    if not base.strip():
        _usage("base", base, "a name")
    return Settings(
        base=base,
        users=_users(*_given(config, "users")),
        device=_device(_given(config, "device")[0]),
        seeds=_seeds(_given(config, "seeds")[0]),
        out=_out(*_given(config, "out")),
    )


def _given(config: pytest.Config, name: str) -> tuple[str, Path]:
    """An option's value, and from where a path in it is seen: the ini file that says it, or here."""
    here = config.invocation_params.dir
    value = config.getoption(f"noisefloor_{name}")
    if value is None and (value := config.getini(f"noisefloor_{name}")) is not None:
        here = config.inipath.parent if config.inipath else here
    return _OPTIONS[name][0] if value is None else str(value), here


def _users(value: str, here: Path) -> str:
    if value == "shipped":
        return value
    folder = here / Path(value).expanduser()
    if not folder.is_dir():
        _usage("users", value, "'shipped', or a folder with <user>/train.txt and <user>/heldout/")
    return str(folder)


def _out(value: str, here: Path) -> Path:
    folder = here / Path(value).expanduser()
    if not value.strip() or (folder.exists() and not folder.is_dir()):
        _usage("out", value, "a folder")
    return folder


def _device(value: str) -> str:
    if value not in DEVICES:
        _usage("device", value, f"one of {', '.join(DEVICES)}")
    return value


def _seeds(value: str) -> tuple[int, ...] | None:
    if not value.strip():
        return None
    try:
        seeds = tuple(int(part) for part in value.split(","))
    except ValueError:
        seeds = (-1,)
    if min(seeds) < 0 or len(set(seeds)) != len(seeds):
        _usage("seeds", value, "different whole numbers of 0 or more, as 0,1,2")
    return seeds


def _usage(name: str, value: str, expected: str) -> NoReturn:
    raise pytest.UsageError(f"--noisefloor-{name} (or noisefloor_{name}) = {value!r}: {expected}")


# --- fixtures ---------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def noisefloor_study(request: pytest.FixtureRequest) -> Callable[[str], Study]:
    """Bet 60 on any base, with the session's users, device and seeds: ``noisefloor_study(base)``.

    One study a base and session. Where this is not enough, build a ``study.Study`` yourself.
    """
    studies: dict[str, Study] = {}

    def study(base: str) -> Study:
        if base not in studies:
            studies[base] = _explained(partial(_open_study, request.config, base))
        return studies[base]

    return study


@pytest.fixture(scope="session")
def noise_floor(
    request: pytest.FixtureRequest, noisefloor_study: Callable[[str], Study]
) -> Verdict:
    """The comparison: real against random adapters of all users, judged by Bet 60."""
    study = noisefloor_study(request.config.stash[_SETTINGS].base)
    return judged(request.config, study)


def judged(config: pytest.Config, study: Study) -> Verdict:
    """A study's verdict, whose table the session will print at its end."""
    from .report import report

    verdict = _explained(lambda: study.verdict)
    config.stash[_REPORTS][str(study.result_path)] = report(verdict)
    return verdict


@pytest.fixture
def real_adapter(
    request: pytest.FixtureRequest, noisefloor_study: Callable[[str], Study], noisefloor_user: str
) -> Adapter:
    """A user's adapter trained on that user's text; a test runs once for each user."""
    study = noisefloor_study(request.config.stash[_SETTINGS].base)
    return _explained(lambda: study.adapter(noisefloor_user, "real"))


@pytest.fixture
def random_adapter(
    request: pytest.FixtureRequest, noisefloor_study: Callable[[str], Study], noisefloor_user: str
) -> Adapter:
    """A user's adapter trained on uniformly random tokens; a test runs once for each user."""
    study = noisefloor_study(request.config.stash[_SETTINGS].base)
    return _explained(lambda: study.adapter(noisefloor_user, "random"))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test that asks for a user's adapter once for each user."""
    if "noisefloor_user" in metafunc.fixturenames:
        from .corpora import user_names

        try:
            names = user_names(metafunc.config.stash[_SETTINGS].users)
        except NoisefloorError as error:
            raise pytest.UsageError(str(error)) from None
        metafunc.parametrize("noisefloor_user", names, scope="session")


def _explained(make: Callable[[], T]) -> T:
    """Turn a mistake that the user can mend into one message without a traceback."""
    __tracebackhide__ = True
    try:
        return make()
    except NoisefloorError as error:
        message = str(error)
    pytest.fail(message, pytrace=False)


def _open_study(config: pytest.Config, base: str) -> Study:
    from .bases import open_base
    from .bets import registered_bet
    from .corpora import load_users
    from .devices import resolve
    from .methods import METHODS
    from .progress import Watcher
    from .runner import Runner
    from .store import Store
    from .study import Study

    settings = config.stash[_SETTINGS]
    bet = registered_bet("bet60")
    # results of another base than the session's do not overwrite the session's own
    out = settings.out if base == settings.base else settings.out / base
    runner = Runner(
        store=Store(settings.out / ".noisefloor"),
        base=open_base(base),
        device=resolve(settings.device),
        method=METHODS[bet.method],
        recipe=bet.recipe,
        scoring=bet.scoring,
        watcher=Watcher(_terminal(config)),
        workers=int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1")),
    )
    return Study(
        bet=bet,
        runner=runner,
        users=load_users(settings.users),
        seeds=settings.seeds or bet.seeds,
        out=out,
    )


def _terminal(config: pytest.Config) -> TextIO:
    """The session's own standard error, which capturing would swallow during a test."""
    capture: Any = config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled():
        stream = os.fdopen(os.dup(2), "w", encoding="utf-8", errors="replace")
    config.add_cleanup(stream.close)
    return stream


# --- what is printed --------------------------------------------------------------------------


def header(config: pytest.Config) -> list[str]:
    """What a session is about to use: base, device, recipe, seeds, bet."""
    from .bases import open_base
    from .bets import registered_bet
    from .devices import resolve

    settings = config.stash[_SETTINGS]
    try:
        bet = registered_bet("bet60")
        base = f"{settings.base} ({open_base(settings.base).fingerprint[:12]})"
        device = resolve(settings.device)
    except NoisefloorError as error:
        return [f"noisefloor: {error}"]
    seeds = ", ".join(map(str, settings.seeds or bet.seeds))
    return [
        f"noisefloor: base {base}, device {device}, users {settings.users}, seeds {seeds}",
        f"noisefloor: {bet.recipe}",
        f"noisefloor: Bet {bet.id}, registered {bet.registered}, {bet.sha256[:12]}",
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
