"""Evidence: the committed result file that a claim depends on, checked and judged again."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import date, datetime, time, timedelta, timezone
from typing import Any

from pytest_noisefloor.bets import Verdict, parse_label
from pytest_noisefloor.data import TextDigests, User, load_users, open_arm
from pytest_noisefloor.errors import NoisefloorError
from pytest_noisefloor.models import fingerprints_at_hand
from pytest_noisefloor.results import (
    Attempts,
    ResultError,
    ResultFile,
    attempts,
    commit_order,
    is_whole,
    lift,
    read_file,
    rejudge_file,
    write_result,
)
from pytest_noisefloor.specs import SCORER, UNTRAINED
from pytest_noisefloor.training import METHODS, open_method

from .claim import Claim

Row = tuple[str, Any, Any]
"""A check: what is compared, its value in the evidence, and the value expected."""


class EvidenceError(NoisefloorError):
    """Evidence that is missing, or does not match its claim."""


@dataclass(frozen=True)
class Evidence:
    """What a claim's evidence says today.

    ``gaps`` lists what could not be checked. ``texts`` has the digests of all training texts and
    slices, and ``written`` says when the file was written. ``attempts`` counts the verdicts on its
    texts up to this one, or is None if no ledger tells.
    """

    verdict: Verdict
    gaps: tuple[str, ...]
    texts: frozenset[str]
    written: datetime
    attempts: Attempts | None

    @property
    def count(self) -> str:
        """The count of verdicts, as a sentence that follows the claim's."""
        if self.attempts is None:
            return "No ledger tells how many verdicts were formed on these texts."
        return f"This is {self.attempts}."


def judge_evidence(claim: Claim) -> Evidence:
    """Judge a claim's evidence as of today, without training and without torch.

    Raises:
        EvidenceError: the evidence is missing, edited or planted; it is stale (made with another
            bet text, recipe, arm, method or scorer, or on another base or text than today's); its
            base, method, users or seeds are not the claim's; it is older than the bet's lock, or
            was committed before the bet's text was; or it cannot be judged.
    """
    path = claim.evidence
    how = "; renew it with --noisefloor-train"
    if not path.is_file():
        raise EvidenceError(f"{path}: the evidence of claim {claim.id!r} is missing{how}")
    try:
        content = read_file(path)
    except ResultError as error:
        raise EvidenceError(f"{error}{how}") from None
    found = _examine(claim, content, str(path), how)
    if (order := commit_order(path, content["bet"]["sha256"])) and order.wrong:
        raise EvidenceError(
            f"{path}: it was committed ({order.file}) before the text of Bet {claim.bet.id} was "
            f"({order.text}); expected a bet that is locked before it is run"
        )
    return found


def replace_evidence(claim: Claim, content: dict[str, Any]) -> None:
    """Replace a claim's evidence with a new result that is checked first.

    Raises:
        EvidenceError: as ``judge_evidence``; the file is then left as it was.
    """
    where = f"{claim.evidence}: left as it was, since the new result does not fit it"
    _examine(claim, content, where)
    write_result(claim.evidence, content)


def _examine(claim: Claim, content: Any, where: str, how: str = "") -> Evidence:
    """Check that a result matches the claim, and judge it.

    Messages begin with ``where`` and end with ``how``.
    """
    file = _sealed(content, where, how)
    base, base_gap = _base_today(claim, file)
    for rests, rows in (
        (f"claim {claim.id!r} rests on", _compared(claim, file)),
        ("today's is", base),
        (f"Bet {claim.bet.id} registers", _texts(file.texts, claim.bet.texts)),
    ):
        for what, found, expected in rows:
            if found != expected:
                raise EvidenceError(f"{where}: {what} is {found!r}, but {rests} {expected!r}{how}")
    if claim.texts:
        claimed_users(claim, str(claim.texts))  # which must still be the registered ones
    since = claim.bet.registration.locked
    if since and file.times.written_at < began(since):
        raise EvidenceError(
            f"{where}: it was written at {file.times.written}, before the text of Bet "
            f"{claim.bet.id} was locked on {since}; expected a bet that is locked before it is run"
        )
    try:
        verdict, count = rejudge_file(file, claim.bet), attempts(file, claim.bet)
    except NoisefloorError as error:
        raise EvidenceError(f"{where}: cannot be judged ({error})") from None
    digests = {row.train_sha256 for row in file.users}
    digests |= {piece.sha256 for row in file.users for piece in row.slices}
    return Evidence(verdict, tuple(base_gap), frozenset(digests), file.times.written_at, count)


def _sealed(content: Any, where: str, how: str) -> ResultFile:
    """Return a result file after checking that it has its seal and is not planted."""
    try:
        file = lift(content, where)
    except ResultError as error:
        raise EvidenceError(f"{error}{how}") from None
    if not file.seal or not is_whole(content):
        raise EvidenceError(
            f"{where}: the seal is not that of the content: it was edited after it was written, or "
            f"written without one{how}"
        )
    if file.verdict.planted:
        raise EvidenceError(
            f"{where}: it is PLANTED, made on a base or by a bet that only proves the machinery: "
            "nothing can be claimed on it"
        )
    return file


def began(day: date) -> datetime:
    """Return when a day began in the earliest time zone (UTC+14), so that no time zone matters."""
    return datetime.combine(day, time(), timezone(timedelta(hours=14)))


def _compared(claim: Claim, file: ResultFile) -> Iterator[Row]:
    """Pair what the file says of itself with what the claim and this version expect."""
    # files of version 1 have no sums, without which nothing can be claimed
    yield "the file's schema", file.layout, max(file.layout, 2)
    made = file.bet.sha256
    yield "bet.sha256", made, made if claim.bet.has_text(made) else claim.bet.sha256
    digits = claim.fingerprint
    yield "base.name", file.base.name, claim.base
    yield "base.fingerprint", file.base.fingerprint[: len(digits)], digits
    method, versions = open_method(claim.method), file.versions
    yield "method.name", file.method.name, method.name
    yield "the method's version", versions.method, method.version
    for name, version in versions.other_methods.items():
        today = METHODS[name].version if name in METHODS else None
        yield f"the version of method {name}", version, today
    yield "the scorer", versions.scorer, SCORER
    recipe, scoring = asdict(claim.bet.recipe), asdict(claim.bet.scoring)
    yield from ((f"recipe.{key}", of, recipe[key]) for key, of in file.recipe)
    yield from ((f"scoring.{key}", of, scoring[key]) for key, of in file.scoring)
    yield "the users", sorted({row.user for row in file.users}), sorted(claim.users)
    yield "the seeds", list(file.seeds), list(claim.bet.seeds)
    if claim.bet.contrast.by_cell:
        yield "the list of cells", *_cells(file)
    # open only arms that the bet names: import paths from an evidence file are not followed
    arms = {c.arm for label in claim.bet.contrast.trained for c in parse_label(label)} - {UNTRAINED}
    for arm, version in versions.arms.items():
        today = open_arm(arm).version if arm in arms else None
        yield f"the version of arm {arm}", version, today
    for row in file.users:
        for piece in row.slices:
            what = f"{row.name}'s scores in {piece.slice}, by arm"
            yield what, sorted(piece.sums), sorted((UNTRAINED, *claim.bet.contrast.trained))


def _base_today(claim: Claim, file: ResultFile) -> tuple[list[Row], list[str]]:
    """Pair the measured base's fingerprints with those of its local files; list what is missing."""
    model, whole = fingerprints_at_hand(claim.located)
    if whole:
        return [("the base measured", file.base.fingerprint, whole)], []
    if model:
        tokenizer = f"the tokenizer of {claim.base} (made ready when the base is first used)"
        return [("the model measured", file.base.model, model)], [tokenizer]
    return [], [f"the base {claim.base}, whose files are not looked for"]


def _texts(found: Mapping[str, TextDigests], expected: Mapping[str, TextDigests]) -> Iterator[Row]:
    """Pair the digests of users' texts with those expected of the same users."""
    for user, texts in expected.items():
        yield f"{user}'s text", found[user].train, texts.train
        yield f"{user}'s held-out text", found[user].heldout, texts.heldout


def _cells(file: ResultFile) -> tuple[list[str], list[str]]:
    """Return the cells present or recorded as repeats, and every slice under every seed."""
    slices = dict.fromkeys((row.user, piece.slice) for row in file.users for piece in row.slices)
    every = [f"{user}, seed {seed}, {piece}" for user, piece in slices for seed in file.seeds]
    return sorted([*(row.name for row in file.users), *file.repeats]), sorted(every)


def claimed_users(claim: Claim, where: str) -> tuple[User, ...]:
    """Load the claim's users with their texts from ``where``.

    Raises:
        EvidenceError: a user is missing, or a text is not the registered one.
        CorpusError: a text cannot be used.
    """
    bet = claim.bet
    found = {u.name: u for u in load_users(where, bet.users, bet.refused_names)}
    missing = [name for name in claim.users if name not in found]
    if missing:
        raise EvidenceError(
            f"{claim.file}: claim {claim.id!r}: no text of {', '.join(missing)} among the users "
            f"of {where!r}; expected a folder with them, by the claim's key 'texts' or "
            "--noisefloor-users"
        )
    users = tuple(found[name] for name in claim.users)
    for what, digest, expected in _texts({u.name: u.digests for u in users}, bet.texts):
        if digest != expected:
            raise EvidenceError(
                f"{claim.file}: claim {claim.id!r}: in {where!r} {what} is {digest!r}, but Bet "
                f"{bet.id} registers {expected!r}"
            )
    return users
