"""This repository's own habits, which the suite brings along in its support/habits.py."""

pytest_plugins = ["pytester", "noisefloor_tests.support.habits"]
