"""Make a spread file from result files of several seeds: how much an arm varies between trainings.

    python scripts/make_spread.py norm-only fixtures/evidence/bet60-why-vocabulary_reference.json

For each user and arm that the method trained, an adapter's mean NLL is pooled over the user's
slices by tokens, and its standard deviation is over seeds. Result files of one user add up if their
seeds differ. The file goes to fixtures/spread/, named by method, base, learning rate and steps.
"""

from __future__ import annotations

import json
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from pytest_noisefloor._files import text_sha256, validated, write_atomically
from pytest_noisefloor.bets import OTHER, POOLED, parse_label, registered_bet
from pytest_noisefloor.data import open_arm
from pytest_noisefloor.results.errors import ResultError
from pytest_noisefloor.results.files import read_file
from pytest_noisefloor.results.lifting import lift
from pytest_noisefloor.results.rejudging import bin_sums_of
from pytest_noisefloor.results.schema import ResultFile
from pytest_noisefloor.results.spread_file import SpreadFile

FOLDER = Path(__file__).parents[1] / "fixtures" / "spread"

Trainings = dict[tuple[str, str, int], dict[str, tuple[float, int]]]
"""By user, arm and seed, and then by text: the NLL in nats and its tokens."""


def main(method: str, paths: list[Path], folder: Path = FOLDER) -> Path:
    """Write the spread file of one method, and return its path.

    Raises:
        ResultError: the files are about different trainings, or no arm has two seeds.
    """
    about: dict[str, Any] = {}
    trainings: Trainings = {}
    for path in paths:
        file = lift(read_file(path), str(path))
        labels = labels_of(file, method)
        if not labels:
            raise ResultError(f"{path}: no arm is trained by {method}; expected one")
        of_file = head(file, method, labels)
        for key, value in of_file.items():
            if about.setdefault(key, value) != value:
                raise ResultError(f"{path}: {key} is {value}; expected {about[key]}, as before")
        collect(file, labels, trainings)
    content = {
        "spread": 1,
        "made": datetime.now(UTC).date().isoformat(),
        **about,
        "users": spreads(trainings),
        "evidence": [{"file": p.name, "sha256": text_sha256(p.read_bytes())} for p in paths],
    }
    base, recipe = about["base"]["name"].replace("/", "-"), about["recipe"]
    name = f"{method}_{base}_{recipe['lr']:g}x{recipe['steps']}.json"
    validated(SpreadFile, content, name, ResultError)
    write_atomically(folder / name, f"{json.dumps(content, indent=1)}\n".encode())
    return folder / name


def labels_of(file: ResultFile, method: str) -> dict[str, str]:
    """Return the labels that stand for one arm by the method at one rate, each with its arm."""
    bet = registered_bet(f"bet{file.bet.id}")
    found = {}
    for label in bet.contrast.trained:
        condition, *more = parse_label(label)
        own = condition.source not in (OTHER, POOLED) and (condition.method or bet.method) == method
        if own and not more and condition.lr in (None, file.recipe.lr):
            found[label] = open_arm(condition.source).name
    return found


def head(file: ResultFile, method: str, labels: dict[str, str]) -> dict[str, Any]:
    """Return what all result files of a spread file share."""
    versions = file.versions
    own = method == file.method.name
    return {
        "base": {"name": file.base.name, "fingerprint": file.base.fingerprint},
        "method": {
            "name": method,
            "version": versions.method if own else versions.other_methods[method],
        },
        "recipe": file.recipe.model_dump(),
        "scoring": file.scoring.model_dump(),
        "arms": {arm: versions.arms[arm] for arm in sorted(labels.values())},
    }


def collect(file: ResultFile, labels: dict[str, str], trainings: Trainings) -> None:
    """Add a file's sums.

    Raises:
        ResultError: a training stands in two files.
    """
    for row in file.users:
        bins = bin_sums_of(row)
        user, text = bins.family
        seeds = file.seeds if row.seed is None else (row.seed,)
        for label, arm in labels.items():
            for seed, sums in zip(seeds, bins.sums[label], strict=True):
                of_training = trainings.setdefault((user, arm, seed), {})
                if text in of_training:
                    raise ResultError(f"{user}, {arm}, seed {seed}: given twice; expected once")
                of_training[text] = float(sums.sum()), int(bins.tokens.sum())


def spreads(trainings: Trainings) -> dict[str, dict[str, dict[str, Any]]]:
    """Return each arm's standard deviation over seeds, by user.

    Raises:
        ResultError: seeds were scored on different text or have the same scores, or no arm has two.
    """
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for user, arm in dict.fromkeys((user, arm) for user, arm, _ in trainings):
        of_arm = [of for (u, a, _), of in trainings.items() if (u, a) == (user, arm)]
        if any(of.keys() != of_arm[0].keys() for of in of_arm):
            raise ResultError(f"{user}, {arm}: seeds on different slices; expected the same")
        means = [sum(x for x, _ in of.values()) / sum(n for _, n in of.values()) for of in of_arm]
        if len(set(means)) < len(means):
            raise ResultError(f"{user}, {arm}: two seeds with the same scores; expected replicates")
        if len(means) > 1:
            one = {"sd": float(np.std(means, ddof=1)), "seeds": len(means)}
            found.setdefault(user, {})[arm] = one
    if not found:
        raise ResultError("no arm has two seeds; expected one")
    return found


if __name__ == "__main__":
    if len(sys.argv) < 3:  # noqa: PLR2004 (a method and a file)
        sys.exit("expected a method and result files")
    sys.stdout.write(f"{main(sys.argv[1], [Path(name) for name in sys.argv[2:]])}\n")
