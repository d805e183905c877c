"""This repository's own habits, which the suite brings along in noisefloor_tests/habits.py."""

pytest_plugins = ["pytester", "noisefloor_tests.habits"]
