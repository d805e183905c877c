"""One model on one device, where adapters are trained and text is scored."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, replace
from functools import cached_property
from typing import TYPE_CHECKING

from pytest_noisefloor._typing import Ids
from pytest_noisefloor.data import ArmInput, Slice, Texts, open_arm
from pytest_noisefloor.models import Base, exact_fp32, exclusive
from pytest_noisefloor.specs import Kernel, Recipe, RunSpec, ScoreSpec, Scoring
from pytest_noisefloor.training import Method, restore

from .autotune import autotune
from .checkpoint import pack, unpack
from .progress import ProgressBar
from .record import Record
from .request import Request
from .store import Store

if TYPE_CHECKING:
    from torch import nn

    from pytest_noisefloor.models import LMHead
    from pytest_noisefloor.training import OnStep, TrainingState

SAVE_EVERY_S = 15.0
"""Seconds of an unfinished training that an interruption can cost, and a step, at most."""


class Worker:
    """Makes records of adapters and of scores; torch and the model come in with the first."""

    def __init__(
        self,
        *,
        store: Store,
        base: Base,
        device: str,
        method: Method,
        recipe: Recipe,
        scoring: Scoring,
        texts: Texts,
        watcher: ProgressBar,
        workers: int,
        group: int | None,
    ) -> None:
        self._store = store
        self._base = base
        self._device = device
        self._method = method
        self._recipe = recipe
        self._scoring = scoring
        self._texts = texts
        self._watcher = watcher
        self._workers = workers
        self._group = group

    @cached_property
    def kernel(self) -> Kernel:
        """How the head's products are made: the store's choice."""
        rows = self._recipe.batch * (self._recipe.sequence - 1)
        return autotune(
            self._store, self._base.fingerprint, self._device, lambda: self._loaded[1], rows
        )

    @cached_property
    def _loaded(self) -> tuple[nn.Module, LMHead]:
        import torch

        from pytest_noisefloor.models import lm_head

        if self._workers > 1:
            share = max(1, _cores() // self._workers)
            torch.set_num_threads(
                min(share, torch.get_num_threads())
            )  # OMP_NUM_THREADS may ask less
        model = self._base.shared_model(self._device)
        return model, lm_head(model)

    @property
    def _tools(self) -> tuple[nn.Module, LMHead]:
        model, head = self._loaded
        return model, replace(head, kernel=self.kernel)

    @cached_property
    def group(self) -> int:
        """How many adapters train as one batch; 1 where that is not faster, or cannot be."""
        from pytest_noisefloor.training import (
            StackError,
            batching_pays,
            check_stackable,
            max_stack_size,
        )

        if self._group == 1 or (
            self._group is None and not batching_pays(self._device, self._recipe)
        ):
            return 1
        # exclusive, or two processes would each find the same memory free
        with exclusive(self._device), exact_fp32():
            model, head = self._tools
            try:
                check_stackable(model, head, self._method)
            except StackError as reason:
                self._watcher.write(f"{reason}; adapters train one at a time")
                return 1
            return self._group or max_stack_size(model, head, self._method, self._recipe)

    @property
    def score_stack_size(self) -> int:
        """How many adapters score a slice as one batch: on a CPU that was not measured faster."""
        return 1 if self._device == "cpu" and self._group is None else self.group

    def steps_done(self, key: str) -> int:
        """Steps of an adapter's unfinished training."""
        unfinished = self._store.get("unfinished", key)
        return len(unfinished.facts["losses"]) if unfinished else 0

    def train(self, runs: Mapping[str, tuple[Request, RunSpec]]) -> dict[str, Record]:
        """Train adapters as one batch, by key, from their last snapshots if there are any.

        Those of several adapters are as many steps old.
        """
        import torch

        cost = 2 * self._recipe.batch * self._recipe.sequence  # of a step, as in runner's tasks
        starts = {
            key: unpack(record)
            for key in runs
            if (record := self._store.get("unfinished", key)) is not None
        }
        self._watcher.advance(sum(len(start.losses) for start in starts.values()) * cost)
        saved = time.monotonic()

        def on_step(
            step: int,
            losses: Mapping[str, float],
            states: Callable[[], dict[str, TrainingState]],
        ) -> None:
            nonlocal saved
            mean = sum(losses.values()) / len(losses)
            self._watcher.advance(
                len(runs) * cost, f"step {step} of {self._recipe.steps}, loss {mean:.3f}"
            )
            if time.monotonic() - saved > SAVE_EVERY_S:
                for key, unfinished in states().items():
                    self._store.put("unfinished", key, pack(unfinished))
                saved = time.monotonic()

        done = self._trained(runs, starts, on_step)
        company = [key[:16] for key in runs]
        return {
            key: Record(
                progress.tensors,
                {
                    "spec": asdict(runs[key][1]),
                    "losses": list(progress.losses),
                    "seconds": progress.seconds,
                    "over_budget": progress.seconds > self._recipe.budget_s,
                    "threads": torch.get_num_threads(),
                    "torch": torch.__version__,
                    "group": {"size": len(runs), "position": at, "keys": company},
                },
            )
            for at, (key, progress) in enumerate(done.items())
        }

    @exact_fp32()
    def _trained(
        self,
        runs: Mapping[str, tuple[Request, RunSpec]],
        starts: Mapping[str, TrainingState],
        on_step: OnStep,
    ) -> dict[str, TrainingState]:
        from pytest_noisefloor.training import train

        model, head = self._tools
        return train(
            model,
            head,
            self._method,
            {key: self._batches(request) for key, (request, _) in runs.items()},
            self._recipe,
            starts=starts,
            on_step=on_step,
            label=lambda key: f"{runs[key][0]} ({key[:12]})",
        )

    def _batches(self, request: Request) -> Iterator[Ids]:
        """The batches (batch, sequence) of token ids that a request's adapter trains on."""
        arm = open_arm(request.arm)
        arm_input = ArmInput(
            user=request.user.name,
            vocabulary=self._loaded[1].weight.shape[0],
            text=self._texts.read(request.user, arm),
        )
        return arm.batches(arm_input, self._recipe, request.seed)

    @exact_fp32()
    def score(
        self, piece: Slice, specs: Mapping[str, ScoreSpec], adapters: Mapping[str, Record]
    ) -> dict[str, Record]:
        """Score a slice by key, under adapters that pass as one batch, or under the base alone."""
        from pytest_noisefloor.models import score
        from pytest_noisefloor.training import score_stacked

        model, head = self._tools
        tokens = self._texts.scored(piece)
        prefix = self._base.tokenizer.prefix
        tensors = [adapters[key].arrays for key in specs if key in adapters]
        if not tensors:
            rows = [score(model, head, tokens, prefix, self._scoring)]
        elif len(tensors) == 1:
            with self._method.attached(model) as attached:
                restore(attached, tensors[0])
                rows = [score(model, head, tokens, prefix, self._scoring)]
        else:
            rows = list(
                score_stacked(model, head, self._method, tensors, tokens, prefix, self._scoring)
            )
        return {
            key: Record({"nll": nll}, {"spec": asdict(spec)})
            for (key, spec), nll in zip(specs.items(), rows, strict=True)
        }


def _cores() -> int:
    # macOS has no affinity
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
