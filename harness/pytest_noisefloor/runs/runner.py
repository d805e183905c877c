"""From requests to adapters and scores: each is made once and stored.

Callers ask for adapters or scores and need not know whether they are made now, were made earlier,
or are made by another process. Processes share the work through the store's locks.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path

import numpy as np
import numpy.typing as npt
from filelock import Timeout

from pytest_noisefloor._files import system_refusals
from pytest_noisefloor._typing import Tensors
from pytest_noisefloor.data import Slice, Texts, User, open_arm
from pytest_noisefloor.errors import NoisefloorError
from pytest_noisefloor.models import exclusive
from pytest_noisefloor.specs import (
    SCORER,
    UNTRAINED,
    GradientSpec,
    Kernel,
    RunSpec,
    ScoreSpec,
    digest,
)
from pytest_noisefloor.stats import Scores

from .context import RunContext
from .record import Record
from .request import Adapter, Request
from .store import Kind
from .task import Batch, Task, batches
from .worker import Worker


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
        self.texts = Texts(
            context.base.encode,
            context.recipe,
            context.scoring,
            lambda text: context.base.facts.has_special(text),  # noqa: PLW0108 (reads files)
        )
        self._progress_bar = context.progress_bar
        self._worker = Worker(context, self.texts)
        self.torch = ".".join(version("torch").split(".")[:2])

    @property
    def kernel(self) -> Kernel:
        """The kernel for the head's products that the store has chosen."""
        return self._worker.kernel

    @property
    def method_version(self) -> str:
        """The method's name and version, as keys have it."""
        return f"{self.method.name}/{self.method.version}"

    # --- asking for results ---------------------------------------------------------------

    def run_spec(self, request: Request) -> RunSpec:
        """Everything that a request's adapter depends on."""
        arm = open_arm(request.arm)
        return RunSpec(
            base=self.base.fingerprint,
            method=self.method_version,
            user=request.user.name,
            text=self.texts.sha256(request.user, arm),
            arm=f"{arm.name}/{arm.version}",
            recipe=self.recipe,
            kernel=self.kernel,
            seed=request.seed,
            device=self.device,
            torch=self.torch,
        )

    def score_spec(self, request: Request, heldout_slice: Slice) -> ScoreSpec:
        """Everything that a slice's scores under a request's adapter depend on."""
        untrained = request.arm == UNTRAINED
        return ScoreSpec(
            base=self.base.fingerprint,
            adapter=UNTRAINED if untrained else self.run_spec(request).key,
            slice=self.texts.slice_sha256(heldout_slice),
            scoring=self.scoring,
            prefix=self.base.facts.prefix,
            scorer=SCORER,
            kernel=self.kernel,
            device=self.device,
            torch=self.torch,
        )

    def adapter(self, request: Request) -> Adapter:
        """A request's adapter, trained now if it is not stored yet."""
        self.make([self._training_task(request)])
        spec = self.run_spec(request)
        record = self.read("adapters", spec.key)
        return Adapter(
            user=request.user.name,
            arm=request.arm,
            seed=request.seed,
            key=spec.key,
            tensors=record.arrays,
            losses=tuple(record.facts["losses"]),
            seconds=record.facts["seconds"],
        )

    def moved(self, request: Request) -> float:
        """How far the value of a request's adapter that moved most is from its start."""
        adapter = self.adapter(request)
        facts = self.read("adapters", adapter.key).facts
        # adapters of version 0.1.0 do not say it
        return float(facts["moved"]) if "moved" in facts else self._worker.moved(adapter.tensors)

    def scores(self, request: Request, heldout_slice: Slice) -> npt.NDArray[np.float32]:
        """Negative log-likelihoods of a slice's tokens (n,) in nats, scored now if needed."""
        return self.scored(request, heldout_slice).nll

    def scored(self, request: Request, heldout_slice: Slice) -> Scores:
        """A slice's scores, with a hash that says which tokens they score and how."""
        self.complete([request])
        return self.read_scores(self.score_spec(request, heldout_slice))

    def read_scores(self, spec: ScoreSpec) -> Scores:
        """The scores that are stored under a specification's key."""
        record = self.read("scores", spec.key)
        same = {k: v for k, v in record.facts["spec"].items() if k != "adapter"}
        return Scores(record.arrays["nll"], digest(same))

    def complete(self, requests: Sequence[Request]) -> None:
        """Make all adapters and scores of ``requests`` that are not stored yet."""
        self.prepare([request.user for request in requests])
        tasks: dict[str, Task] = {}
        for request in requests:
            if request.arm != UNTRAINED:
                task = self._training_task(request)
                tasks[task.key] = task
            for heldout_slice in request.user.heldout:
                task = self.scoring_task(request, heldout_slice)
                tasks[task.key] = task
        self.make(list(tasks.values()))

    def prepare(self, users: Sequence[User]) -> None:
        """Check the users' texts before the kernel is chosen, which takes time."""
        if not self._worker.has_kernel:
            self._worker.check_texts(users)

    # --- sharing the work between processes -----------------------------------------------

    def make(self, tasks: Sequence[Task]) -> None:
        """Make the records of all tasks that are not stored yet."""
        waiting = [task for task in tasks if not self._is_stored(task)]
        if not waiting:
            return
        self._worker.check_texts([*{id(t.request.user): t.request.user for t in tasks}.values()])
        with self._progress_bar.watch(
            runs=sum(task.kind == "adapters" for task in waiting),
            cost=sum(task.cost for task in waiting),
        ):
            while waiting:
                stored = {
                    key
                    for batch in batches(waiting, self._batch_size)
                    for key in self._make_missing(batch)
                }
                if not stored:
                    time.sleep(0.2)  # other processes are making everything that is left
                waiting = [task for task in waiting if task.key not in stored]

    def _batch_size(self, task: Task, left: int) -> int:
        if left == 1:
            return 1
        if task.kind == "scores":
            return min(left, self._worker.score_stack_size)
        fair_share = math.ceil(left / self.context.workers)  # the rest is for other processes
        return min(left, self._worker.stack_size, fair_share)

    def _make_missing(self, batch: Batch) -> set[str]:
        """Make those records of a batch that can be made now; return all keys stored by then.

        A record cannot be made now if what it needs is missing, if another process holds its lock,
        or if its training has another number of steps behind it than the rest of the batch.
        """
        stored_before = {task.key for task in batch.members if self._is_stored(task)}
        missing = [task for task in batch.members if task.key not in stored_before]
        with ExitStack() as locks:
            locked = [t for t in missing if self._can_be_made(t) and self._lock(t, locks)]
            # another process may have stored a record just before its lock was free
            stored_since = {task.key for task in locked if self._is_stored(task)}
            ours = self._equally_far([task for task in locked if task.key not in stored_since])
            stored_by_others = stored_before | stored_since
            for task in batch.members:
                if task.key in stored_by_others:
                    self._progress_bar.advance(task.cost)
            if ours:
                self._make(Batch(tuple(ours)))
        return stored_by_others | {task.key for task in ours}

    def _is_stored(self, task: Task) -> bool:
        return self.store.has(task.kind, task.key)

    def _can_be_made(self, task: Task) -> bool:
        return task.needs is None or self.store.has(*task.needs)

    def _lock(self, task: Task, locks: ExitStack) -> bool:
        """Lock a task's record until ``locks`` closes; False if another process holds the lock."""
        lock = self.store.lock(task.key)
        with system_refusals(Path(lock.lock_file)):
            try:
                locks.enter_context(lock.acquire(timeout=0))
            except Timeout:
                return False
        return True

    def _equally_far(self, tasks: Sequence[Task]) -> Sequence[Task]:
        """The tasks whose training has as many steps behind it as the first task's.

        Only these can train as one batch. Scoring has no steps.
        """
        if len(tasks) <= 1 or tasks[0].kind != "adapters":
            return tasks
        steps_done = [self._worker.steps_done(task.key) for task in tasks]
        return [
            task for task, steps in zip(tasks, steps_done, strict=True) if steps == steps_done[0]
        ]

    # --- making records -------------------------------------------------------------------

    def _make(self, batch: Batch) -> None:
        """Make and store a batch's records; their locks must be held."""
        training = batch.kind == "adapters"
        self._progress_bar.begin(str(batch), new_runs=len(batch.members) if training else 0)
        if training:
            self._train(batch)
        elif batch.heldout_slice is not None:
            self._score(batch, batch.heldout_slice)
        else:
            self._differentiate(*batch.members)

    def _train(self, batch: Batch) -> None:
        runs = {t.key: (t.request, t.spec) for t in batch.members if isinstance(t.spec, RunSpec)}
        with exclusive(self.device):
            self.store.put_many("adapters", self._worker.train(runs))
            for key in runs:
                self.store.drop("unfinished", key)

    def _differentiate(self, task: Task) -> None:
        assert isinstance(task.spec, GradientSpec)  # noqa: S101 (for the type checker)
        with exclusive(self.device):
            record = self._worker.gradient(task.request.user.heldout, task.spec, task.cost)
        self.store.put("gradients", task.key, record)

    def _score(self, batch: Batch, heldout_slice: Slice) -> None:
        specs = {t.key: t.spec for t in batch.members if isinstance(t.spec, ScoreSpec)}
        with exclusive(self.device):
            adapters = {
                task.key: self._tensors(*task.needs, task.step)
                for task in batch.members
                if task.needs
            }
            records = self._worker.score(heldout_slice, specs, adapters)
        for key, record in records.items():  # too few for a shard of their own
            self.store.put("scores", key, record)
        self._progress_bar.advance(sum(task.cost for task in batch.members))

    def _tensors(self, kind: Kind, key: str, step: float | None) -> Tensors:
        """The tensors to score under: an adapter's, or those after a step down a gradient."""
        found = self.read(kind, key).arrays
        return found if step is None else self._worker.sign_step(found, step)

    def read(self, kind: Kind, key: str) -> Record:
        """A record that was stored before.

        Raises:
            NoisefloorError: it is no longer there.
            StoreError: its file is damaged.
        """
        record = self.store.get(kind, key)
        if record is None:
            raise NoisefloorError(f"{self.store.path(kind, key)}: removed while it was in use")
        return record

    def _training_task(self, request: Request) -> Task:
        spec = self.run_spec(request)
        return Task(
            kind="adapters", key=spec.key, request=request, spec=spec, cost=2 * self.recipe.tokens
        )

    def scoring_task(self, request: Request, heldout_slice: Slice) -> Task:
        """The task of scoring a slice under a request's adapter."""
        spec = self.score_spec(request, heldout_slice)
        return Task(
            kind="scores",
            key=spec.key,
            request=request,
            spec=spec,
            cost=self.scoring_cost,
            heldout_slice=heldout_slice,
            needs=None if request.arm == UNTRAINED else ("adapters", spec.adapter),
        )

    @property
    def scoring_cost(self) -> int:
        """Tokens that pass forward to score a slice of full length."""
        return self.scoring.tokens * self.scoring.window // self.scoring.stride
