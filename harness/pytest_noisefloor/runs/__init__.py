"""Which runs a bet needs; each is made once, kept by key, and exported."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
