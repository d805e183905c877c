"""Conditions: the words of a bet file, and the mistakes in them."""

import pytest

from pytest_noisefloor.bets.conditions import Condition, ConditionError, parse_label


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("real", [Condition("real")]),
        ("full/real", [Condition("real", "full")]),
        ("random@5e-4", [Condition("random", None, 5e-4)]),
        ("full/real@5e-6 | other", [Condition("real", "full", 5e-6), Condition("other")]),
        ("untrained", [Condition("untrained")]),
    ],
)
def test_a_label_names_its_conditions_in_order(words, expected):
    assert list(parse_label(words)) == expected


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("noise", "'noise'; expected real or random or"),
        ("", "''; expected real or"),
        ("real |other", r"'real \|other'; expected real or"),
        ("magic/real", "'magic/real'; expected .*full.* before '/'"),
        ("/real", "'/real'; expected norm-only.* before '/'"),
        ("real@0", "'real@0'; expected a learning rate above 0 after '@'"),
        ("real@fast", "'real@fast'; expected a learning rate above 0"),
        ("real@inf", "'real@inf'; expected a learning rate above 0"),
        ("real@", "'real@'; expected a learning rate above 0"),
        ("full/untrained", "'full/untrained'; expected untrained without method or rate"),
        ("untrained@1e-3", "'untrained@1e-3'; expected untrained without method or rate"),
        ("real | other | real", r"'real \| other \| real'; expected each condition once"),
        (60, "60; expected real or random"),
    ],
)
def test_words_that_name_nothing_are_one_error(words, message):
    with pytest.raises(ConditionError, match=message):
        parse_label(words)


@pytest.mark.parametrize("source", ["other", "pooled"])
def test_other_users_adapters_are_trained_on_real_text(source):
    assert Condition(source).arm == "real"
