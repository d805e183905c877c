"""The part about adapters that others trained: are they applied, and whose are they?"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from random import Random
from typing import Any

import torch

from pytest_noisefloor.data import Slice, User
from pytest_noisefloor.models import Base, check_applied, find_adapters, open_base
from pytest_noisefloor.runs import score_given
from pytest_noisefloor.specs import Scoring

from .parts import Plan

COUNTS = (3, 37)
TOKENS = 2048
"""Of each slice, as the command scores them."""


def check(plan: Plan) -> dict[str, Any]:
    """Seconds to check and to score so many drawn LoRA adapters, each with a user of two slices."""
    torch.set_num_threads(plan.threads)
    base = open_base(plan.base)
    base.shared_model("cpu")  # loaded before anything is timed
    return {"base": plan.base, "rows": [_row(base, count) for count in COUNTS]}


def _row(base: Base, count: int) -> dict[str, Any]:
    users = [_user(f"u{number:02d}") for number in range(count)]
    with tempfile.TemporaryDirectory() as scratch:
        for user in users:
            _draw(base, Path(scratch) / user.name)
        adapters = find_adapters(Path(scratch))
        began = time.perf_counter()
        states = [one.state for one in check_applied(base, adapters)]
        checked = time.perf_counter()
        found = score_given(base, adapters, users, Scoring(tokens=TOKENS))
        scored = time.perf_counter()
    return {
        "adapters": count,
        "check_s": checked - began,
        "score_s": scored - checked,
        "tokens": found.tokens,
        "applied": states.count("ok"),
        "swapped": len(found.swapped),
        "p": found.p,
    }


def _user(name: str) -> User:
    draw = Random(name)  # noqa: S311
    letters = draw.sample("abcdefghijklmnopqrstuvwxyz", 5)

    def text() -> str:
        return " ".join("".join(draw.choices(letters, k=draw.randint(2, 7))) for _ in range(2400))

    return User(name, text(), (Slice("one", text()), Slice("two", text())))


def _draw(base: Base, folder: Path) -> None:
    """A LoRA adapter whose values are normal draws: nobody's."""
    import peft

    generator = torch.Generator().manual_seed(int(folder.name[1:]))
    config = peft.LoraConfig(r=4, target_modules="all-linear", task_type="CAUSAL_LM")
    model = peft.get_peft_model(base.model("cpu"), config)
    model.peft_config["default"].base_model_name_or_path = base.name
    for name, tensor in model.named_parameters():
        if "lora_" in name:
            tensor.data = 0.02 * torch.randn(tensor.shape, generator=generator)
    model.save_pretrained(str(folder))
