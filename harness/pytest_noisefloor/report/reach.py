"""Reach as a table: beside a verdict, and before anything is trained."""

from __future__ import annotations

import math

from pytest_noisefloor.bets import Forecast, UnitReach, Verdict

from .labels import SHOWN, bet_title, more, quotient
from .layout import Column, terminal_table
from .prose import render_forecast_words

LARGEST_SHOWN = 1000.0
"""Above this quotient of perplexities a ceiling only says that the estimate means nothing."""


def reach_table(verdict: Verdict) -> str:
    """For each unit: how far its adapters moved, and three figures of what help could have been."""
    contrast = verdict.bet.contrast
    oracles = {one.user: one.oracle_help for one in verdict.resolved}
    columns = [
        Column[UnitReach](contrast.unit_word, lambda one: one.user, left=True),
        Column[UnitReach]("moved (r)", lambda one: f"{one.moved:.3g}"),
        Column("ceiling of help", _ceiling),
        Column("floor of help", _floor),
        Column("oracle's help", lambda one: quotient(oracles.get(one.user))),
    ]
    units = verdict.reachable
    return terminal_table(columns, units[:SHOWN]) + more(len(units), contrast)


def render_forecast(forecast: Forecast) -> str:
    """Everything that is printed of a bet's reach before anything is trained."""
    contrast, units = forecast.bet.contrast, forecast.measured
    columns = [
        Column[UnitReach](contrast.unit_word, lambda one: one.user, left=True),
        Column[UnitReach]("scored tokens", lambda one: f"{one.bins.tokens.sum():,}"),
        Column("‖∇L‖₁", lambda one: "–" if one.norm is None else f"{one.norm:.4g}"),
        Column("ceiling of help", _ceiling),
        Column("floor of help", _floor),
        Column("at a step of", lambda one: f"{one.step:.3g}"),
    ]
    return "\n\n".join(
        [
            bet_title(forecast.bet, forecast.bet.status(planted=forecast.planted)),
            f"Base {forecast.base}, method {forecast.method}, {forecast.recipe}: "
            f"r = rate × steps = {forecast.distance:.3g}",
            terminal_table(columns, units[:SHOWN]) + more(len(units), contrast),
            render_forecast_words(forecast),
        ]
    )


def _ceiling(one: UnitReach) -> str:
    if one.ceiling is None:
        return "–"
    if one.ceiling > math.log(LARGEST_SHOWN):
        return f"above {LARGEST_SHOWN:g}"
    return f"{math.exp(one.ceiling):.4f}"


def _floor(one: UnitReach) -> str:
    return quotient(one.floor) if one.floor else f"{math.exp(one.gain):.4f}"
