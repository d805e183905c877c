"""The base that a claim is about: what it may be, and the digits of its fingerprint."""

import pytest

from noisefloor_tests.support.claims_planted import MODEL, entry, lock_own_bet
from pytest_noisefloor.claims.claim import ClaimError, load_claims


@pytest.fixture
def read(tmp_path):
    """The claims of a file with this text, beside the bet that they name."""
    lock_own_bet(tmp_path)

    def load(*entries):
        file = tmp_path / "claims.toml"
        file.write_text("\n".join(entries))
        return load_claims(file)

    return load


@pytest.mark.parametrize("base", ["reference", "smollm2-135m", "model", "./model", "o/m", "o-1/.m"])
def test_what_a_base_may_be_is_taken_and_a_folder_located(read, tmp_path, base):
    for folder in ("model", "reference"):
        tmp_path.joinpath(folder).mkdir()
    (claim,) = read(entry("x", "LENIENT", base=base))
    folder = str(tmp_path.resolve() / "model")
    assert claim.located == (folder if base.endswith("model") else base)
    (rounded,) = read(entry("x", "LENIENT", base=f"{base}+ternary"))
    assert rounded.located == f"{claim.located}+ternary"
    assert claim.subject == ("ours", claim.located, "norm-only", ("ann", "bob", "cy"))


@pytest.mark.parametrize("digits", [12, 14, 64])
def test_a_base_of_another_fingerprint_is_refused_by_as_many_digits_as_are_claimed(read, digits):
    (claim,) = read(entry("x", "LENIENT", fingerprint="b" * digits))
    claim.check_fingerprint("b" * 64)
    for other in ("a", "c"):
        found = "b" * (digits - 1) + other * 65
        with pytest.raises(ClaimError) as caught:
            claim.check_fingerprint(found)
        assert str(caught.value) == (
            f"{claim.file}: claim 'x'.fingerprint = '{claim.fingerprint}'; "
            f"the base {MODEL} has '{found[:digits]}'"
        )
