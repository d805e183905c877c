"""Every kind of file that we read, mutated at random: one clear error, or what it said before.

2,054 mutations of thirteen kinds of file, each drawn by a number of its own, so the outcome does
not vary. (Hypothesis also draws constants of the modules that are loaded, so that the same seed
draws others in another session.) Where a mutated file is accepted, it says the same as before, or
it is said that it does not: a result's seal, a bet's lock, a base's fingerprint.
"""

import json
import random
import shutil

import numpy as np
import pytest

from noisefloor_tests.support.base_folders import KEPT, shard, write_base
from noisefloor_tests.support.claims_planted import LENIENT, entry, evidence, lock_own_bet
from noisefloor_tests.support.results_planted import planted_result
from pytest_noisefloor._files import resource_path
from pytest_noisefloor.bets.registry import open_bet
from pytest_noisefloor.claims.claim import load_claims
from pytest_noisefloor.claims.evidence import judge_evidence
from pytest_noisefloor.data.contamination import check_contamination
from pytest_noisefloor.data.users import load_users
from pytest_noisefloor.errors import NoisefloorError
from pytest_noisefloor.models.loading import open_base
from pytest_noisefloor.results.rejudging import rejudge
from pytest_noisefloor.runs.ledger import read_ledger
from pytest_noisefloor.runs.record import Record, read_record, write_record

EACH = 158
"""Mutations of a kind; thirteen kinds have 2,054."""

PIECES = [b"", b"\0", b"\xff", b"\xef\xbb\xbf", b"\x1b[31m", b"\n", b'"', b"{", b"]", b"=", b"-1"]
PIECES += [b"NaN", b"1e999", b"null", b"true", b"[[claim]]\n", b"../", b"9" * 5000, b"\xe2\x80\xae"]


def mutated(content, number):
    """The content with one to three changes: bytes replaced, taken out, repeated or put in."""
    draw = random.Random(number)  # noqa: S311 (no secret)
    for _ in range(draw.randint(1, 3)):
        at = draw.randint(0, len(content))
        end = min(len(content), at + draw.choice([0, 1, 1, 2, 8, 64, 4096]))
        match draw.choice(["cut", "put", "flip", "repeat", "truncate"]):
            case "cut":
                content = content[:at] + content[end:]
            case "put":
                content = content[:at] + draw.choice(PIECES) + content[end:]
            case "flip" if at < len(content):
                changed = content[at] ^ (1 << draw.randint(0, 7))
                content = content[:at] + bytes([changed]) + content[at + 1 :]
            case "repeat":
                content = content[:end] + content[at:end] + content[end:]
            case "truncate":
                content = content[:at]
            case _:
                pass
    return content


# --- what is read, and what it says -------------------------------------------------------------


def own_claims(folder):
    """A claims file, its bet and evidence; what the claim's evidence says."""
    lock_own_bet(folder)
    (folder / "claims.toml").write_text(entry("ours", "LENIENT", evidence="e.json"))
    (folder / "e.json").write_text(json.dumps(evidence(LENIENT)))


def says_bet(folder):
    """The design and whether it is locked; an unlocked one says so."""
    bet = open_bet(str(folder / "ours.toml"))
    locked = bet.registration.locked
    return "not locked" if locked is None else (bet.id, bet.sha256, bet.recipe, bet.criteria)


def says_claims(folder):
    """A claims file is its owner's to edit: what a claim asserts is judged, and not kept."""
    for claim in load_claims(folder / "claims.toml"):
        if not claim.withdrawn:
            judge_evidence(claim)


def says_evidence(folder):
    (claim,) = load_claims(folder / "claims.toml")
    return judge_evidence(claim).verdict.level


def says_result(folder):
    judged = rejudge(folder / "result.json")
    changed = any("seal" in note for note in judged.notes)
    return "not as sealed" if changed else judged.verdict.level


def says_published(folder):
    """A table has no seal, and its own verdict is compared with ours."""
    return rejudge(folder / "published.toml") and None


def says_users(folder):
    """A text is its owner's to edit; its digest is what is compared."""
    return check_contamination(load_users(folder / "users")) and None


def says_ledger(folder):
    """Lines at the end can be removed: what is left is what was written."""
    lines, whole = read_ledger(folder / "a.jsonl"), read_ledger(resource_path("ledger.jsonl"))
    assert lines == whole[: len(lines)]


def says_record(folder):
    record = read_record(folder / "r.safetensors", "k" * 64)
    return record and (record.facts, {n: a.tobytes() for n, a in record.arrays.items()})


def says_base(folder, name="base"):
    """A base that loads is the base before, or has another fingerprint."""
    base = open_base(str(folder / name))
    weights = {n: t.numpy().tobytes() for n, t in base.model("cpu").state_dict().items()}
    tokens = base.tokenizer.encode("w3 w63 w9 stranger").tolist()
    return base.fingerprint, weights, tokens, base.tokenizer.prefix


def says_sharded(folder):
    return says_base(folder, "sharded")


def made(folder, build, write_users):
    """All files, in a folder."""
    own_claims(folder)
    shutil.copy(resource_path("published", "bet60.toml"), folder / "published.toml")
    shutil.copy(resource_path("ledger.jsonl"), folder / "a.jsonl")
    (folder / "result.json").write_text(json.dumps(planted_result(LENIENT)))
    write_users(folder / "users", "ann", "bob")
    record = Record({"gain": np.arange(9, dtype=np.float32)}, {"losses": [1.5]})
    write_record(folder / "r.safetensors", "k" * 64, record)
    (folder / "base").mkdir()
    write_base(folder / "base", build("Llama", tie_word_embeddings=True))
    shutil.copytree(folder / "base", folder / "sharded")
    shard(folder / "sharded")


KINDS = {
    "bet": ("ours.toml", says_bet),
    "lock": ("LOCK", says_bet),
    "claims": ("claims.toml", says_claims),
    "evidence": ("e.json", says_evidence),
    "result": ("result.json", says_result),
    "published table": ("published.toml", says_published),
    "training text": ("users/ann/train.txt", says_users),
    "ledger": ("a.jsonl", says_ledger),
    "record": ("r.safetensors", says_record),
    "config": ("base/config.json", says_base),
    "weights": (f"base/{KEPT}", says_base),
    "tokenizer": ("base/tokenizer.json", says_base),
    "index": ("sharded/model.safetensors.index.json", says_sharded),
}


@pytest.fixture(scope="module")
def files(tmp_path_factory, build, write_users):
    folder = tmp_path_factory.mktemp("files")
    made(folder, build, write_users)
    return folder


def outcome(says, folder):
    """What a file says, or that it is refused, in one line."""
    try:
        return says(folder)
    except NoisefloorError as error:
        message = str(error)
        assert message
        assert message.isprintable() or "not what was" in message  # a bet's difference has lines
        return "refused"


def may_follow(kind, before, after):
    """Whether a file that said ``before`` may say ``after`` once it is changed."""
    if kind in ("config", "weights", "tokenizer", "index"):
        return after in (before, "refused") or after[0] != before[0]  # the fingerprint
    return after in (before, "refused", "not locked", "not as sealed", None)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_a_mutated_file_is_refused_in_one_line_or_says_what_it_said(files, kind):
    name, says = KINDS[kind]
    path = files / name
    whole = path.read_bytes()
    before = outcome(says, files)
    assert before != "refused"
    refused = 0
    for number in range(EACH):
        path.write_bytes(mutated(whole, number))
        try:
            after = outcome(says, files)
        finally:
            path.write_bytes(whole)
        refused += after == "refused"
        assert may_follow(kind, before, after), number
    print(f"{kind}: {refused} of {EACH} mutations refused")
    assert outcome(says, files) == before


@pytest.mark.parametrize(
    ("kind", "before", "after"),
    [
        ("evidence", "LENIENT", "STRICT"),
        ("result", "LENIENT", "NOT_MET"),
        ("weights", ("a", 1), ("a", 2)),
    ],
)
def test_another_verdict_or_model_in_silence_is_what_must_not_follow(kind, before, after):
    assert not may_follow(kind, before, after)
    assert may_follow(kind, before, before)
    assert may_follow(kind, before, "refused")
