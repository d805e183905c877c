"""What a session prints, and what xdist workers send for it."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_noisefloor.errors import NoisefloorError

from .session import REPORTS, SETTINGS, session_bet


def header(config: pytest.Config) -> list[str]:
    """The header lines: base, device, users, seeds, recipe and bet of a session."""
    from pytest_noisefloor.bets import Status
    from pytest_noisefloor.data import text_digests
    from pytest_noisefloor.models import open_base, resolve_device
    from pytest_noisefloor.specs import BOS

    settings = config.stash[SETTINGS]
    try:
        bet = session_bet(settings)
        bet = bet.on(text_digests(settings.users, bet.users, bet.refused_names))
        name = bet.base or settings.base
        opened = open_base(name)
        base = f"{name} ({opened.fingerprint[:12]})"
        behind = ", texts behind BOS" if opened.facts.prefix == BOS else ""
        device = resolve_device(settings.device)
    except NoisefloorError as error:
        return [f"noisefloor: {error}"]
    seeds = ", ".join(map(str, settings.seeds or bet.seeds))
    status = bet.status()
    why = f", {bet.why_unregistered}:" if status is Status.UNREGISTERED else ""
    return [
        f"noisefloor: base {base}, device {device}, users {settings.users}, seeds {seeds}{behind}",
        f"noisefloor: {bet.recipe}",
        f"noisefloor: {status.prefix(f'{why} ')}Bet {bet.id}, {bet.registration_note}, "
        f"{bet.sha256[:12]}",
    ]


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Print each verdict's table once, whichever process computed the verdict."""
    for path, text in config.stash[REPORTS].items():
        terminalreporter.section("noisefloor")
        terminalreporter.write_line(text)
        terminalreporter.write_line(f"\nresults: {path}")


@pytest.hookimpl(tryfirst=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """Send a worker's verdicts to the process that prints them."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["noisefloor_reports"] = session.config.stash[REPORTS]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Receive the verdicts of an xdist worker."""
    node.config.stash[REPORTS].update(
        getattr(node, "workeroutput", {}).get("noisefloor_reports", {})
    )
