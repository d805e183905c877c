"""What runs are asked for, and what stops them in mid-training: an interrupt, or a kill."""

from pytest_noisefloor.runs.progress import ProgressBar
from pytest_noisefloor.runs.request import Request


def everything(*users):
    """Requests of all kinds for some users."""
    arms = [("untrained", 0), ("real", 0), ("random", 0), ("real", 1)]
    return [Request(user, arm, seed) for user in users for arm, seed in arms]


class Stopping(ProgressBar):
    """Interrupts a training at its third step."""

    def advance(self, cost, detail=""):
        super().advance(cost, detail)
        if detail.startswith("step 3 of"):
            raise KeyboardInterrupt


KILLED = """
import os, signal
from pathlib import Path
from pytest_noisefloor.runs import Request, Runner, worker
from pytest_noisefloor.runs.context import RunContext
from pytest_noisefloor.models.loading import open_base
from pytest_noisefloor.data.users import Slice, User
from pytest_noisefloor.training.methods.registry import METHODS
from pytest_noisefloor.runs.progress import ProgressBar
from pytest_noisefloor.specs import Recipe, Scoring
from pytest_noisefloor.runs.store import Store

class Killing(ProgressBar):
    def advance(self, cost, detail=""):
        if detail.startswith("step 3 of"):
            os.kill(os.getpid(), signal.SIGKILL)

worker.SAVE_EVERY_S = -1.0
context = RunContext(
    base=open_base("tiny"), device="cpu", method=METHODS["norm-only"], progress_bar=Killing(), {}
)
Runner(context).adapter(Request({}, "real"))
"""
