"""The result file: its layout, how it is written, read and judged again; and many together."""

import lazy_loader as lazy

__getattr__, __dir__, __all__ = lazy.attach_stub(__name__, __file__)
