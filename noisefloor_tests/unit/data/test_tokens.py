"""What an arm is given of its user's texts, whether it declares that as a string or as Reads."""

from dataclasses import dataclass

import pytest

from pytest_noisefloor.data.arms import Reads
from pytest_noisefloor.data.tokens import Texts
from pytest_noisefloor.models.tiny import ByteTokenizer


@dataclass
class Reading:
    """An arm of a project's own, as far as it matters here."""

    reads: str
    name: str = "reading"


@pytest.fixture
def texts(recipe, scoring):
    return Texts(ByteTokenizer().encode, recipe, scoring)


@pytest.mark.parametrize("as_declared", [str, Reads], ids=["string", "enum"])
def test_an_arm_is_given_the_text_that_it_declares_and_no_other(texts, scoring, ann, as_declared):
    def given(reads):
        arm = Reading(as_declared(reads))
        return texts.read(ann, arm), texts.sha256(ann, arm)

    first, second = (list(piece.text.encode()[: scoring.tokens]) for piece in ann.heldout)
    tokens, training = given("training text")
    assert tokens.tolist() == list(ann.train.encode())
    assert training == ann.train_sha256
    tokens, heldout = given("held-out text")
    assert tokens.tolist() == first + second
    assert given("nothing") == (None, "")
    assert len({training, heldout, ""}) == 3
