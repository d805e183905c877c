"""Every peer is installed, so that agreement with it cannot pass by being skipped."""

from importlib.util import find_spec

import pytest

# tiny leaves one thread to this process, which is all that small models need
pytestmark = [pytest.mark.peers, pytest.mark.usefixtures("tiny")]

PEERS = ("lm_eval", "peft", "statsmodels")


def test_every_peer_is_installed():
    """So that this tier cannot pass by skipping."""
    assert not [name for name in PEERS if find_spec(name) is None]
