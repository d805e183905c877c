"""Claims files: each mistake is one message that names file, claim and key."""

import pytest

from noisefloor_tests.claims_planted import entry
from pytest_noisefloor.claims import ClaimError, load_claims


@pytest.fixture
def refused(tmp_path):
    """The message with which a claims file is refused."""

    def load(text):
        file = tmp_path / "claims.toml"
        file.write_text(text)
        with pytest.raises(ClaimError) as caught:
            load_claims(file)
        assert str(caught.value).startswith(f"{file}: ")
        return str(caught.value)

    return load


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"colour": "red"}, "key 'colour' = 'red'; expected one of id, bet, base"),
        ({"bet": "bet99"}, "key 'bet': bet 'bet99': expected bet37 or"),
        ({"bet": None}, "key 'bet' is missing; expected text"),
        ({"base": "nowhere"}, "key 'base' = 'nowhere'; expected reference, smollm2-135m, a"),
        ({"base": "tiny"}, "key 'base' = 'tiny'; expected reference, smollm2-135m, a"),
        ({"method": "magic"}, "key 'method' = 'magic'; expected norm-only"),
        ({"asserts": "MAYBE"}, "key 'asserts' = 'MAYBE'; expected STRICT or LENIENT or NOT_MET"),
        ({"users": []}, "key 'users' = []; expected \"shipped\" or a list of names"),
        ({"users": "ann"}, "key 'users' = 'ann'; expected \"shipped\" or a list of names"),
        ({"users": ["ann", "ann"]}, "key 'users' = ['ann', 'ann']; expected \"shipped\" or a "),
        ({"users": ["../ann"]}, "key 'users' = ['../ann']; expected \"shipped\" or a list"),
        ({"fingerprint": "xyz"}, "key 'fingerprint' = 'xyz'; expected 12 hexadecimal digits"),
        ({"fingerprint": None}, "key 'fingerprint' is missing; expected 12 hexadecimal digits"),
        ({"note": 7}, "key 'note' = 7; expected text"),
        ({"id": "a b"}, "key 'id' = 'a b'; expected letters"),
        ({"id": ".."}, "key 'id' = '..'; expected letters"),
        ({"evidence": "x.toml"}, "key 'evidence' = 'x.toml'; expected a .json file in the claims"),
        ({"evidence": "../x.json"}, "key 'evidence' = '../x.json'; expected a .json file in the"),
        ({"evidence": "/x.json"}, "key 'evidence' = '/x.json'; expected a .json file in"),
        ({"texts": "nowhere"}, "key 'texts' = 'nowhere'; expected the folder of the users' texts"),
        ({"texts": ".", "users": "shipped"}, "key 'texts' = '.'; expected the folder of the users"),
    ],
)
def test_a_malformed_entry_names_file_claim_and_key(refused, changes, message):
    text = refused(entry("x", "LENIENT", **changes))
    assert ": claim " in text
    assert message in text
    assert "\n" not in text


@pytest.mark.parametrize("date", ["2026-11-23T10:00:00", '"2026-11-23"', "20261123"])
def test_a_date_is_a_date(refused, date):
    text = refused(entry("x", "LENIENT").replace("2026-11-23", date))
    assert "claim 'x': key 'date' = " in text
    assert text.endswith("; expected a date")


@pytest.mark.parametrize("text", ["[[claims]]", "claim = 7", "title = 'mine'", "[[claim]\n"])
def test_a_file_of_anything_else_is_refused(refused, text):
    refused(text)


# --- two claims --------------------------------------------------------------------------------


def test_an_id_that_is_given_twice_is_refused(refused):
    text = refused(entry("x", "LENIENT") + entry("x", "STRICT", base="other/model"))
    assert "claim 'x': key 'id': given twice" in text


def test_evidence_of_two_claims_is_refused(refused):
    other = {"base": "other/model", "evidence": "./x.json"}
    text = refused(entry("x", "LENIENT") + entry("y", "LENIENT", **other))
    assert "claim 'y': key 'evidence': given twice" in text


@pytest.mark.parametrize("asserts", ["STRICT", "NOT_MET", "LENIENT"])
def test_two_claims_about_one_thing_are_refused_whatever_they_assert(refused, asserts):
    again = entry("y", asserts, users=["cy", "ann", "bob"], fingerprint="e" * 12)
    text = refused(entry("x", "LENIENT") + again)
    assert (
        "claim 'y': keys 'bet', 'base', 'method' and 'users' are those of claim 'x', which asserts "
        f"LENIENT, as this does {asserts}; expected one claim about one thing" in text
    )


def test_one_folder_by_two_names_is_one_base(refused, tmp_path):
    tmp_path.joinpath("model").mkdir()
    text = refused(entry("x", "LENIENT", base="model") + entry("y", "LENIENT", base="./model/"))
    assert "those of claim 'x'" in text
