"""One bet carried through on one base: plan, runs, effects, verdict, files."""

from __future__ import annotations

import io
import json
import platform
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
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
from .corpora import User
from .errorrates import assess
from .errors import NoisefloorError
from .judge import Verdict
from .leaks import check_leak, check_others
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
        mark = "PLANTED" if self.planted else self.bet.mark
        return f"{mark}_" if mark else ""

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
        measured = [self._measure(user) for user in self.users]
        verdict = assess(
            self.bet,
            [one.effect for one in measured],
            [one.tally for one in measured],
            planted=self.planted,
        )
        content = self._result(verdict, [one.record for one in measured], self._write_adapters())
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

    def _measure(self, user: User) -> _Measured:
        """What a user's scores give, each read once, and known to be of the same tokens."""
        arms = (UNTRAINED, *self._trained)
        scores = [
            {
                arm: [self.runner.scored(Request(user, arm, s), piece) for s in self._of(arm)]
                for arm in arms
            }
            for piece in user.heldout
        ]
        sums = tally(user.name, scores)
        by_seed = {
            arm: [
                mean_nll([of_slice[arm][at].nll for of_slice in scores])
                for at in range(len(self._of(arm)))
            ]
            for arm in (*self._trained, UNTRAINED)
        }
        effect = self._effect(user, by_seed)
        slices = []
        for k, (piece, figures) in enumerate(
            zip(user.heldout, self._leaks[user.name], strict=True)
        ):
            nll = {arm: [mean_nll([s.nll]) for s in scores[k][arm]] for arm in arms}
            slices.append(
                {
                    "slice": piece.name,
                    "sha256": piece.sha256,
                    "tokens": int(scores[k][UNTRAINED][0].nll.size),
                    "leak": {"share": figures.share, "paragraphs": figures.paragraphs},
                    "mean_nll_by_seed": nll,
                    "sums": {arm: pack(s[:, sums.slices == k]) for arm, s in sums.sums.items()},
                    **{
                        key: value
                        for key, value in effect_record(self._effect(user, nll)).items()
                        if key != "user"
                    },
                }
            )
        record = {
            **effect_record(effect),
            "train_sha256": user.train_sha256,
            "tokens": sum(piece["tokens"] for piece in slices),
            "slices": slices,
        }
        return _Measured(effect, sums, record)

    def _effect(self, user: User, nll: Mapping[str, Sequence[float]]) -> Effect:
        """The effect of mean NLLs by arm and seed: their mean over seeds counts."""
        means = {arm: float(np.mean(values)) for arm, values in nll.items()}
        return Effect(user=user.name, nll=means, statistic=self.bet.statistic)

    def _of(self, arm: str) -> tuple[int, ...]:
        """An arm's seeds; untrained has one."""
        return (0,) if arm == UNTRAINED else self.seeds

    # --- files ----------------------------------------------------------------------------

    def _write_adapters(self) -> list[tuple[Adapter, str]]:
        """Write every adapter's files; the first seed's have the source's names.

        Returns the adapters with their files' stems, without their tensors, of which there may be
        more than memory holds.
        """
        named = []
        for request in self._requests():
            if request.arm in self.bet.statistic.compared:
                seed = "" if request.seed == self.seeds[0] else f"_seed{request.seed}"
                stem = f"{self._prefix}{self.bet.id}_{request.arm}_{request.user.name}{seed}"
                adapter = self.runner.adapter(request)
                self._write(adapter, stem)
                named.append((replace(adapter, tensors={}), stem))
        return named

    def _write(self, adapter: Adapter, stem: str) -> None:
        twin = self.out / "out" / f"{stem}.safetensors"
        pickled = twin.with_suffix(".pt")
        content = save(adapter.tensors, {"key": adapter.key})
        if pickled.is_file() and twin.is_file() and twin.read_bytes() == content:
            return  # and torch stays unimported where nothing trained
        write_atomically(pickled, _torch_file(adapter))
        write_atomically(twin, content)

    def _result(
        self,
        verdict: Verdict,
        users: Sequence[dict[str, Any]],
        adapters: Sequence[tuple[Adapter, str]],
    ) -> dict[str, Any]:
        first = self.runner.adapter(
            Request(self.users[0], self.bet.statistic.compared[0], self.seeds[0])
        )
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
                user | resolved
                for user, resolved in zip(users, resolved_record(verdict), strict=True)
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


@dataclass(frozen=True)
class _Measured:
    """What is kept of one user's scores: far less than the scores."""

    effect: Effect
    tally: Tally
    record: dict[str, Any]


def _torch_file(adapter: Adapter) -> bytes:
    """The adapter as ``torch.load(weights_only=True)`` reads it: a dict of name → fp32 tensor."""
    import torch

    buffer = io.BytesIO()
    torch.save({n: torch.from_numpy(t.copy()) for n, t in adapter.tensors.items()}, buffer)
    return buffer.getvalue()
