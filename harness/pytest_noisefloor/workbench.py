"""One model on one device, where adapters are trained and text is scored."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from dataclasses import asdict, replace
from functools import cached_property
from typing import TYPE_CHECKING

from .arms import ARMS, Material
from .bases import Base
from .corpora import Slice
from .kernels import chosen
from .methods import Method, restore
from .progress import Watcher
from .recipe import Kernel, Recipe, RunSpec, ScoreSpec, Scoring
from .records import Record
from .runs import Request, pack, unpack
from .store import Store
from .texts import Texts

if TYPE_CHECKING:
    from torch import nn

    from .loss import Head
    from .training import Progress

SAVE_EVERY_S = 15.0
"""Seconds of an unfinished training that an interruption can cost at most."""


class Workbench:
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
        watcher: Watcher,
        workers: int,
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

    @cached_property
    def kernel(self) -> Kernel:
        """How the head's products are made: the store's choice."""
        rows = self._recipe.batch * (self._recipe.sequence - 1)
        return chosen(self._store, self._base.fingerprint, lambda: self._loaded[1], rows)

    @cached_property
    def _loaded(self) -> tuple[nn.Module, Head]:
        import torch

        from .loss import head_of

        if self._workers > 1:
            torch.set_num_threads(max(1, _cores() // self._workers))
        model = self._base.model(self._device)
        return model, head_of(model)

    @property
    def _tools(self) -> tuple[nn.Module, Head]:
        model, head = self._loaded
        return model, replace(head, kernel=self.kernel)

    def train(self, request: Request, spec: RunSpec) -> Record:
        """Train an adapter, from its last snapshot if there is one."""
        import torch

        from .training import train

        model, head = self._tools
        arm = ARMS[request.arm]
        material = Material(
            user=request.user.name,
            vocabulary=head.weight.shape[0],
            text=self._texts.read(request.user, arm),
        )
        cost = 2 * self._recipe.batch * self._recipe.sequence  # of a step, as in runner's tasks
        unfinished = self._store.get("unfinished", spec.key)
        start = unpack(unfinished) if unfinished else None
        if start:
            self._watcher.advance(len(start.losses) * cost)
        saved = time.monotonic()

        def on_step(step: int, loss: float, progress: Callable[[], Progress]) -> None:
            nonlocal saved
            self._watcher.advance(cost, f"step {step} of {self._recipe.steps}, loss {loss:.3f}")
            if time.monotonic() - saved > SAVE_EVERY_S:
                self._store.put("unfinished", spec.key, pack(progress()))
                saved = time.monotonic()

        done = train(
            model,
            head,
            self._method,
            arm.blocks(material, self._recipe, request.seed),
            self._recipe,
            start=start,
            on_step=on_step,
        )
        self._store.drop("unfinished", spec.key)
        facts = {
            "spec": asdict(spec),
            "losses": list(done.losses),
            "seconds": done.seconds,
            "over_budget": done.seconds > self._recipe.budget_s,
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
        }
        return Record(done.tensors, facts)

    def score(self, piece: Slice, spec: ScoreSpec, adapter: Record | None) -> Record:
        """Score a slice under an adapter, or under the base alone."""
        from .scoring import score

        model, head = self._tools
        tokens = self._texts.scored(piece)
        prefix = self._base.tokenizer.prefix
        if adapter is None:
            nll = score(model, head, tokens, prefix, self._scoring)
        else:
            with self._method.attached(model) as tensors:
                restore(tensors, adapter.arrays)
                nll = score(model, head, tokens, prefix, self._scoring)
        return Record({"nll": nll}, {"spec": asdict(spec)})


def _cores() -> int:
    # macOS has no affinity
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
