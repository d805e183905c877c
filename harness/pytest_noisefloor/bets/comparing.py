"""Compare a quotient of perplexities with a criterion's threshold: the one place that does."""

from __future__ import annotations

from .bet import Criterion

SLACK = 1e-12
"""Relative slack at a threshold, for rounding alone.

143/130 is exactly 1.1, while exp(log 143 − log 130) is 1.0999999999999999. The next published
quotient that could be meant, 142/130, misses the threshold by 7e-3.
"""


def compare(value: float, criterion: Criterion) -> bool:
    """Return whether a quotient of perplexities satisfies a criterion's condition."""
    if criterion.comparison == "at least":
        return value >= criterion.threshold * (1 - SLACK)
    return value < criterion.threshold * (1 - SLACK)
