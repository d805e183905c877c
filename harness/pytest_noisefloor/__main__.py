"""``python -m pytest_noisefloor``: the command, where no script is on the path."""

from .cli import main

raise SystemExit(main())
