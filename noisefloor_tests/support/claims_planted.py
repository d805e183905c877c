"""Claims files on evidence with known truth, for tests, and the bet that they rest on."""

import json
from datetime import date
from functools import cache
from pathlib import Path

from noisefloor_tests.support.locking import digests, lock, own_text
from noisefloor_tests.support.results_by_hand import sealed
from noisefloor_tests.support.results_planted import planted_result
from pytest_noisefloor._files import text_sha256

MODEL = "organisation/model"
LENIENT = {"ann": (1.2, 1.0, 1.3), "bob": (1.2, 1.0, 1.3), "cy": (1.0, 1.0, 1.3)}
STRICT = dict.fromkeys(LENIENT, (1.6, 1.0, 1.7))
ABSENT = dict.fromkeys(LENIENT, (1.0, 1.0, 1.3))
UNREACHED = dict.fromkeys(LENIENT, (1.01, 1.0, 1.02))
HARM = dict.fromkeys(LENIENT, (1.0, 1.3, 1.0))
INVERTED = {"ann": (0.95, 1.0, 1.2), "bob": (0.95, 1.0, 1.2), "cy": (1.2, 1.0, 1.2)}

_RESULTS = {}


@cache
def own_bet():
    """The text of ours.toml: Bet 60's design on the three users' texts, which are digests alone."""
    return own_text(Path("ours.toml"), dict.fromkeys(LENIENT, digests()))


def lock_own_bet(folder):
    """Write ours.toml into a folder and lock it there; gives its path."""
    path = folder / "ours.toml"
    path.write_bytes(own_bet())
    lock(path)
    return path


def by_own_bet(content):
    """A result's content as that of a result by ours.toml, sealed."""
    own = {"id": "ours", "name": "ours", "sha256": text_sha256(own_bet())}
    return sealed(content | {"bet": content["bet"] | own})


def evidence(users, base=MODEL, written=None):
    """An evidence file's content by that bet, sealed; drawn and judged once for a set of users."""
    key = json.dumps(users)
    if key not in _RESULTS:
        _RESULTS[key] = json.dumps(planted_result(users))
    content = json.loads(_RESULTS[key])
    content["base"]["name"] = base
    content["times"]["written"] = written or content["times"]["written"]
    return by_own_bet(content)


def entry(name, asserts, /, **changes):
    """An entry of a claims file."""
    fields = {
        "id": name,
        "bet": "ours.toml",
        "base": MODEL,
        "fingerprint": "f" * 12,
        "users": list(LENIENT),
        "method": "norm-only",
        "asserts": asserts,
        "evidence": f"{name}.json",
        "date": date(2026, 11, 23),
    } | changes
    lines = [
        f"{key} = {value if isinstance(value, date) else json.dumps(value)}"
        for key, value in fields.items()
        if value is not None
    ]
    return "\n".join(["[[claim]]", *lines, ""])
