"""Ledgers by hand, for tests; the processes that tests start import them too."""

from types import SimpleNamespace

from pytest_noisefloor.bets.registration import Registration
from pytest_noisefloor.runs.ledger import LedgerLine
from pytest_noisefloor.specs import digest

BASE = "b" * 64
TEXTS = ("1" * 64, "2" * 64)


def bet(name="60", locked=None, seeds=(0,)):
    """What the ledger asks of a bet."""
    registration = Registration(locked=locked)
    return SimpleNamespace(id=name, sha256=digest(name), seeds=seeds, registration=registration)


def record(ledger, name="60", *, base=BASE, texts=TEXTS, seeds=(0,), level="NOT_MET", **of_bet):
    """Add a verdict to a ledger."""
    return ledger.record(bet=bet(name, **of_bet), base=base, texts=texts, seeds=seeds, level=level)


def chain(*rows):
    """Lines that rest on each other, each with what it says differently from Bet 60's."""
    lines = []
    for at, row in enumerate(rows):
        line = {
            "time": f"2026-11-24T12:00:{at % 60:02d}+00:00",
            "bet": "60",
            "bet_sha256": digest(row.get("bet", "60")),
            "locked": "2026-11-23",
            "base": BASE,
            "texts": TEXTS,
            "seeds": (0,),
            "level": "NOT_MET",
            "prev": lines[-1].sha256 if lines else None,
        } | row
        lines.append(LedgerLine(**line, sha256=digest(line)))
    return tuple(lines)
