"""Evidence is of the base and of the users' text as they are today, or it is one clear error."""

import pytest

from noisefloor_tests.support.claims_planted import LENIENT, evidence
from noisefloor_tests.support.locking import lock, own_text
from noisefloor_tests.support.results_by_hand import sealed
from pytest_noisefloor._files import text_sha256
from pytest_noisefloor.claims.evidence import EvidenceError, judge_evidence
from pytest_noisefloor.data.users import load_users
from pytest_noisefloor.models import loading as bases

# --- the base as it is today -------------------------------------------------------------------


@pytest.fixture
def base(tmp_path):
    """Files that make a base as far as a fingerprint goes; nothing of it can be loaded."""
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "config.json").write_text("{}")
    (folder / "model.safetensors").write_bytes(b"weights")
    (folder / "tokenizer.json").write_text('{"<|endoftext|>": 0}')
    return folder


def measured_on(folder):
    """Evidence of the folder as it is now, and what its claim must name."""
    model, whole = bases.fingerprints_at_hand(str(folder))
    content = evidence(LENIENT, "model")
    content["base"] |= {"fingerprint": whole, "model": model}
    return sealed(content), {"base": "model", "fingerprint": whole[:12]}


@pytest.mark.parametrize(
    ("file", "content"),
    [
        ("model.safetensors", "Weights"),
        ("config.json", '{"hidden_size": 8}'),
        ("tokenizer.json", '{"<|endoftext|>": 1}'),
    ],
)
def test_a_base_that_changed_since_makes_its_evidence_stale(claim, base, file, content):
    measured, named = measured_on(base)
    one = claim(measured, **named)
    assert judge_evidence(one).gaps == ()
    (base / file).write_text(content)
    with pytest.raises(EvidenceError, match=r"the base measured is '\w+', but today's is '\w+'"):
        judge_evidence(one)


@pytest.fixture
def unconverted(monkeypatch, tmp_path):
    """A machine on which no base was used yet."""
    monkeypatch.setenv("NOISEFLOOR_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize("model", ["today's", "another"])
def test_the_reference_base_is_compared_also_before_its_tokenizer_is_ready(
    claim, unconverted, model
):
    today, whole = bases.fingerprints_at_hand("reference")
    assert whole is None
    content = evidence(LENIENT, "reference")
    content["base"]["model"] = today if model == "today's" else "0" * 64
    one = claim(sealed(content), base="reference")
    if model == "another":
        with pytest.raises(EvidenceError, match="the model measured is '0000"):
            judge_evidence(one)
    else:
        assert judge_evidence(one).gaps[0] == (
            "the tokenizer of reference (made ready when the base is first used)"
        )


def test_smollm2_is_not_at_hand_before_it_was_converted(unconverted):
    assert bases.fingerprints_at_hand("smollm2-135m") == (None, None)


def test_what_is_at_hand_is_what_a_base_is_opened_with(base):
    opened = bases.open_base(str(base))
    at_hand = (opened.model_fingerprint, opened.fingerprint)
    assert bases.fingerprints_at_hand(str(base)) == at_hand


# --- the users' text as it is today ------------------------------------------------------------


@pytest.fixture
def texts(tmp_path):
    """Texts of the three users and of one more, whom no claim names."""
    for name in (*LENIENT, "dee"):
        folder = tmp_path / "texts" / name
        folder.joinpath("heldout").mkdir(parents=True)
        folder.joinpath("train.txt").write_text(f"what {name} wrote")
        for piece in ("first", "second"):
            folder.joinpath("heldout", f"{piece}.txt").write_text(f"{name}'s {piece} slice")
    return tmp_path / "texts"


@pytest.fixture
def of_texts(claim, texts, tmp_path):
    """A claim that names the folder of the texts that its bet and its evidence are of."""
    content, users = evidence(LENIENT), load_users(texts)[:3]
    path = tmp_path / "ours.toml"
    path.write_bytes(own_text(path, {user.name: user.digests for user in users}))
    lock(path)
    content["bet"]["sha256"] = text_sha256(path.read_bytes())
    for row, user in zip(content["users"], users, strict=True):
        row["train_sha256"] = user.train_sha256
        for piece, today in zip(row["slices"], user.heldout, strict=True):
            piece |= {"slice": today.name, "sha256": today.sha256}
    return claim(sealed(content), texts="texts")


def test_texts_that_are_named_are_compared(of_texts):
    assert len(judge_evidence(of_texts).gaps) == 1  # the hub's base


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ("train.txt", "in '.*texts' bob's text is '.*', but Bet ours registers '"),
        ("heldout/second.txt", "in '.*texts' bob's held-out text is "),
        ("heldout/third.txt", "in '.*texts' bob's held-out text is "),
    ],
)
def test_a_text_that_changed_since_makes_evidence_stale(of_texts, texts, file, message):
    texts.joinpath("bob", file).write_text("something else")
    with pytest.raises(EvidenceError, match=message):
        judge_evidence(of_texts)


def test_a_user_without_text_where_texts_are_named_is_an_error(of_texts, texts):
    texts.joinpath("bob").rename(texts / "bobby")
    with pytest.raises(EvidenceError, match=r"no text of bob among the users of '.*texts'"):
        judge_evidence(of_texts)
