"""The ``noisefloor`` command, which also runs as ``python -m pytest_noisefloor``.

Only this room imports typer. Each of its modules adds verbs to the command, in this order.
"""

from . import getting, checking, judging, measuring, locking  # isort: skip
from .app import ExitCode, app, main

__all__ = ["ExitCode", "app", "checking", "getting", "judging", "locking", "main", "measuring"]
