"""Habits of the whole suite: Hypothesis profiles, one thread a worker, and a guard on random state.

A pytest plugin, so that a checkout and an installed wheel share it. The guard compares from before
a test's setup to behind its teardown, so whatever fixtures of any scope do there is seen; torch's
state is compared where torch was imported before the test, as collecting this suite does.
"""

from __future__ import annotations

import gc
import os
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import numpy as np
import pytest
from hypothesis import Phase, settings

# a slow machine is no failure, and CI sees the same examples every time
settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
# whether a mutant is noticed is all that is asked of it
settings.register_profile(
    "mutation",
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    report_multiple_bugs=False,
)
settings.load_profile("ci" if os.environ.get("CI") else "default")

# rich draws from Python's random when it is imported, and with some packages beside it transformers
# imports it in the midst of a test, as was seen where CUDA was watched
with suppress(ImportError):
    import rich.style  # noqa: F401

_BEFORE = pytest.StashKey[dict[str, object]]()


def pytest_configure(config: pytest.Config) -> None:
    # what no test may draw from needs no reseeding, and reseeding would hide who drew
    config.option.randomly_reset_seed = False
    if getattr(config.option, "numprocesses", None):
        # workers share the cores, and with as many threads each they would wait for one another
        os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    # what this loads, torch above all, stays: no search for garbage need walk it, now or later
    gc.disable()
    try:
        return (yield)
    finally:
        gc.enable()
        gc.collect()
        gc.freeze()


def states() -> dict[str, object]:
    """Every global random state by its owner; torch's only where something imported torch."""
    legacy = np.random.get_state(legacy=False)  # noqa: NPY002  (the one to guard)
    key = legacy["state"].pop("key").tobytes()
    found: dict[str, object] = {
        "Python's random": random.getstate(),
        "NumPy's legacy generator": (key, legacy),
    }
    if "torch" in sys.modules:
        found["torch's default generator"] = sys.modules["torch"].get_rng_state().numpy().tobytes()
    return found


@contextmanager
def forked() -> Iterator[None]:
    """Give every global random state back on leaving, as torch.random.fork_rng does torch's."""
    import torch

    python, legacy = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        with torch.random.fork_rng(devices=[]):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(legacy)  # noqa: NPY002


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> Iterator[None]:
    item.stash[_BEFORE] = states()
    return (yield)


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_teardown(item: pytest.Item) -> Iterator[None]:
    result = yield
    after = states()
    changed = [name for name, state in item.stash[_BEFORE].items() if after[name] != state]
    if changed:
        pytest.fail(
            f"{item.nodeid} changed {' and '.join(changed)}, between its setup and its teardown. "
            "Draw from a generator of its own, or fork the state (torch.random.fork_rng)",
            pytrace=False,
        )
    return result
