"""Tiers: every test is in exactly one, and a plain ``pytest`` runs the fast one."""

from __future__ import annotations

import pytest

from pytest_noisefloor.plugin import header

TIERS = {
    "fast": "tiny models, CPU only, under a minute; what a plain pytest runs",
    "full": "Bet 60 on the embedded base and the three shipped users",
    "scale": "Bet 60 on a larger base",
    "slow": "long proofs of the machinery, and what needs an accelerator",
}


def pytest_configure(config: pytest.Config) -> None:
    for tier, text in TIERS.items():
        config.addinivalue_line("markers", f"{tier}: tier, {text}")
    if not config.option.markexpr:
        config.option.markexpr = "fast"


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        tiers = [tier for tier in TIERS if item.get_closest_marker(tier)]
        if len(tiers) > 1:
            raise pytest.UsageError(f"{item.nodeid}: in tiers {', '.join(tiers)}; expected one")
        if not tiers:
            item.add_marker("fast")


def pytest_report_header(config: pytest.Config) -> list[str]:
    tier = config.option.markexpr
    if tier == "fast":
        return ["noisefloor: tier fast, tiny bases on the CPU"]
    return [f"noisefloor: tier {tier}", *header(config)]
