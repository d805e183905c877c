"""Claims on evidence that a test makes or edits."""

import json

import pytest

from noisefloor_tests.support.claims_planted import LENIENT, entry, evidence, lock_own_bet
from pytest_noisefloor.claims.claim import load_claims


@pytest.fixture
def claim(tmp_path):
    """A claim on evidence of the given content, which is LENIENT's where none is."""
    lock_own_bet(tmp_path)

    def write(content=None, **changes):
        (tmp_path / "claims.toml").write_text(entry("x", "LENIENT", **changes))
        (tmp_path / "x.json").write_text(json.dumps(content or evidence(LENIENT)))
        (one,) = load_claims(tmp_path / "claims.toml")
        return one

    return write
