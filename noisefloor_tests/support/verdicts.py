"""Verdicts for tests: of perplexities, of help and harm on drawn scores, of slices in order."""

from noisefloor_tests.support.results_planted import effects_of, planted_bins
from pytest_noisefloor.bets.error_rates import assess
from pytest_noisefloor.bets.judging import judge
from pytest_noisefloor.bets.registry import registered_bet
from pytest_noisefloor.stats.divergence import slice_pairs
from pytest_noisefloor.stats.effect import Effect, effect_from_perplexities

BET = registered_bet("bet60")
PAIRS = registered_bet("bet60-why-vocabulary")


def of_slices(deltas):
    """The verdict on slices from the nearest to the farthest."""
    return judge(PAIRS, slice_pairs(slices(deltas), [at / 10 for at in range(len(deltas))]))


def slices(deltas):
    """Effects of slices, each helped by 0.02 nats, by their Δ."""
    return [
        Effect(
            user=f"s{at}",
            nll={"untrained": 4.0 + at, "real": 3.98 + at, "random": 3.98 + at + delta},
            contrast=PAIRS.contrast,
        )
        for at, delta in enumerate(deltas)
    ]


def of_help_and_harm(*, filed=None, **users):
    """Judge users given as name=(help, harm, the oracle's help): quotients of perplexities.

    ``filed`` is what a file says of the spread of trainings.
    """
    all_bins = planted_bins(users)
    return assess(BET, effects_of(all_bins), all_bins, filed=[filed or {}] * len(all_bins))


def of_perplexities(*, planted=False, **users):
    """Judge users given as name=(untrained, real, random)."""
    effects = [
        effect_from_perplexities(
            name,
            {
                arm: value
                for arm, value in zip(("untrained", "real", "random"), values, strict=True)
                if value is not None
            },
            BET.contrast,
        )
        for name, values in users.items()
    ]
    return judge(BET, effects, planted=planted)
