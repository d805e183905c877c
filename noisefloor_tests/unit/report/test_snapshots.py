"""Each kind of verdict is printed as the file in snapshots/ that bears its name.

After a change that is meant to change what is printed, write the files again by

    NOISEFLOOR_UPDATE_SNAPSHOTS=1 pytest noisefloor_tests/unit/report/test_snapshots.py

and read their difference.
"""

import difflib
import os
import re
from dataclasses import replace
from pathlib import Path

import pytest

from noisefloor_tests.support.reach_planted import reached
from noisefloor_tests.support.results_planted import effects_of, planted_bins
from noisefloor_tests.support.verdicts import of_perplexities, of_slices
from pytest_noisefloor.bets.bet import Level
from pytest_noisefloor.bets.error_rates import assess
from pytest_noisefloor.bets.licensing import ABSENT
from pytest_noisefloor.bets.registration import Registration
from pytest_noisefloor.bets.registry import registered_bet
from pytest_noisefloor.report.tables import render
from pytest_noisefloor.stats.spread import Spread

FOLDER = Path(__file__).with_name("snapshots")
UPDATE = os.environ.get("NOISEFLOOR_UPDATE_SNAPSHOTS") == "1"

BET = registered_bet("bet60")
CELLS = registered_bet("bet60-seeds")
SPREADS = {"real": (0.0, 0.01, 0.005), "random": (0.006, 0, -0.01), "oracle": (0, 0.001, 0.002)}
NAMES = BET.users


FILED = dict.fromkeys(SPREADS, Spread(sd=0.002, df=8, source="filed", sha256="0" * 64))
"""What a file says of every arm."""


def measured(all_bins, bet=BET, filed=FILED, **more):
    known = [filed for _ in all_bins]
    return assess(bet, effects_of(all_bins, bet.contrast), all_bins, filed=known, **more)


def users(*quotients, filed=FILED, **more):
    """The three registered users, each given as (help, harm, the oracle's help)."""
    return measured(planted_bins(dict(zip(NAMES, quotients, strict=True)), **more), filed=filed)


def with_reach(*figures):
    """The users of small effects, each with a ceiling and what the best step gained, in nats."""
    found = [
        reached(name, ceiling=ceiling, gain=gain, noise=0.05)
        for name, (ceiling, gain) in zip(NAMES, figures, strict=True)
    ]
    small = dict.fromkeys(NAMES, (1.01, 1.0, 1.02))
    return measured(planted_bins(small), reachable=found)


def cells(*quotients):
    names = [f"{user}, seed {seed}, s" for user in NAMES for seed in (0, 1)]
    return measured(planted_bins(dict(zip(names, quotients, strict=True))), CELLS)


def too_short():
    """The second user has two bins of text, which are too few for an interval."""
    first, second, third = planted_bins(dict.fromkeys(NAMES, (1.2, 1.0, 1.6)))
    few = {arm: of[:, :2] for arm, of in second.sums.items()}
    cut = replace(second, tokens=second.tokens[:2], slices=second.slices[:2], sums=few)
    return measured([first, cut, third])


def unregistered():
    one = of_perplexities(**dict.fromkeys(NAMES, (100, 80, 150)))
    return replace(one, bet=replace(BET, registration=Registration()))


def on_other_texts():
    one = of_perplexities(ann=(100, 80, 150), bob=(100, 90, 110))
    return replace(one, bet=BET.on({}))


ALIKE = (1.0, 1.0, 1.6)

KINDS = {
    "met_and_claimable": lambda: users((1.3, 1.0, 1.7), (1.2, 1.0, 1.6), (1.0, 1.0, 1.6)),
    "one_training": lambda: users((1.3, 1.0, 1.7), (1.2, 1.0, 1.6), (1.0, 1.0, 1.6), filed={}),
    "met_by_points": lambda: users(*[(1.12, 1.0, 1.6)] * 3, noise=8.0),
    "rests_on_harm": lambda: users((0.97, 1.3, 1.5), (1.0, 1.2, 1.6), (1.05, 1.2, 1.6)),
    "not_met_out_of_reach": lambda: users(*[(1.01, 1.0, 1.02)] * 3),
    "out_of_reach_by_ceilings": lambda: with_reach((0.05, 0.04), (0.06, 0.05), (0.2, 0.05)),
    "reach_by_ceilings_not_known": lambda: with_reach((0.5, 0.04), (None, 0.05), (9.0, 0.3)),
    "not_met_and_absent": lambda: users(ALIKE, ALIKE, ALIKE),
    "catastrophic_shown": lambda: users((0.9, 1.0, 1.6), (0.95, 1.0, 1.6), (1.0, 0.9, 1.6)),
    "catastrophic_by_points": lambda: users((0.9995, 1.0, 1.6), (0.9, 1.0, 1.6), (0.9995, 1, 1.6)),
    "by_cell": lambda: cells(*[(1.1, 1.0, 1.6)] * 3, (0.95, 1.0, 1.6), ALIKE, (1.05, 1.1, 1.6)),
    "by_pair": lambda: of_slices([0.003, 0.001, 0.002]),
    "several_seeds": lambda: users(*[(1.2, 1.0, 1.6)] * 3, spreads=SPREADS),
    "points_only": lambda: of_perplexities(
        programmer=(None, 6922, 6525), novelist=(200, 113, 154), scientist=(140, 130, 143)
    ),
    "planted": lambda: replace(users((1.6, 1.0, 1.7), *[(1.55, 1.0, 1.6)] * 2), planted=True),
    "unregistered": unregistered,
    "on_other_texts": on_other_texts,
    "more_than_20_users": lambda: of_perplexities(
        **{f"user{n:02}": (100, 80, 75 + n) for n in range(23)}
    ),
    "too_short_text": too_short,
}

EXPECTED = {
    "met_and_claimable": (Level.LENIENT, ("LENIENT",)),
    "one_training": (Level.LENIENT, ("NOT_MET",)),
    "met_by_points": (Level.LENIENT, ("NOT_MET",)),
    "rests_on_harm": (Level.LENIENT, ("NOT_MET",)),
    "not_met_out_of_reach": (Level.NOT_MET, ("NOT_MET",)),
    "out_of_reach_by_ceilings": (Level.NOT_MET, ("NOT_MET",)),
    "reach_by_ceilings_not_known": (Level.NOT_MET, ("NOT_MET",)),
    "not_met_and_absent": (Level.NOT_MET, ("NOT_MET", ABSENT)),
    "catastrophic_shown": (Level.CATASTROPHIC, ("CATASTROPHIC",)),
    "catastrophic_by_points": (Level.CATASTROPHIC, ("NOT_MET",)),
    "by_cell": (Level.LENIENT, ("NOT_MET",)),
    "by_pair": (Level.NOT_MET, ("NOT_MET",)),
    "several_seeds": (Level.LENIENT, ("LENIENT",)),
    "points_only": (Level.LENIENT, ("NOT_MET",)),
    "planted": (Level.STRICT, ("LENIENT", "STRICT")),
    "unregistered": (Level.STRICT, ("NOT_MET",)),
    "on_other_texts": (Level.LENIENT, ("NOT_MET",)),
    "more_than_20_users": (Level.NOT_MET, ("NOT_MET",)),
    "too_short_text": (Level.LENIENT, ("LENIENT",)),
}


def difference(expected, found):
    """The difference of two texts, sentence by sentence, for paragraphs are long lines."""
    before, after = (re.split(r"(?<=[.:;]) |\n", text) for text in (expected, found))
    return "\n".join(difflib.unified_diff(before, after, "snapshot", "found", lineterm="", n=1))


@pytest.mark.parametrize("kind", KINDS)
def test_a_verdict_of_each_kind_is_printed_as_its_snapshot(kind):
    verdict, path = KINDS[kind](), FOLDER / f"{kind}.txt"
    assert (verdict.level, verdict.findings.claimable) == EXPECTED[kind]
    found = f"{render(verdict)}\n"
    if UPDATE:
        path.write_text(found, encoding="utf-8")
    expected = path.read_text(encoding="utf-8")
    assert found == expected, f"{path.name}:\n{difference(expected, found)}"


def test_every_snapshot_is_that_of_a_kind():
    assert {path.name for path in FOLDER.iterdir()} == {f"{kind}.txt" for kind in KINDS}


def test_a_difference_shows_the_sentences_that_differ_and_no_others():
    shown = difference("One is so. Two is so. Three is so.", "One is so. Two is not. Three is so.")
    assert "-Two is so." in shown
    assert "+Two is not." in shown
    assert "-Three" not in shown
