"""The negative control for personalised adapters, run with pytest.

Train the same adapter on a user's text and on text without signal, score both on the same
held-out tokens, and say what the data supports.
"""

__version__ = "0.1.0"
