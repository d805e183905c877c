"""From requests to adapters and scores: each made once ever, whoever asks.

Whoever wants an adapter or scores asks here and does not learn whether they were made now,
earlier, or by another process. Work is shared between processes through the store's locks.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib.metadata import version
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
from filelock import FileLock, Timeout

from .arms import ARMS, UNTRAINED, Material
from .bases import Base
from .corpora import Slice, User
from .errors import NoisefloorError
from .methods import Method, restore
from .progress import Watcher
from .recipe import SCORER, Recipe, RunSpec, ScoreSpec, Scoring, digest
from .records import Record
from .runs import Adapter, Request, Scores, pack, unpack
from .sources import cache_path
from .store import Kind, Store
from .texts import Texts

if TYPE_CHECKING:
    from torch import nn

    from .loss import Head
    from .training import Progress

SAVE_EVERY_S = 15.0
"""Seconds of an unfinished training that an interruption can cost at most."""


@dataclass(frozen=True)
class _Task:
    kind: Kind
    key: str
    needs: str | None  # key of the adapter that must be there first
    label: str
    cost: int  # tokens passed forward; a backward pass counts as one more
    make: Callable[[], Record]


class Runner:
    """Trains and scores for one base, method and recipe on one device."""

    def __init__(
        self,
        *,
        store: Store,
        base: Base,
        device: str,
        method: Method,
        recipe: Recipe,
        scoring: Scoring,
        watcher: Watcher,
        workers: int = 1,
    ) -> None:
        self.store = store
        self.base = base
        self.device = device
        self.method = method
        self.recipe = recipe
        self.scoring = scoring
        self._watcher = watcher
        self._workers = workers
        self._torch = ".".join(version("torch").split(".")[:2])
        self._texts = Texts(base, recipe, scoring)

    # --- what is asked for ----------------------------------------------------------------

    def run_spec(self, request: Request) -> RunSpec:
        """All that a request's adapter depends on."""
        arm = ARMS[request.arm]
        return RunSpec(
            base=self.base.fingerprint,
            method=f"{self.method.name}/{self.method.version}",
            user=request.user.name,
            text=self._texts.sha256(request.user, arm),
            arm=f"{arm.name}/{arm.version}",
            recipe=self.recipe,
            seed=request.seed,
            device=self.device,
            torch=self._torch,
        )

    def score_spec(self, request: Request, piece: Slice) -> ScoreSpec:
        """All that the scores of a slice under a request's adapter depend on."""
        untrained = request.arm == UNTRAINED
        return ScoreSpec(
            base=self.base.fingerprint,
            adapter=UNTRAINED if untrained else self.run_spec(request).key,
            slice=piece.sha256,
            scoring=self.scoring,
            prefix="end-of-text",
            scorer=SCORER,
            device=self.device,
            torch=self._torch,
        )

    def adapter(self, request: Request) -> Adapter:
        """A request's adapter, trained now if it never was."""
        self._complete([self._training(request)], [request.user])
        spec = self.run_spec(request)
        record = self._stored("adapters", spec.key)
        return Adapter(
            user=request.user.name,
            arm=request.arm,
            seed=request.seed,
            key=spec.key,
            tensors=record.arrays,
            losses=tuple(record.facts["losses"]),
            seconds=record.facts["seconds"],
        )

    def scores(self, request: Request, piece: Slice) -> npt.NDArray[np.float32]:
        """Negative log-likelihoods in nats (n,) of a slice's tokens, scored now if need be."""
        return self.scored(request, piece).nll

    def scored(self, request: Request, piece: Slice) -> Scores:
        """The scores with the identity of the tokens that they are of, as their record has it."""
        self.complete([request])
        record = self._stored("scores", self.score_spec(request, piece).key)
        spec = {k: v for k, v in record.facts["spec"].items() if k != "adapter"}
        return Scores(record.arrays["nll"], digest(spec))

    def complete(self, requests: Sequence[Request]) -> None:
        """Make all adapters and scores of ``requests`` that are not there yet."""
        tasks: dict[str, _Task] = {}
        for request in requests:
            if request.arm != UNTRAINED:
                task = self._training(request)
                tasks[task.key] = task
            for piece in request.user.heldout:
                task = self._scoring(request, piece)
                tasks[task.key] = task
        self._complete(list(tasks.values()), [request.user for request in requests])

    # --- who does it, and when ------------------------------------------------------------

    def _complete(self, tasks: Sequence[_Task], users: Sequence[User]) -> None:
        waiting = [task for task in tasks if not self.store.has(task.kind, task.key)]
        if not waiting:
            return
        for user in users:
            self._texts.check_lengths(user)
        with self._watcher.watch(
            runs=sum(task.kind == "adapters" for task in waiting),
            cost=sum(task.cost for task in waiting),
        ):
            while waiting:
                left = [task for task in waiting if not self._try(task)]
                if len(left) == len(waiting):
                    time.sleep(0.2)  # all that is left is being made by other processes
                waiting = left

    def _try(self, task: _Task) -> bool:
        """Make a task's record unless it cannot be made yet or another process is at it."""
        if self.store.has(task.kind, task.key):
            self._watcher.advance(task.cost)
            return True
        if task.needs is not None and not self.store.has("adapters", task.needs):
            return False
        try:
            with self.store.lock(task.key).acquire(timeout=0):
                if not self.store.has(task.kind, task.key):
                    self._watcher.begin(task.label, new_run=task.kind == "adapters")
                    with self._device_lock():
                        record = task.make()
                    self.store.put(task.kind, task.key, record)
        except Timeout:
            return False
        return True

    @contextmanager
    def _device_lock(self) -> Iterator[None]:
        """One process drives one accelerator."""
        if self.device == "cpu":
            yield
            return
        lock = cache_path("locks", f"{self.device}.lock")
        lock.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(lock):
            yield

    def _stored(self, kind: Kind, key: str) -> Record:
        record = self.store.get(kind, key)
        if record is None:
            raise NoisefloorError(f"{self.store.path(kind, key)}: removed while it was in use")
        return record

    # --- how it is done -------------------------------------------------------------------

    @cached_property
    def _bench(self) -> tuple[nn.Module, Head]:
        import torch

        from .loss import head_of

        if self._workers > 1:
            torch.set_num_threads(max(1, _cores() // self._workers))
        model = self.base.model(self.device)
        return model, head_of(model)

    def _training(self, request: Request) -> _Task:
        spec = self.run_spec(request)
        return _Task(
            kind="adapters",
            key=spec.key,
            needs=None,
            label=str(request),
            cost=2 * self.recipe.tokens,
            make=lambda: self._train(request, spec),
        )

    def _train(self, request: Request, spec: RunSpec) -> Record:
        import torch

        from .training import train

        model, head = self._bench
        arm = ARMS[request.arm]
        material = Material(
            user=request.user.name,
            vocabulary=head.weight.shape[0],
            text=self._texts.read(request.user, arm),
        )
        unfinished = self.store.get("unfinished", spec.key)
        start = unpack(unfinished) if unfinished else None
        if start:
            self._watcher.advance(len(start.losses) * self._step_cost)
        saved = time.monotonic()

        def on_step(step: int, loss: float, progress: Callable[[], Progress]) -> None:
            nonlocal saved
            self._watcher.advance(
                self._step_cost, f"step {step} of {self.recipe.steps}, loss {loss:.3f}"
            )
            if time.monotonic() - saved > SAVE_EVERY_S:
                self.store.put("unfinished", spec.key, pack(progress()))
                saved = time.monotonic()

        done = train(
            model,
            head,
            self.method,
            arm.blocks(material, self.recipe, request.seed),
            self.recipe,
            start=start,
            on_step=on_step,
        )
        self.store.drop("unfinished", spec.key)
        facts = {
            "spec": asdict(spec),
            "losses": list(done.losses),
            "seconds": done.seconds,
            "over_budget": done.seconds > self.recipe.budget_s,
            "threads": torch.get_num_threads(),
            "torch": torch.__version__,
        }
        return Record(done.tensors, facts)

    @property
    def _step_cost(self) -> int:
        return 2 * self.recipe.batch * self.recipe.sequence

    def _scoring(self, request: Request, piece: Slice) -> _Task:
        spec = self.score_spec(request, piece)
        cost = self.scoring.tokens * self.scoring.window // self.scoring.stride
        return _Task(
            kind="scores",
            key=spec.key,
            needs=None if request.arm == UNTRAINED else spec.adapter,
            label=f"{request}: scoring {piece.name}",
            cost=cost,
            make=lambda: self._score(piece, spec, cost),
        )

    def _score(self, piece: Slice, spec: ScoreSpec, cost: int) -> Record:
        from .scoring import score

        model, head = self._bench
        tokens = self._texts.scored(piece)
        prefix = self.base.tokenizer.prefix
        if spec.adapter == UNTRAINED:
            nll = score(model, head, tokens, prefix, self.scoring)
        else:
            adapter = self._stored("adapters", spec.adapter)
            with self.method.attached(model) as tensors:
                restore(tensors, adapter.arrays)
                nll = score(model, head, tokens, prefix, self.scoring)
        self._watcher.advance(cost)
        return Record({"nll": nll}, {"spec": asdict(spec)})


def _cores() -> int:
    # macOS has no affinity
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
