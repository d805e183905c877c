"""What users have made stays found: keys of version 0.1.0, and one of its adapters bit for bit.

The keys and the adapter were written down before the package was moved into rooms (2026-11-26). A
change that turns this page red makes every store worthless. Raise the version of what changed.
"""

import base64
import os
import platform
import subprocess
import sys
from dataclasses import replace
from importlib.metadata import version

import numpy as np
import pytest

from pytest_noisefloor.data.users import Slice, User
from pytest_noisefloor.models.base import Base
from pytest_noisefloor.models.tiny import ByteTokenizer
from pytest_noisefloor.runs.context import RunContext
from pytest_noisefloor.runs.progress import ProgressBar
from pytest_noisefloor.runs.request import Request
from pytest_noisefloor.runs.runner import Runner
from pytest_noisefloor.runs.store import Store
from pytest_noisefloor.specs import Recipe, Scoring
from pytest_noisefloor.training.methods.registry import METHODS

ANN = User("ann", "text to train on", (Slice("first", "held out"), Slice("second", "held out too")))
TORCH = "2.13"

ADAPTERS = {
    "real": "54b1e9aa6cf3e2b12fbe84f943350f2c6d9cea1aa1a02e363f37200f53575974",
    "random": "9e6babf4c496c146fc9029066851db4518c00b1601a154714f714aaaeaef94d0",
    "oracle": "1eb7bbf2abedc09838226872988ca34468390cfbff06644ff4eccc54cfd5bad0",
}
UNTRAINED_SCORES = "502e687760fd821e55b7733f43d89c15340415397bc73c965f64666eafa9d275"
REAL_SCORES = "79da23ea5305ac7f9b0f7add93ec29a3cfb7d1f2bbfb4bf35dd88389e1bba4e2"


@pytest.fixture
def runner(tmp_path):
    """Bet 60's design on a base that is known by its fingerprint alone; nothing is loaded."""
    kernel = tmp_path / "kernels" / "0123456789abcdef-cpu.json"
    kernel.parent.mkdir()
    kernel.write_text('{"kernel": "tiles/1"}', encoding="utf-8")
    return Runner(
        RunContext(
            store=Store(tmp_path),
            base=Base("kept", "0123456789abcdef" * 4, None, ByteTokenizer),
            device="cpu",
            method=METHODS["norm-only"],
            recipe=Recipe(),
            scoring=Scoring(),
            progress_bar=ProgressBar(),
        )
    )


@pytest.mark.parametrize("arm", ADAPTERS)
def test_an_adapter_of_before_is_found_under_its_key(runner, arm):
    spec = runner.run_spec(Request(ANN, arm, 3))
    assert replace(spec, torch=TORCH).key == ADAPTERS[arm]


def test_scores_of_before_are_found_under_their_keys(runner):
    untrained = runner.score_spec(Request(ANN, "untrained"), ANN.heldout[0])
    assert replace(untrained, torch=TORCH).key == UNTRAINED_SCORES
    real = runner.score_spec(Request(ANN, "real"), ANN.heldout[1])
    adapter = replace(runner.run_spec(Request(ANN, "real")), torch=TORCH).key
    assert replace(real, adapter=adapter, torch=TORCH).key == REAL_SCORES


GAINS = (
    "l4l7PzjlgT9XAoE/etGAPzbGgj8YlYM/1UqCP8FZez+EBXo/2EN6P1Czgz9ybn4/5p+DP8HJgT/A4II/KE+AP6Sagz+h"
    "0II/8UV8P1lBgz/1YHs//M2AP7xmgz9iWno/BSd/PxGrgz9RkHs/xZKCP2udgz99xX4/lkmDP4etgT9pW3k/qdJ8P1ST"
    "ej8dtYI/pnKCP+sHfz/JNYE/JAJ7PxFIeD/1xXg/NwCAP650fD+SCHw/5g16P8JzeD9uiHg/sLR5P9bNgT+oonw/MmSC"
    "P70agz/6FXs/NaN6P62vej+XP4E/Nhl+PwcYeT+wfX0/5BeAP9UmeT/RoYI/UP14P423gz/5nXk//bqDP11HfT+sNIM/"
    "pvOCPwkwgz+L/Xo/KZeDP9uAgj8GSoM/H6B5P/tWfD8wGYM/28V9PwFygz8="
)
"""The gains of three steps on the tiny base, in its order, as little-endian fp32."""

TRAINS = """
import base64, sys, tempfile
from pathlib import Path
import numpy as np
import torch
from pytest_noisefloor.data import Slice, User
from pytest_noisefloor.models import open_base
from pytest_noisefloor.runs import ProgressBar, Request, Runner
from pytest_noisefloor.runs.context import RunContext
from pytest_noisefloor.runs.store import Store
from pytest_noisefloor.specs import Recipe, Scoring
from pytest_noisefloor.training import METHODS

torch.set_num_threads(1)
letters = [np.random.default_rng(seed).integers(97, 123, size=400) for seed in (1, 2)]
text, heldout = (bytes(drawn.tolist()).decode() for drawn in letters)
base = open_base("tiny")
with tempfile.TemporaryDirectory() as folder:
    kernel = Path(folder, "kernels", f"{base.fingerprint[:16]}-cpu.json")
    kernel.parent.mkdir()
    kernel.write_text('{"kernel": "tiles/1"}')
    runner = Runner(
        RunContext(
            store=Store(Path(folder)),
            base=base,
            device="cpu",
            method=METHODS["norm-only"],
            recipe=Recipe(lr=0.01, steps=3, batch=2, sequence=16),
            scoring=Scoring(window=32, stride=16, tokens=100),
            progress_bar=ProgressBar(),
        )
    )
    user = User("ann", text, (Slice("first", heldout),))
    adapter = runner.adapter(Request(user, "real"))
print(base64.b64encode(b"".join(gain.tobytes() for gain in adapter.tensors.values())).decode())
"""

PORTABLE = {
    "ATEN_CPU_CAPABILITY": "default",
    "MKL_CBWR": "COMPATIBLE",
    "ONEDNN_MAX_CPU_ISA": "SSE41",
    "OMP_NUM_THREADS": "1",
}
"""What makes torch and MKL take the same instructions on every x86-64 processor."""


@pytest.mark.slow  # another process with torch and a model
def test_an_adapter_of_before_is_trained_again_to_the_last_bit():
    """On x86-64 with the torch that made it; elsewhere within what other instructions round.

    Instructions that add in another order move a gain by some 1e-7; a step that is left out, or
    another batch, moves gains by 1e-2.
    """
    said = subprocess.run(
        [sys.executable, "-c", TRAINS],
        env={**os.environ, **PORTABLE},
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    found, expected = (np.frombuffer(base64.b64decode(text), "<f4") for text in (said, GAINS))
    here = platform.machine(), ".".join(version("torch").split(".")[:2])
    if here == ("x86_64", TORCH):
        assert found.tobytes() == expected.tobytes()
    assert np.abs(found - expected).max() < 1e-5
