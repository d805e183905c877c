"""Where the package, its tests and the checkout around them lie."""

from pathlib import Path

import noisefloor_tests
import pytest_noisefloor

HARNESS = Path(pytest_noisefloor.__file__).parent
SUITE = Path(noisefloor_tests.__file__).parent
CHECKOUT = SUITE.parent

BET_60_PAGE = SUITE / "criteria" / "test_bet60_noise_floor.py"
"""The criteria that most of the plugin's tests run elsewhere."""
