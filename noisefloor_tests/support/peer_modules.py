"""Modules of other projects, or a skip where they are not installed."""

from importlib import import_module
from importlib.util import find_spec

import pytest


def peer(module):
    """A peer's module, or a skip that says how to get it."""
    name = module.partition(".")[0]
    if find_spec(name) is None:
        pytest.skip(f"{name} is not installed: pip install pytest-noisefloor[peers]")
    return import_module(module)
