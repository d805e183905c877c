"""Claims files on evidence with known truth, for tests."""

import json
from datetime import date

from noisefloor_tests.support.results_by_hand import sealed
from noisefloor_tests.support.results_planted import planted_result

MODEL = "organisation/model"
LENIENT = {"ann": (1.2, 1.0, 1.3), "bob": (1.2, 1.0, 1.3), "cy": (1.0, 1.0, 1.3)}
STRICT = dict.fromkeys(LENIENT, (1.6, 1.0, 1.7))
ABSENT = dict.fromkeys(LENIENT, (1.0, 1.0, 1.3))
UNREACHED = dict.fromkeys(LENIENT, (1.01, 1.0, 1.02))
HARM = dict.fromkeys(LENIENT, (1.0, 1.3, 1.0))
INVERTED = {"ann": (0.95, 1.0, 1.2), "bob": (0.95, 1.0, 1.2), "cy": (1.2, 1.0, 1.2)}

_RESULTS = {}


def evidence(users, base=MODEL, written=None):
    """The content of an evidence file, sealed; drawn and judged once for each set of users."""
    key = json.dumps(users)
    if key not in _RESULTS:
        _RESULTS[key] = json.dumps(planted_result(users))
    content = json.loads(_RESULTS[key])
    content["base"]["name"] = base
    content["times"]["written"] = written or content["times"]["written"]
    return sealed(content)


def entry(name, asserts, /, **changes):
    """An entry of a claims file."""
    fields = {
        "id": name,
        "bet": "bet60",
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
