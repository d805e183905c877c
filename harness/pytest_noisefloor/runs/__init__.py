"""Which runs a bet needs. Each run is made once, stored by key, and exported."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
