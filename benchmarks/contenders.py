"""Three ways to train the same gains on the same tokens: two that people use, and ours.

Each takes a frozen model and gives back the trained gains in the model's order. ``tick`` is called
at the end of every step.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch
from safetensors.numpy import save

from pytest_noisefloor.models.head import lm_head
from pytest_noisefloor.runs.autotune import autotune
from pytest_noisefloor.runs.store import Store
from pytest_noisefloor.training.loop import train
from pytest_noisefloor.training.methods.norm_only import gain_names
from pytest_noisefloor.training.methods.registry import METHODS

from .shapes import Shape

if TYPE_CHECKING:
    from torch import nn

Gains = list[npt.NDArray[np.float32]]
Contender = Callable[["nn.Module", Shape, int, Callable[[], None]], Gains]


def peft_trainer(model: nn.Module, shape: Shape, steps: int, tick: Callable[[], None]) -> Gains:
    """PEFT's LNTuning under the Trainer of transformers, with all that it could skip turned off."""
    from peft import LNTuningConfig, get_peft_model

    norms = [name.removesuffix(".weight") for name in gain_names(model)]
    adapted = get_peft_model(model, LNTuningConfig(target_modules=norms, task_type="CAUSAL_LM"))
    return under_trainer(adapted, shape, steps, tick)


def under_trainer(adapted: nn.Module, shape: Shape, steps: int, tick: Callable[[], None]) -> Gains:
    """Train what requires a gradient of a model under the Trainer, on the shape's tokens."""
    from transformers import Trainer, TrainerCallback, TrainingArguments

    class Clock(TrainerCallback):
        def on_step_end(self, *_: Any, **__: Any) -> None:
            tick()

    rows = [torch.from_numpy(row) for block in shape.stream(steps) for row in block]
    # the first token is nobody's target: so every version divides by the same number of tokens
    labels = [torch.cat([row.new_tensor([-100]), row[1:]]) for row in rows]
    gains = [p for p in adapted.parameters() if p.requires_grad]
    optimizer = _adamw(gains, shape)
    constant = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda _: 1.0)
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            max_steps=steps,
            per_device_train_batch_size=shape.batch,
            max_grad_norm=0.0,
            train_sampling_strategy="sequential",
            dataloader_pin_memory=False,
            logging_strategy="no",
            save_strategy="no",
            report_to="none",
            disable_tqdm=True,
            use_cpu=True,
        )
        Trainer(
            model=adapted,
            args=arguments,
            train_dataset=[
                {"input_ids": i, "labels": t} for i, t in zip(rows, labels, strict=True)
            ],
            optimizers=(optimizer, constant),
            callbacks=[Clock()],
        ).train()
    return _values(gains)


def plain_loop(model: nn.Module, shape: Shape, steps: int, tick: Callable[[], None]) -> Gains:
    """The loop of the tutorials, with the base frozen."""
    gains = [model.get_parameter(name).requires_grad_() for name in gain_names(model)]
    optimizer = _adamw(gains, shape)
    for block in shape.stream(steps):
        ids = torch.from_numpy(block)
        loss = model(input_ids=ids, labels=ids, use_cache=False).loss
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        tick()
    return _values(gains)


def noisefloor(model: nn.Module, shape: Shape, steps: int, tick: Callable[[], None]) -> Gains:
    """The suite's own training, the choice of a kernel for a new store included."""
    head = lm_head(model)
    with tempfile.TemporaryDirectory() as folder:
        rows = shape.batch * (shape.sequence - 1)
        kernel = autotune(Store(Path(folder)), "benchmark", "cpu", lambda: head, rows)
    done = train(
        model,
        replace(head, kernel=kernel),
        METHODS["norm-only"],
        {OURS: shape.stream(steps)},
        shape.recipe(steps),
        on_step=lambda *_: tick(),
    )
    return list(done[OURS].tensors.values())


def group(model: nn.Module, shape: Shape, steps: int, count: int, tick: Callable[[], None]) -> None:
    """The suite's own training of some adapters, each on tokens of its own, as one batch."""
    train(
        model,
        lm_head(model),
        METHODS["norm-only"],
        {f"run {seed}": shape.stream(steps, seed) for seed in range(count)},
        shape.recipe(steps),
        on_step=lambda *_: tick(),
    )


def file_bytes(model: nn.Module) -> dict[str, int]:
    """The size of one adapter's file, as PEFT saves it and as the suite leaves it in ``out/``."""
    from peft import LNTuningConfig, get_peft_model

    gains = {name: model.get_parameter(name).numpy() for name in gain_names(model)}
    ours = len(save(gains, {"key": "0" * 64}))
    norms = [name.removesuffix(".weight") for name in gains]
    config = LNTuningConfig(target_modules=norms, task_type="CAUSAL_LM")
    with tempfile.TemporaryDirectory() as folder:
        get_peft_model(model, config).save_pretrained(folder)
        peft = Path(folder, "adapter_model.safetensors").stat().st_size
    return {PEFT: peft, OURS: ours}


def _adamw(gains: list[nn.Parameter], shape: Shape) -> torch.optim.AdamW:
    recipe = shape.recipe(1)
    return torch.optim.AdamW(
        gains,
        lr=recipe.lr,
        betas=(recipe.beta1, recipe.beta2),
        eps=recipe.eps,
        weight_decay=recipe.weight_decay,
    )


def _values(gains: list[nn.Parameter]) -> Gains:
    return [gain.detach().numpy() for gain in gains]


PEFT, PLAIN, OURS = "PEFT LNTuning + Trainer", "plain loop, base frozen", "noisefloor"
CONTENDERS: dict[str, Contender] = {PEFT: peft_trainer, PLAIN: plain_loop, OURS: noisefloor}
"""By the name that stands in tables."""
