"""Labels in words: what a bet compares and asks for, as a sentence has it."""

import pytest

from pytest_noisefloor.bets.registry import registered_bet
from pytest_noisefloor.report.labels import render_label

BET = registered_bet("bet60")


def test_criteria_are_said_in_words():
    assert list(map(str, BET.criteria)) == [
        "ratio at least 1.5 on all users",
        "ratio at least 1.1 on 2/3 of the users",
        "ratio below 1 on 2/3 of the users",
    ]


@pytest.mark.parametrize(
    ("label", "words"),
    [
        ("real", "the user's own text"),
        ("random | other", "the best of random tokens and the other users' adapters"),
        ("other", "the best of the other users' adapters"),
        ("full/real@0.0005", "full fine-tuning on the user's own text at a rate of 0.0005"),
        ("lora-r4/real", "LoRA of rank 4 on the user's own text"),
        ("temperature/random", "one factor of the logits trained on random tokens"),
        ("norm-only/pooled", "norm-only on the other users' texts"),
        ("norm-only/other", "the best of the other users' adapters by norm-only"),
        (
            "real | random | untrained",
            "the best of the user's own text, random tokens and the untrained base",
        ),
        ("untrained", "the untrained base"),
    ],
)
def test_a_label_reads_as_a_sentence_has_it(label, words):
    assert render_label(label) == words
