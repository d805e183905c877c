"""Pre-registration: a bet's design, criteria and lock, and the only comparison with a threshold."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
