"""Trains adapters and scores text: one model on one device, in one process."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import asdict, replace
from functools import cached_property
from typing import TYPE_CHECKING

from pytest_noisefloor._typing import Ids, Tensors
from pytest_noisefloor.data import ArmInput, Slice, Texts, User, open_arm
from pytest_noisefloor.errors import NoisefloorError
from pytest_noisefloor.models import exclusive, plain_torch
from pytest_noisefloor.specs import GradientSpec, Kernel, RunSpec, ScoreSpec
from pytest_noisefloor.training import restore

from .autotune import autotune, choice_path
from .checked_model import CheckedModel
from .checkpoint import pack, unpack
from .context import RunContext
from .memory import enough_memory
from .record import Record
from .request import Request

if TYPE_CHECKING:
    from torch import nn

    from pytest_noisefloor.models import LMHead
    from pytest_noisefloor.training import Method, OnStep, TrainingState

SAVE_EVERY_S = 15.0
"""An interruption costs at most this many seconds of training, plus one step."""


class Worker:
    """Makes the records of adapters and scores. Torch and the model load with the first one."""

    def __init__(self, context: RunContext, texts: Texts) -> None:
        self.context = context
        self._texts = texts
        self._checked = CheckedModel(context)

    @cached_property
    def kernel(self) -> Kernel:
        """The kernel for the head's products that the store has chosen for this base and device."""
        context = self.context
        state = nullcontext() if self.has_kernel else plain_torch(context.device)
        with state, enough_memory(context, 1):
            return autotune(
                context.store,
                context.base.fingerprint,
                context.device,
                lambda: self._loaded[1],
                rows=context.recipe.batch * (context.recipe.sequence - 1),
            )

    @property
    def _loaded(self) -> tuple[nn.Module, LMHead]:
        return self._checked.model_and_head

    @cached_property
    def _method(self) -> Method:
        """The method, tried before its first use and checked after each."""
        from pytest_noisefloor.training import GuardedMethod

        return GuardedMethod(self.context.method, self._rows, self._checked.forget)

    @property
    def has_kernel(self) -> bool:
        """Whether the store has chosen the kernel already."""
        context = self.context
        return choice_path(context.store, context.base.fingerprint, context.device).is_file()

    def check_texts(self, users: Sequence[User]) -> None:
        """Refuse texts that this base cannot train on or score, before anything trains.

        Raises:
            NoisefloorError: a text is too short, or has a token that the base does not have.
        """
        for user in users:
            self._texts.check_lengths(user)
        rows, tokenizer = self._rows, self.context.base.tokenizer
        if tokenizer.prefix >= rows:
            raise NoisefloorError(
                f"base {self.context.base.name!r}: token {tokenizer.prefix} stands in front of "
                f"every document; expected one below {rows}, the rows of the base's embeddings"
            )
        for user in users:
            self._texts.check_rows(user, rows, tokenizer.name)

    @cached_property
    def _rows(self) -> int:
        """The base's rows of embeddings. Says once how many of them no token has."""
        rows, name = len(self._loaded[1].weight), self.context.base.tokenizer.name
        if bare := sum(name(token) is None for token in range(rows)):
            self.context.progress_bar.write(
                f"{bare} of {rows} rows of {self.context.base.name}'s embeddings belong to no "
                "token; the arm 'random' draws them too, 'random-text' does not"
            )
        return rows

    @property
    def _model_and_head(self) -> tuple[nn.Module, LMHead]:
        model, head = self._loaded
        return model, replace(head, kernel=self.kernel)

    @cached_property
    def stack_size(self) -> int:
        """How many adapters train as one batch; 1 if that is not faster, or not possible."""
        from pytest_noisefloor.training import (
            StackError,
            batching_pays,
            check_stackable,
            max_stack_size,
        )

        context = self.context
        wanted = context.stack_size
        if wanted == 1 or (wanted is None and not batching_pays(context.device, context.recipe)):
            return 1
        # exclusive, since two processes would otherwise count the same free memory
        with exclusive(context.device), plain_torch(context.device):
            model, head = self._model_and_head
            try:
                check_stackable(model, head, self._method)
            except StackError as reason:
                context.progress_bar.write(f"{reason}; adapters train one at a time")
                return 1
            return wanted or max_stack_size(model, head, self._method, context.recipe)

    @property
    def score_stack_size(self) -> int:
        """How many adapters score a slice as one batch.

        On a CPU that was not measured to be faster, so it is 1 unless a stack size was asked for.
        """
        if self.context.device == "cpu" and self.context.stack_size is None:
            return 1
        return self.stack_size

    def steps_done(self, key: str) -> int:
        """Steps that an adapter's unfinished training has behind it; 0 if there is none."""
        unfinished = self.context.store.get("unfinished", key)
        return len(unfinished.facts["losses"]) if unfinished else 0

    def train(self, runs: Mapping[str, tuple[Request, RunSpec]]) -> dict[str, Record]:
        """Train adapters as one batch; runs and records go by key.

        Unfinished trainings resume; all adapters must have equally many steps behind them.
        """
        import torch

        store, recipe = self.context.store, self.context.recipe
        progress_bar = self.context.progress_bar
        cost = 2 * recipe.batch * recipe.sequence  # of a step; a task's cost is that of all steps
        starts = {
            key: unpack(record)
            for key in runs
            if (record := store.get("unfinished", key)) is not None
        }
        progress_bar.advance(sum(len(start.losses) for start in starts.values()) * cost)
        saved = time.monotonic()

        def on_step(
            step: int,
            losses: Mapping[str, float],
            states: Callable[[], dict[str, TrainingState]],
        ) -> None:
            nonlocal saved
            loss = sum(losses.values()) / len(losses)
            progress_bar.advance(
                len(runs) * cost, f"step {step} of {recipe.steps}, loss {loss:.3f}"
            )
            if time.monotonic() - saved > SAVE_EVERY_S:
                for key, unfinished in states().items():
                    store.put("unfinished", key, pack(unfinished))
                saved = time.monotonic()

        trained = self._train(runs, starts, on_step)
        members = [key[:16] for key in runs]
        return {
            key: Record(
                state.tensors,
                {
                    "spec": asdict(runs[key][1]),
                    "losses": list(state.losses),
                    "seconds": state.seconds,
                    "over_budget": state.seconds > recipe.budget_s,
                    "moved": self.moved(state.tensors),
                    "threads": torch.get_num_threads(),
                    "torch": torch.__version__,
                    "group": {"size": len(runs), "position": at, "keys": members},
                },
            )
            for at, (key, state) in enumerate(trained.items())
        }

    def _train(
        self,
        runs: Mapping[str, tuple[Request, RunSpec]],
        starts: Mapping[str, TrainingState],
        on_step: OnStep,
    ) -> dict[str, TrainingState]:
        from pytest_noisefloor.training import train

        model, head = self._model_and_head
        with plain_torch(self.context.device), enough_memory(self.context, len(runs)):
            return train(
                model,
                head,
                self._method,
                {key: self._batches(request) for key, (request, _) in runs.items()},
                self.context.recipe,
                starts=starts,
                on_step=on_step,
                label=lambda key: f"{runs[key][0]} ({key[:12]})",
            )

    def _batches(self, request: Request) -> Iterator[Ids]:
        """The batches (batch, sequence) of token ids that a request's adapter trains on."""
        arm = open_arm(request.arm)
        rows, text_ids = self._rows, self.context.base.tokenizer.text_ids
        arm_input = ArmInput(
            user=request.user.name,
            vocabulary=rows,
            text=self._texts.read(request.user, arm),
            text_ids=text_ids[text_ids < rows],
        )
        return arm.batches(arm_input, self.context.recipe, request.seed)

    def score(
        self,
        heldout_slice: Slice,
        specs: Mapping[str, ScoreSpec],
        adapters: Mapping[str, Tensors],
    ) -> dict[str, Record]:
        """Score a slice under adapters as one batch, or under the untrained base if there are none.

        Specs, adapters and records go by the scores' keys.
        """
        from pytest_noisefloor.models import score
        from pytest_noisefloor.training import score_stacked

        model, head = self._model_and_head
        method, scoring = self._method, self.context.scoring
        tokens = self._texts.scored(heldout_slice)
        prefix = self.context.base.tokenizer.prefix
        tensors = [adapters[key] for key in specs if key in adapters]
        with plain_torch(self.context.device):
            if not tensors:
                rows = [score(model, head, tokens, prefix, scoring)]
            elif len(tensors) == 1:
                with method.attached(model) as attached:
                    restore(attached, tensors[0])
                    rows = [score(model, head, tokens, prefix, scoring)]
            else:
                rows = list(score_stacked(model, head, method, tensors, tokens, prefix, scoring))
        return {
            key: Record({"nll": nll}, {"spec": asdict(spec)})
            for (key, spec), nll in zip(specs.items(), rows, strict=True)
        }

    def gradient(self, heldout: Sequence[Slice], spec: GradientSpec, cost: int) -> Record:
        """Differentiate the mean NLL of slices by what the method trains, at its start.

        ``cost`` is that of the whole, for the progress bar.
        """
        from pytest_noisefloor.training import gradient, has_first_order, l1_norm

        model, head = self._model_and_head
        method, scoring = self._method, self.context.scoring
        progress_bar = self.context.progress_bar
        texts = [self._texts.scored(piece) for piece in heldout]
        prefix = self.context.base.tokenizer.prefix
        count, done = sum(map(len, texts)), 0

        def on_tokens(scored: int) -> None:
            nonlocal done
            before, done = done, done + scored
            progress_bar.advance(cost * done // count - cost * before // count)

        with plain_torch(self.context.device):
            found = gradient(model, head, method, texts, prefix, scoring, on_tokens)
        facts = {"norm": l1_norm(found), "first_order": has_first_order(method, found)}
        return Record(found, {"spec": asdict(spec), **facts})

    def sign_step(self, gradient: Tensors, size: float) -> Tensors:
        """The method's starting values after a step of a size down a gradient."""
        from pytest_noisefloor.training import sign_step

        with plain_torch(self.context.device):
            return sign_step(self._loaded[0], self._method, gradient, size)

    def moved(self, values: Tensors) -> float:
        """How far the value of an adapter that moved most is from its start."""
        from pytest_noisefloor.training import distance

        with plain_torch(self.context.device):
            return distance(self._loaded[0], self._method, values)
