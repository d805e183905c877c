"""From requests to adapters and scores: each made once ever, whoever asks.

Whoever wants an adapter or scores asks here and does not learn whether they were made now,
earlier, or by another process. Work is shared between processes through the store's locks.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from importlib.metadata import version

import numpy as np
import numpy.typing as npt
from filelock import Timeout

from pytest_noisefloor.data import Slice, Texts, User, open_arm
from pytest_noisefloor.errors import NoisefloorError
from pytest_noisefloor.models import exclusive
from pytest_noisefloor.specs import SCORER, UNTRAINED, Kernel, RunSpec, ScoreSpec, digest
from pytest_noisefloor.stats import Scores

from .context import RunContext
from .record import Record
from .request import Adapter, Request
from .store import Kind
from .worker import Worker


@dataclass(frozen=True)
class _Task:
    kind: Kind
    key: str
    needs: str | None  # key of the adapter that must be there first
    cost: int  # tokens passed forward; a backward pass counts as one more
    request: Request
    spec: RunSpec | ScoreSpec
    piece: Slice | None = None  # what is scored

    @property
    def batch_key(self) -> str:
        """Tasks of one company can be made as one batch; the base alone is in nobody's."""
        if self.piece is None:
            return "adapters"
        return self.key if self.needs is None else self.piece.sha256

    def __str__(self) -> str:
        return f"{self.request}" + (f": scoring {self.piece.name}" if self.piece else "")


class Runner:
    """Trains and scores for one base, method and recipe on one device."""

    def __init__(self, context: RunContext) -> None:
        self.context = context
        self.store = context.store
        self.base = context.base
        self.device = context.device
        self.method = context.method
        self.recipe = context.recipe
        self.scoring = context.scoring
        self.texts = Texts(context.base.encode, context.recipe, context.scoring)
        self._progress_bar = context.progress_bar
        self._worker = Worker(context, self.texts)
        self._torch = ".".join(version("torch").split(".")[:2])

    @property
    def kernel(self) -> Kernel:
        """How the head's products are made, as the store has chosen."""
        return self._worker.kernel

    # --- what is asked for ----------------------------------------------------------------

    def run_spec(self, request: Request) -> RunSpec:
        """All that a request's adapter depends on."""
        arm = open_arm(request.arm)
        return RunSpec(
            base=self.base.fingerprint,
            method=f"{self.method.name}/{self.method.version}",
            user=request.user.name,
            text=self.texts.sha256(request.user, arm),
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
            self.texts.check_lengths(user)
        with self._progress_bar.watch(
            runs=sum(task.kind == "adapters" for task in waiting),
            cost=sum(task.cost for task in waiting),
        ):
            while waiting:
                done = {key for tasks in self._companies(waiting) for key in self._try(tasks)}
                if not done:
                    time.sleep(0.2)  # all that is left is being made by other processes
                waiting = [task for task in waiting if task.key not in done]

    def _companies(self, waiting: Sequence[_Task]) -> Iterator[list[_Task]]:
        """The tasks in their order, each with those that are to be made in one batch with it."""
        companies: dict[str, deque[_Task]] = {}
        for task in waiting:
            companies.setdefault(task.batch_key, deque()).append(task)
        for task in waiting:
            mates = companies[task.batch_key]
            if mates and mates[0].key == task.key:
                size = self._size(task, len(mates))
                yield [mates.popleft() for _ in range(size)]

    def _size(self, task: _Task, there: int) -> int:
        if there == 1 or (task.piece is not None and task.needs is None):
            return 1
        if task.piece is not None:
            return min(there, self._worker.score_stack_size)
        # what one process takes is not left to the others
        return min(there, self._worker.stack_size, max(1, -(-there // self.context.workers)))

    def _try(self, tasks: Sequence[_Task]) -> set[str]:
        """Make records but those that cannot be made yet or that another process is at.

        Returns the keys of those that are there now.
        """
        done: set[str] = set()
        with ExitStack() as locks:
            ours: list[_Task] = []
            for task in tasks:
                if not self._ready(task, done):
                    continue
                with suppress(Timeout):
                    locks.enter_context(self.store.lock(task.key).acquire(timeout=0))
                    if self._ready(task, done):
                        ours.append(task)
            if len(ours) > 1 and ours[0].piece is None:  # those of one age can go on together
                ages = [self._worker.steps_done(task.key) for task in ours]
                ours = [task for task, age in zip(ours, ages, strict=True) if age == ages[0]]
            if ours:
                self._make(ours)
            return done | {task.key for task in ours}

    def _ready(self, task: _Task, done: set[str]) -> bool:
        """Whether a task can be made and was not; one that was goes to ``done``."""
        if self.store.has(task.kind, task.key):
            self._progress_bar.advance(task.cost)
            done.add(task.key)
            return False
        return task.needs is None or self.store.has("adapters", task.needs)

    def _make(self, tasks: Sequence[_Task]) -> None:
        """Make the records of tasks of one company, whose locks are held, and keep them."""
        kind, piece = tasks[0].kind, tasks[0].piece
        more = f" and {len(tasks) - 1} more" if len(tasks) > 1 else ""
        self._progress_bar.begin(f"{tasks[0]}{more}", new_runs=len(tasks) if piece is None else 0)
        with exclusive(self.device):
            if piece is None:
                runs = {t.key: (t.request, t.spec) for t in tasks if isinstance(t.spec, RunSpec)}
                self.store.put_many(kind, self._worker.train(runs))
                for key in runs:
                    self.store.drop("unfinished", key)
                return
            specs = {t.key: t.spec for t in tasks if isinstance(t.spec, ScoreSpec)}
            trained = {t.key: self._stored("adapters", t.needs) for t in tasks if t.needs}
            records = self._worker.score(piece, specs, trained)
        for key, record in records.items():  # too few to be worth a shard of their own
            self.store.put(kind, key, record)
        self._progress_bar.advance(sum(task.cost for task in tasks))

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
            cost=2 * self.recipe.tokens,
            request=request,
            spec=spec,
        )

    def _scoring(self, request: Request, piece: Slice) -> _Task:
        spec = self.score_spec(request, piece)
        return _Task(
            kind="scores",
            key=spec.key,
            needs=None if request.arm == UNTRAINED else spec.adapter,
            cost=self.scoring.tokens * self.scoring.window // self.scoring.stride,
            request=request,
            spec=spec,
            piece=piece,
        )
