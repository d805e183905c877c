"""A user's text: download, clean, check for contamination, tokenise, and draw batches from it."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
