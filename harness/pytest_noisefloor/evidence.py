"""Evidence: the committed result file that a claim rests on, checked and judged again."""

from __future__ import annotations

from typing import Any

from .arms import ARMS, UNTRAINED
from .bets import read_toml
from .claims import Claim
from .data import data_path
from .errors import NoisefloorError
from .judge import Verdict
from .methods import METHODS
from .recipe import SCORER, Recipe, Scoring
from .results import SCHEMA, judge_content, read_file


class EvidenceError(NoisefloorError):
    """Evidence that is missing, or not of what the claim names."""


def check_evidence(claim: Claim) -> dict[str, Any]:
    """The content of a claim's evidence, once it is known to be of what the claim names.

    Raises:
        EvidenceError: missing, planted, stale (made by another bet text, recipe, arm, method or
            scorer, or from other text), or of another base, method or users.
    """
    path = claim.evidence
    how = "; renew it with --noisefloor-train"
    if not path.is_file():
        raise EvidenceError(f"{path}: the evidence of claim {claim.id!r} is missing{how}")
    content = read_file(path)
    try:
        for what, found, expected in _compared(claim, content):
            if found != expected:
                raise EvidenceError(
                    f"{path}: {what} is {found!r}, but claim {claim.id!r} rests on "
                    f"{expected!r}{how}"
                )
    except (KeyError, TypeError, AttributeError) as error:
        raise EvidenceError(f"{path}: not a result file ({error!r}){how}") from None
    return content


def _compared(claim: Claim, content: dict[str, Any]) -> list[tuple[str, Any, Any]]:
    """What must agree: what it is, as the evidence has it, as it must be."""
    versions = content["versions"] if content["schema"] == SCHEMA else {}
    rows = [
        ("the file's schema", content["schema"], SCHEMA),
        ("verdict.planted", content["verdict"]["planted"], False),
        ("bet.sha256", content["bet"]["sha256"], claim.bet.sha256),
        ("base.name", content["base"]["name"], claim.base),
        (
            "base.fingerprint",
            content["base"]["fingerprint"][: len(claim.fingerprint)],
            claim.fingerprint,
        ),
        ("method.name", content["method"]["name"], claim.method),
        ("the method's version", versions.get("method"), METHODS[claim.method].version),
        ("the scorer", versions.get("scorer"), SCORER),
        ("the recipe", Recipe(**content["recipe"]), claim.bet.recipe),
        ("the scoring", Scoring(**content["scoring"]), claim.bet.scoring),
        ("the users", sorted(row["user"] for row in content["users"]), sorted(claim.users)),
        ("the seeds", content["seeds"], list(claim.bet.seeds)),
    ]
    rows += [
        (
            f"{row['user']}'s scores in {piece['slice']}, by arm",
            sorted(piece["sums"]),
            sorted((UNTRAINED, *claim.bet.statistic.trained)),  # or means would rest on nothing
        )
        for row in content["users"]
        for piece in row["slices"]
    ]
    rows += [
        (f"the version of arm {arm}", version, ARMS[arm].version if arm in ARMS else None)
        for arm, version in versions.get("arms", {}).items()
    ]
    if claim.shipped:
        for row in content["users"]:
            about = read_toml(data_path("users", f"{row['user']}.toml"))
            held = {piece["slice"]: piece["sha256"] for piece in row["slices"]}
            rows.append((f"{row['user']}'s text", row["train_sha256"], about["train"]["sha256"]))
            rows.append(
                (
                    f"{row['user']}'s held-out text",
                    held,
                    {name: table["sha256"] for name, table in about["heldout"].items()},
                )
            )
    return rows


def judge_evidence(claim: Claim) -> Verdict:
    """The verdict that a claim's evidence gives today, without training and without torch.

    Raises:
        EvidenceError: as ``check_evidence``, or figures that cannot be judged.
    """
    content = check_evidence(claim)
    try:
        return judge_content(content, claim.bet)
    except (NoisefloorError, KeyError, TypeError, ValueError, AttributeError) as error:
        raise EvidenceError(f"{claim.evidence}: cannot be judged ({error})") from None
