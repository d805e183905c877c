"""This repository's own habits: Hypothesis profiles, and a guard on global random state."""

from __future__ import annotations

import os

from hypothesis import settings

pytest_plugins = ["pytester"]

# a slow machine is no failure, and CI sees the same examples every time
settings.register_profile("default", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True)
settings.load_profile("ci" if os.environ.get("CI") else "default")
