"""Results with known truth, for tests: scores drawn, never trained."""

from __future__ import annotations

import math

import numpy as np

from noisefloor_tests.support.results_by_hand import content_of, slice_record
from pytest_noisefloor.bets.error_rates import assess
from pytest_noisefloor.bets.registry import registered_bet
from pytest_noisefloor.data.arms import ARMS
from pytest_noisefloor.results.building import inference_record
from pytest_noisefloor.specs import SCORER
from pytest_noisefloor.stats.blocks import BinSums, Scores, bin_sums, encode_sums
from pytest_noisefloor.stats.effect import Effect
from pytest_noisefloor.stats.spread import Spread
from pytest_noisefloor.training.methods.registry import METHODS

LENGTHS = (4096, 4096)

FILED = dict.fromkeys(
    ("real", "random", "oracle"), Spread(sd=0.001, df=8, source="filed", sha256="5" * 64)
)
"""What a spread file says of every arm. It is small beside the noise of the tokens."""


def planted_bins(users, *, noise: float = 0.1, spreads=None) -> list[BinSums]:
    """Bin sums of users given as name: (help, harm, the oracle's help), quotients of perplexities.

    Each token's score has noise of its own under each arm, so that Δ has a standard error of
    ``noise`` × √(2/8192): 0.0016 nats. ``spreads`` gives, for each arm that trains, what each of
    several seeds adds to its mean; without it there is one seed, which adds nothing.
    """
    rng = np.random.default_rng(60)
    spreads = {
        "untrained": (0.0,),
        **(spreads or dict.fromkeys(("real", "random", "oracle"), (0.0,))),
    }
    all_bins = []
    for name, (help_, harm, oracle) in users.items():
        shifts = {
            "untrained": 0.0,
            "real": -math.log(help_),
            "random": math.log(harm),
            "oracle": -math.log(oracle),
        }
        slices = []
        for length in LENGTHS:
            tokens = rng.gamma(4, 1, length)
            slices.append(
                {
                    arm: [
                        Scores(
                            (tokens + shift + more + rng.normal(0, noise, length)).astype("f4"), "x"
                        )
                        for more in spreads[arm]
                    ]
                    for arm, shift in shifts.items()
                }
            )
        all_bins.append(bin_sums(name, slices))
    return all_bins


def effects_of(all_bins, contrast=None) -> list[Effect]:
    """The effects that bin sums give, by Bet 60's contrast if no other is given."""
    contrast = contrast or registered_bet("bet60").contrast
    return [
        Effect(user=t.user, nll={arm: t.mean(arm) for arm in t.sums}, contrast=contrast)
        for t in all_bins
    ]


def planted_result(users, *, base="organisation/model", fingerprint="f" * 64):
    """The content of a result file about such users, whole but for what no judge reads."""
    bet = registered_bet("bet60")
    all_bins = planted_bins(users)
    effects = effects_of(all_bins)
    verdict = assess(bet, effects, all_bins, filed=[FILED] * len(all_bins))
    resolved = {one.user: one for one in verdict.resolved}
    rows = [
        {
            **(_inferred(resolved[one.user]) if one.user in resolved else {}),
            **_texts(one.user),
            "tokens": sum(LENGTHS),
            "slices": [_slice(one, k, *named) for k, named in enumerate(_slices(one.user))],
        }
        for one in all_bins
    ]
    versions = {
        "method": METHODS[bet.method].version,
        "other_methods": {},
        "arms": {arm: ARMS[arm].version for arm in ("real", "random", "oracle")},
        "scorer": SCORER,
    }
    base_of = {"name": base, "fingerprint": fingerprint, "model": "e" * 64}
    return content_of(bet, verdict, rows, base=base_of, versions=versions)


def _inferred(one):
    found = inference_record(one)
    intervals = found["intervals"].model_dump(by_alias=True, exclude_unset=True)
    spread = {label: of.model_dump(by_alias=True) for label, of in found["spread"].items()}
    return found | {"intervals": intervals, "spread": spread}


def _slice(bins, k, name, sha256):
    own = bins.slices == k
    means = {arm: float(sums[:, own].sum() / LENGTHS[k]) for arm, sums in bins.sums.items()}
    effect = Effect(user=name, nll=means, contrast=registered_bet("bet60").contrast)
    sums = {arm: encode_sums(sums[:, own]) for arm, sums in bins.sums.items()}
    return slice_record(name, effect, LENGTHS[k], sums, sha256)


def _texts(user):
    return {"train_sha256": "0" * 64}


def _slices(user):
    return [("first", "1" * 64), ("second", "2" * 64)]
