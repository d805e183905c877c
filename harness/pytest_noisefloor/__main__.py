"""``python -m pytest_noisefloor``: the ``noisefloor`` command if its script is not on the path."""

from .cli import main

raise SystemExit(main())
