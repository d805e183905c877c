"""Negative controls for personalised adapters, run with pytest.

Train the same adapter on a user's text and on text without signal, score both on the same held-out
tokens, and say what the data supports.
"""

from typing import TYPE_CHECKING

import lazy_loader as lazy

__version__ = "0.1.0"

if TYPE_CHECKING:
    from .bets import Level as Level
    from .claims import load_claims as load_claims
    from .data import generator as generator
    from .experiment import Experiment as Experiment
    from .plugin.outcomes import check_criterion as check_criterion
    from .results import rejudge as rejudge

# names load on first use, so that the plugin starts without torch
__getattr__, __dir__, __all__ = lazy.attach(
    __name__,
    submod_attrs={
        "bets": ["Level"],
        "claims": ["load_claims"],
        "data": ["generator"],
        "experiment": ["Experiment"],
        "plugin.outcomes": ["check_criterion"],
        "results": ["rejudge"],
    },
)
