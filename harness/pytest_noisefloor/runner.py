"""From requests to adapters and scores: each made once ever, whoever asks.

Whoever wants an adapter or scores asks here and does not learn whether they were made now,
earlier, or by another process. Work is shared between processes through the store's locks.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
import numpy.typing as npt
from filelock import FileLock, Timeout

from .arms import ARMS, UNTRAINED
from .bases import Base
from .corpora import Slice, User
from .errors import NoisefloorError
from .methods import Method
from .progress import Watcher
from .recipe import SCORER, Kernel, Recipe, RunSpec, ScoreSpec, Scoring, digest
from .records import Record
from .runs import Adapter, Request, Scores
from .sources import cache_path
from .store import Kind, Store
from .texts import Texts
from .workbench import Workbench


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
        self._torch = ".".join(version("torch").split(".")[:2])
        self._texts = Texts(base, recipe, scoring)
        self._bench = Workbench(
            store=store,
            base=base,
            device=device,
            method=method,
            recipe=recipe,
            scoring=scoring,
            texts=self._texts,
            watcher=watcher,
            workers=workers,
        )

    @property
    def kernel(self) -> Kernel:
        """How the head's products are made, as the store has chosen."""
        return self._bench.kernel

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
            kernel=self.kernel,
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
            kernel=self.kernel,
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

    # --- what there is to do --------------------------------------------------------------

    def _training(self, request: Request) -> _Task:
        spec = self.run_spec(request)
        return _Task(
            kind="adapters",
            key=spec.key,
            needs=None,
            label=str(request),
            cost=2 * self.recipe.tokens,
            make=lambda: self._bench.train(request, spec),
        )

    def _scoring(self, request: Request, piece: Slice) -> _Task:
        spec = self.score_spec(request, piece)
        cost = self.scoring.tokens * self.scoring.window // self.scoring.stride

        def make() -> Record:
            trained = None if request.arm == UNTRAINED else self._stored("adapters", spec.adapter)
            record = self._bench.score(piece, spec, trained)
            self._watcher.advance(cost)
            return record

        return _Task(
            kind="scores",
            key=spec.key,
            needs=None if request.arm == UNTRAINED else spec.adapter,
            label=f"{request}: scoring {piece.name}",
            cost=cost,
            make=make,
        )
