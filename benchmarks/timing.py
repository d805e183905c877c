"""Repeating, timing, and the spread of what was found."""

from __future__ import annotations

import time
from collections.abc import Callable
from statistics import quantiles

from tqdm import tqdm


def timed(once: Callable[[], object], repeats: int, about: str) -> list[float]:
    """Seconds of each of some repeats, after one that is not timed."""
    once()
    return [timed_once(once) for _ in tqdm(range(repeats), desc=about, leave=False)]


def timed_once(once: Callable[[], object]) -> float:
    """Seconds that something takes."""
    began = time.perf_counter()
    once()
    return time.perf_counter() - began


def spread(values: list[float]) -> dict[str, float]:
    """Median, quartiles and number of two or more values."""
    low, middle, high = quantiles(values, n=4, method="inclusive")
    return {"median": middle, "q1": low, "q3": high, "n": len(values)}
