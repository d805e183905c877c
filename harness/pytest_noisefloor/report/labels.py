"""Names, quotients and conditions that all sentences and tables about a verdict share."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_noisefloor.bets import (
    OTHER,
    POOLED,
    Bet,
    Condition,
    Level,
    Status,
    Verdict,
    is_best_of,
    parse_label,
)
from pytest_noisefloor.specs import UNTRAINED
from pytest_noisefloor.stats import Contrast, Interval

SHOWN = 20
"""Maximum number of users that are shown or named one by one. The result file has all of them."""

LEVELS = (Level.CATASTROPHIC, Level.LENIENT, Level.STRICT)


def bet_title(bet: Bet, status: Status) -> str:
    """A bet's name, date and hash. If it is not registered, also its status and why."""
    name = f"Bet {bet.id}: {bet.title} ({bet.registration_note}, {bet.sha256[:12]})"
    if status is Status.PLANTED:
        return f"PLANTED, proves the machinery alone: {name}"
    if status is Status.REGISTERED:
        return name
    return f"{status}, {bet.why_unregistered}: {name}"


def more(units: int, contrast: Contrast) -> str:
    """The line under a table that does not show all units. Empty if all are shown."""
    if units <= SHOWN:
        return ""
    return (
        f"\n… and {units - SHOWN} more of {units} {contrast.unit_word}s; all of them are in the "
        "result file"
    )


def quotient(interval: Interval | None) -> str:
    """Format an interval as a quotient of perplexities with its bounds. None gives a dash."""
    if interval is None:
        return "–"
    estimate, low, high = interval.ratios
    return f"{estimate:.4f} [{low:.4f}, {high:.4f}]"


def names(users: Sequence[str]) -> str:
    """Join users, or phrases about users, by commas. Beyond ``SHOWN``, they are only counted."""
    more = f" and {len(users) - SHOWN} more" if len(users) > SHOWN else ""
    return ", ".join(users[:SHOWN]) + more


def name_or_count(units: Sequence[str], verdict: Verdict) -> str:
    """Name users, but only count smaller units: these are many, and none matters by itself."""
    contrast = verdict.bet.contrast
    if contrast.by_user:
        return names(units)
    return f"{len(units)} of {len(verdict.effects)} {contrast.unit_word}s"


def treatment(verdict: Verdict) -> str:
    """The denominator of the ratio, worded for a sentence."""
    return render_label(verdict.bet.contrast.denominator)


def control(verdict: Verdict) -> str:
    """The numerator of the ratio, worded for a sentence."""
    return render_label(verdict.bet.contrast.numerator)


def has_harm(contrast: Contrast) -> bool:
    """Whether harm can differ from 1. It cannot if the control is the untrained base."""
    return contrast.numerator != UNTRAINED


_SOURCES = {
    "real": "the user's own text",
    "random": "random tokens",
    "random-text": "a random text as long as the user's own",
    "oracle": "the held-out text",
    "unigram": "tokens of the user's own frequencies",
    "shuffled": "the user's own tokens in random order",
    OTHER: "the other users' adapters",
    POOLED: "the other users' texts",
    UNTRAINED: "the untrained base",
}

_METHODS = {
    "full": "full fine-tuning",
    "temperature": "one factor of the logits trained",
    "lora-r4": "LoRA of rank 4",
}


def render_label(label: str) -> str:
    """A label, worded for a sentence."""
    *most, last = (_render_condition(condition) for condition in parse_label(label))
    words = f"{', '.join(most)} and {last}" if most else last
    return f"the best of {words}" if is_best_of(label) else words


def _render_condition(condition: Condition) -> str:
    words = _SOURCES.get(condition.source, condition.source)
    if condition.method and condition.source == OTHER:
        words += f" by {_METHODS.get(condition.method, condition.method)}"
    elif condition.method:
        words = f"{_METHODS.get(condition.method, condition.method)} on {words}"
    return words + (f" at a rate of {condition.lr}" if condition.lr else "")
