"""One bet carried through on one base: plan, runs, effects, verdict, files."""

from __future__ import annotations

import io
import json
import platform
from collections.abc import Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import cached_property
from importlib.metadata import version
from itertools import product
from pathlib import Path
from typing import Any

import numpy as np
from safetensors.numpy import save

from .arms import ARMS, UNTRAINED
from .bets import Bet
from .corpora import User, check_leak, check_others
from .errorrates import assess
from .errors import NoisefloorError
from .judge import Verdict
from .recipe import SCORER
from .records import write_atomically
from .results import SCHEMA, bet_record, effect_record, resolved_record, seal, verdict_record
from .runner import Runner
from .runs import Adapter, Request
from .statistics import Effect, mean_nll
from .tally import CELL, Tally, pack, tally


class Study:
    """A bet on a base and its users. Everything is made when it is first asked for.

    Raises:
        LeakError: held-out text, or another user's, stands in a user's training text.
    """

    def __init__(
        self, *, bet: Bet, runner: Runner, users: Sequence[User], seeds: Sequence[int], out: Path
    ) -> None:
        self.bet = bet
        self.runner = runner
        self.users = tuple(users)
        self.seeds = tuple(seeds)
        self.out = out
        # the arm of reach has no part in a level: its adapters, trained on held-out text, are kept
        # in the store alone
        self._trained = bet.statistic.trained
        self._leaks = {user.name: check_leak(user) for user in self.users}
        check_others(self.users)

    @property
    def planted(self) -> bool:
        """Whether this study only proves the machinery."""
        return self.bet.planted or self.runner.base.planted

    @property
    def _prefix(self) -> str:
        return "PLANTED_" if self.planted else ""

    def adapter(self, user: str, arm: str) -> Adapter:
        """A user's adapter of the first seed, trained if it never was.

        Raises:
            NoisefloorError: no such user.
        """
        for candidate in self.users:
            if candidate.name == user:
                return self.runner.adapter(Request(candidate, arm, self.seeds[0]))
        names = ", ".join(u.name for u in self.users)
        raise NoisefloorError(f"user {user!r}: expected one of {names}")

    @cached_property
    def verdict(self) -> Verdict:
        """The comparison of all users, judged; its result files are written on the way."""
        self.runner.complete(list(self._requests()))
        self._check_that_arms_differ()
        verdict = assess(
            self.bet,
            [self._effect(user) for user in self.users],
            [self._tally(user) for user in self.users],
            planted=self.planted,
        )
        self._write_adapters()
        content = self._result(verdict)
        text = json.dumps(content | {"seal": seal(content)}, indent=1, ensure_ascii=False)
        write_atomically(self.result_path, f"{text}\n".encode())
        return verdict

    @property
    def result_path(self) -> Path:
        """The result file; docs/results.md describes its content."""
        return self.out / "results" / f"{self._prefix}{self.bet.name}.json"

    def _requests(self) -> list[Request]:
        """In the order in which a person would want to see them finished: user by user."""
        return [
            request
            for user in self.users
            for request in (
                Request(user, UNTRAINED),
                *(Request(user, arm, seed) for seed in self.seeds for arm in self._trained),
            )
        ]

    def _check_that_arms_differ(self) -> None:
        """Refuse adapters that cannot have come from the arms' tokens, which differ.

        Raises:
            NoisefloorError: two arms left the same adapter.
        """
        arms = (self.bet.statistic.denominator, self.bet.statistic.numerator)
        for user, seed in product(self.users, self.seeds):
            one, other = (self.runner.adapter(Request(user, arm, seed)).tensors for arm in arms)
            if all(np.array_equal(one[name], other[name]) for name in one):
                raise NoisefloorError(
                    f"user {user.name!r}, seed {seed}: the {' and the '.join(arms)} adapter are "
                    "the same to the last bit; a method that ignores its data gives no comparison"
                )

    def _nll(self, user: User, arm: str) -> float:
        """Mean over seeds of the mean over all slices' tokens, in nats per token."""
        means = [
            mean_nll([self.runner.scores(Request(user, arm, s), piece) for piece in user.heldout])
            for s in self._of(arm)
        ]
        return float(np.mean(means))

    def _effect(self, user: User) -> Effect:
        nll = {arm: self._nll(user, arm) for arm in (*self._trained, UNTRAINED)}
        return Effect(user=user.name, nll=nll, statistic=self.bet.statistic)

    def _tally(self, user: User) -> Tally:
        """The user's scores, once they are known to be of the same tokens under every arm."""
        return tally(
            user.name,
            [
                {
                    arm: [self.runner.scored(Request(user, arm, s), piece) for s in self._of(arm)]
                    for arm in (UNTRAINED, *self._trained)
                }
                for piece in user.heldout
            ],
        )

    def _of(self, arm: str) -> tuple[int, ...]:
        """An arm's seeds; untrained has one."""
        return (0,) if arm == UNTRAINED else self.seeds

    # --- files ----------------------------------------------------------------------------

    def _adapters(self) -> list[tuple[Adapter, str]]:
        """Every adapter with the stem of its files; the first seed has the source's names."""
        named = []
        for request in self._requests():
            if request.arm in self.bet.statistic.compared:
                seed = "" if request.seed == self.seeds[0] else f"_seed{request.seed}"
                stem = f"{self._prefix}{self.bet.id}_{request.arm}_{request.user.name}{seed}"
                named.append((self.runner.adapter(request), stem))
        return named

    def _write_adapters(self) -> None:
        for adapter, stem in self._adapters():
            twin = self.out / "out" / f"{stem}.safetensors"
            pickled = twin.with_suffix(".pt")
            content = save(adapter.tensors, {"key": adapter.key})
            if pickled.is_file() and twin.is_file() and twin.read_bytes() == content:
                continue  # and torch stays unimported where nothing trained
            write_atomically(pickled, _torch_file(adapter))
            write_atomically(twin, content)

    def _result(self, verdict: Verdict) -> dict[str, Any]:
        adapters = self._adapters()
        first = adapters[0][0]
        return {
            "schema": SCHEMA,
            "bet": bet_record(self.bet),
            "base": {
                "name": self.runner.base.name,
                "fingerprint": self.runner.base.fingerprint,
                "model": self.runner.base.model_fingerprint,
            },
            "method": {
                "name": self.bet.method,
                "trained_values": first.count,
                "adapter_bytes": first.nbytes,
            },
            "versions": {
                "method": self.runner.method.version,
                "arms": {arm: ARMS[arm].version for arm in self._trained},
                "scorer": SCORER,
            },
            "recipe": asdict(self.runner.recipe),
            "kernel": self.runner.kernel,
            "scoring": asdict(self.runner.scoring),
            "seeds": list(self.seeds),
            "cell": CELL,
            "users": [
                self._user_record(user, effect) | resolved
                for user, effect, resolved in zip(
                    self.users, verdict.effects, resolved_record(verdict), strict=True
                )
            ],
            "adapters": [
                {
                    "user": adapter.user,
                    "arm": adapter.arm,
                    "seed": adapter.seed,
                    "key": adapter.key,
                    "file": f"out/{stem}.pt",
                    "first_loss": adapter.losses[0],
                    "last_loss": adapter.losses[-1],
                }
                for adapter, stem in adapters
            ],
            "verdict": verdict_record(verdict),
            "times": {
                "written": datetime.now(UTC).isoformat(timespec="seconds"),
                "training_s": {stem: round(a.seconds, 3) for a, stem in adapters},
                "over_budget": [
                    stem for a, stem in adapters if a.seconds > self.runner.recipe.budget_s
                ],
            },
            "environment": {
                "python": platform.python_version(),
                "platform": platform.platform(),
                "machine": platform.machine(),
                "device": self.runner.device,
                **{name: version(name) for name in ("numpy", "torch", "transformers")},
                "pytest-noisefloor": version("pytest-noisefloor"),
            },
        }

    def _user_record(self, user: User, effect: Effect) -> dict[str, Any]:
        slices = []
        sums = self._tally(user)
        for k, (piece, figures) in enumerate(
            zip(user.heldout, self._leaks[user.name], strict=True)
        ):
            arms = {
                arm: [self.runner.scores(Request(user, arm, seed), piece) for seed in self._of(arm)]
                for arm in (UNTRAINED, *self._trained)
            }
            nll = {arm: [mean_nll([s]) for s in scores] for arm, scores in arms.items()}
            of_slice = Effect(
                user=user.name,
                nll={arm: float(np.mean(values)) for arm, values in nll.items()},
                statistic=self.bet.statistic,
            )
            slices.append(
                {
                    "slice": piece.name,
                    "sha256": piece.sha256,
                    "tokens": int(arms[UNTRAINED][0].size),
                    "leak": {"share": figures.share, "paragraphs": figures.paragraphs},
                    "mean_nll_by_seed": nll,
                    "sums": {arm: pack(s[:, sums.slices == k]) for arm, s in sums.sums.items()},
                    **{k: v for k, v in effect_record(of_slice).items() if k != "user"},
                }
            )
        return {
            **effect_record(effect),
            "train_sha256": user.train_sha256,
            "tokens": sum(piece["tokens"] for piece in slices),
            "slices": slices,
        }


def _torch_file(adapter: Adapter) -> bytes:
    """The adapter as ``torch.load(weights_only=True)`` reads it: a dict of name → fp32 tensor."""
    import torch

    buffer = io.BytesIO()
    torch.save({n: torch.from_numpy(t.copy()) for n, t in adapter.tensors.items()}, buffer)
    return buffer.getvalue()
