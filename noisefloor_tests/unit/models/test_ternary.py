"""Ternary bases: each matrix three values, all else as it was, and as many bytes as are said."""

import numpy as np
import pytest
import torch

from noisefloor_tests.support.claims_planted import entry, lock_own_bet
from noisefloor_tests.support.packed import packed_bytes
from pytest_noisefloor.claims.claim import ClaimError, load_claims
from pytest_noisefloor.errors import BaseError
from pytest_noisefloor.models.loading import fingerprints_at_hand, locate, open_base
from pytest_noisefloor.models.ternary import ternarise
from pytest_noisefloor.specs import digest


def matrices(weight):
    return weight.reshape(-1, *weight.shape[-2:])


def by_hand(matrix):
    """BitNet b1.58's equations 1 to 3 in float64, one number at a time: values and scale."""
    rows = matrix.tolist()
    scale = sum(abs(w) for row in rows for w in row) / matrix.numel()
    return [[max(-1, min(1, round(w / (scale + 1e-5)))) for w in row] for row in rows], scale


@pytest.mark.parametrize("kind", ["Llama", "Mixtral", "GPT2"])
def test_matrices_become_ternary_and_nothing_else_moves(build, kind):
    """Of a tensor of experts each matrix by itself."""
    before, model = build(kind), build(kind)
    ternarise(model)
    for (name, old), new in zip(before.named_parameters(), model.parameters(), strict=True):
        if old.ndim == 1:
            assert torch.equal(old, new), name
            continue
        for one, found in zip(matrices(old), matrices(new), strict=True):
            values, scale = by_hand(one)
            # the scale is rounded to fp32, by 2⁻²⁴ of itself at most
            expected = scale * torch.tensor(values, dtype=torch.float64)
            torch.testing.assert_close(found.double(), expected, rtol=2**-24, atol=0)
            assert len(found.unique()) == 3
    assert len({*before.parameters()}) == len({*model.parameters()})  # what was tied still is


def test_a_matrix_of_zeros_stays_one():
    layer = torch.nn.Embedding.from_pretrained(torch.zeros(3, 4))
    ternarise(layer)
    assert not layer.weight.any()


# --- as a base -----------------------------------------------------------------------------------


def test_a_ternary_base_is_the_base_ternarised(tiny):
    base, expected = open_base("tiny+ternary"), tiny.model("cpu")
    ternarise(expected)
    model = base.model("cpu")
    for found, weight in zip(model.parameters(), expected.parameters(), strict=True):
        assert torch.equal(found, weight)
        assert not found.requires_grad
    assert model.lm_head.weight is model.model.embed_tokens.weight
    assert base.name == "tiny+ternary"
    assert base.planted
    assert base.tokenizer.encode("né").tolist() == [*"né".encode()]
    assert base.fingerprint == digest([tiny.fingerprint, "absmean/1"])
    assert base.model_fingerprint == tiny.model_fingerprint == ""


def test_the_base_itself_stays_as_it_was(tiny):
    before = open_base("tiny").model("cpu").state_dict()
    open_base("tiny+ternary").model("cpu")
    after = open_base("tiny").model("cpu").state_dict()
    assert all(torch.equal(weight, before[name]) for name, weight in after.items())


@pytest.fixture
def folder(tmp_path):
    """Files that make a base as far as a fingerprint goes."""
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}")
    (tmp_path / "model" / "model.safetensors").write_bytes(b"weights")
    (tmp_path / "model" / "tokenizer.json").write_text('{"<|endoftext|>": 0}')
    return tmp_path / "model"


def test_the_fingerprints_at_hand_are_those_of_the_opened_base_and_not_the_bases(folder):
    base = open_base(f"{folder}+ternary")
    at_hand = fingerprints_at_hand(f"{folder}+ternary")
    assert at_hand == (base.model_fingerprint, base.fingerprint)
    plain = fingerprints_at_hand(str(folder))
    assert at_hand == tuple(digest([one, "absmean/1"]) for one in plain)
    (folder / "model.safetensors").write_bytes(b"Weights")
    assert {*fingerprints_at_hand(f"{folder}+ternary")}.isdisjoint(at_hand)


def test_what_is_not_at_hand_of_the_base_is_not_of_the_ternary_one(tmp_path, monkeypatch):
    monkeypatch.setenv("NOISEFLOOR_CACHE", str(tmp_path))
    model, whole = fingerprints_at_hand("reference+ternary")
    assert model == digest([fingerprints_at_hand("reference")[0], "absmean/1"])
    assert whole is None
    assert fingerprints_at_hand("smollm2-135m+ternary") == (None, None)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("tinny+ternary", "base 'tinny': expected tiny, reference"),
        ("+ternary", "expected config.json and"),
        ("tiny+ternary+ternary", "base 'tiny.ternary.ternary': expected .ternary once"),
    ],
)
def test_what_is_no_base_is_no_ternary_one(name, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(BaseError, match=message):
        open_base(name)


def test_something_can_be_claimed_of_a_ternary_base_where_it_can_of_the_base(folder):
    claims = folder.parent / "claims.toml"
    lock_own_bet(folder.parent)
    for name in ("reference+ternary", "model+ternary", "org/model+ternary"):
        claims.write_text(entry("x", "LENIENT", base=name))
        (claim,) = load_claims(claims)
        assert claim.base == name
    for name in ("tiny+ternary", "nowhere+ternary", "reference+ternary+ternary"):
        claims.write_text(entry("x", "LENIENT", base=name))
        with pytest.raises(ClaimError, match=r".base = .*; expected reference"):
            load_claims(claims)
    assert locate("model+ternary", folder.parent) == f"{folder.resolve()}+ternary"
    assert locate("reference+ternary", folder.parent) == "reference+ternary"


# --- its size ------------------------------------------------------------------------------------

WORTH = 3 ** np.arange(5)  # of the trits of a byte


def pack(values):
    """-1, 0 and 1 (n,) as ⌈n / 5⌉ bytes."""
    trits = np.zeros((-(-len(values) // 5), 5), np.uint8)
    trits.flat[: len(values)] = values + 1
    return (trits @ WORTH).astype(np.uint8)


def unpack(packed, count):
    return (packed[:, None] // WORTH % 3).astype(np.float32).flat[:count] - 1


@pytest.mark.parametrize("kind", ["tiny", "Mixtral"])
def test_a_ternary_model_comes_back_from_as_many_bytes_as_are_said(tiny, build, kind):
    model = tiny.model("cpu") if kind == "tiny" else build(kind)
    ternarise(model)
    file = b""
    for weight in model.parameters():
        if weight.ndim == 1:
            file += weight.numpy().tobytes()
            continue
        for matrix in matrices(weight):
            packed = pack(matrix.sign().numpy().ravel().astype(int))
            file += np.float32(matrix.abs().max()).tobytes() + packed.tobytes()
    assert len(file) == packed_bytes(model)
    read = 0
    for weight in model.parameters():
        if weight.ndim == 1:
            found = np.frombuffer(file, np.float32, weight.numel(), read)
            read += found.nbytes
            np.testing.assert_array_equal(found, weight.numpy())
            continue
        for matrix in matrices(weight).numpy():
            (scale,) = np.frombuffer(file, np.float32, 1, read)
            packed = np.frombuffer(file, np.uint8, -(-matrix.size // 5), read + 4)
            read += 4 + packed.nbytes
            found = unpack(packed, matrix.size).reshape(matrix.shape) * scale
            np.testing.assert_array_equal(found, matrix)
    assert read == len(file)


def test_five_trits_are_the_most_that_go_into_a_byte():
    assert 3**5 <= 256 < 3**6
    assert pack(np.ones(5, int)) == [242]
