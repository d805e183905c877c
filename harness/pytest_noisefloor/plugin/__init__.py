"""The pytest plugin: options, fixtures, claims and summary. It imports nothing heavy at start.

In a project that only installs it, it adds its options and nothing else. It deselects no test,
imports no torch, and prints nothing until a test asks for one of its fixtures.
"""

from .fixtures import (
    noise_floor,
    noisefloor_claim,
    noisefloor_study,
    pytest_generate_tests,
    random_adapter,
    real_adapter,
)
from .hooks import pytest_addoption, pytest_configure
from .terminal import pytest_sessionfinish, pytest_terminal_summary, pytest_testnodedown

__all__ = [
    "noise_floor",
    "noisefloor_claim",
    "noisefloor_study",
    "pytest_addoption",
    "pytest_configure",
    "pytest_generate_tests",
    "pytest_sessionfinish",
    "pytest_terminal_summary",
    "pytest_testnodedown",
    "random_adapter",
    "real_adapter",
]
