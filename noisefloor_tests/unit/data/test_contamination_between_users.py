"""Users among each other: whose text was trained on as well, and what all of them may share."""

from itertools import combinations
from random import Random

import numpy as np
import pytest

from noisefloor_tests.support.texts import words
from pytest_noisefloor.data.contamination import (
    LEAK_SHARE,
    NGRAM,
    LeakError,
    _shared,
    check_between_users,
)
from pytest_noisefloor.data.users import Slice, User


def person(name, train=(), heldout=()):
    """A user of 1,200 words of training text and 600 held out, and what is added to them."""
    return User(
        name,
        " ".join([*words(1200, f"{name}t"), *train]),
        (Slice("only", " ".join([*words(600, f"{name}h"), *heldout])),),
    )


ANN, BOB, CY = (person(name) for name in ("ann", "bob", "cy"))


def test_users_with_text_of_their_own_pass():
    check_between_users([ANN, BOB, CY])
    check_between_users([ANN])


def test_a_list_that_is_never_emptied_between_users_is_caught():
    piled = [ANN, person("bob", ANN.train.split()), person("cy", (ANN.train + BOB.train).split())]
    with pytest.raises(LeakError, match=r"^user cy, training text: .* with user bob's training"):
        check_between_users(piled)


@pytest.mark.parametrize("order", [0, 1, 2])
def test_the_same_user_is_named_whatever_the_order_of_users(order):
    users = [ANN, person("bob", ANN.train.split()), CY]
    Random(order).shuffle(users)  # noqa: S311
    with pytest.raises(LeakError) as caught:
        check_between_users(users)
    assert str(caught.value) == (
        "user bob, training text: word 13-grams shared with user ann's training text are 100.00% "
        "of the smaller of the two (at most 1% may); the first: 'annt0 annt1 annt2 annt3 annt4 "
        "annt5 annt6 annt7 annt8 annt9 annt10 annt11 annt12'. Train each user on their own text "
        "alone: remove from both what neither user wrote"
    )


def test_training_on_another_users_held_out_text_is_caught():
    cheat = person("bob", ANN.heldout[0].text.split())
    with pytest.raises(
        LeakError, match=r"user bob, training text: .* user ann's slice only are 100"
    ):
        check_between_users([ANN, cheat])


def test_a_part_of_a_far_larger_text_is_caught_by_its_share_of_the_smaller():
    library = person("cy", words(20_000, "book"))
    copied = person("ann", library.train.split()[5000:5100])  # 0.4 % of the library
    with pytest.raises(LeakError, match=r"user cy, .* user ann's training text are 6\.8\d%"):
        check_between_users([copied, library])


def test_held_out_texts_may_share_what_nobody_trains_on():
    letter = words(300, "letter")
    check_between_users([person("ann", heldout=letter), person("bob", heldout=letter)])


def test_a_slice_given_twice_is_no_second_measurement():
    (only,) = ANN.heldout
    twice = User("ann", ANN.train, (only, Slice("copy", f"{only.text} {BOB.heldout[0].text}")))
    with pytest.raises(LeakError) as caught:
        check_between_users([BOB, twice])
    assert str(caught.value) == (
        "user ann, slice only: word 13-grams shared with user ann's slice copy are 100.00% of the "
        "smaller of the two (at most 1% may); the first: 'annt'. The same text twice is no second "
        "measurement; take it out of one of the two"
    ).replace("'annt'", f"{' '.join(words(13, 'annh'))[:100]!r}")


def test_what_a_user_shares_with_themselves_is_left_to_the_contamination_check():
    check_between_users([person("ann", heldout=ANN.train.split()), BOB])


@pytest.mark.parametrize(("spare", "leaks"), [(0, False), (1, True)])
def test_boilerplate_passes_up_to_the_leak_share_however_long_its_paragraph(spare, leaks):
    """A licence of 62 words in texts of 5,000: 50 shared 13-grams; one more is too many."""
    licence = words(50 + NGRAM - 1 + spare, "licence")
    own = 5000 + NGRAM - 1 - len(licence) - 1200
    users = [person(name, [*words(own, f"{name}more"), *licence]) for name in ("ann", "bob")]
    assert LEAK_SHARE == 50 / 5000
    if leaks:
        with pytest.raises(LeakError, match=r"are 1\.02% of the smaller of the two"):
            check_between_users(users)
    else:
        check_between_users(users)


def test_what_pairs_of_texts_share_is_counted_as_by_hand():
    grams = [{1, 2, 3}, {2, 3, 4}, set(), {3, 9}, {-5}]
    found = _shared(
        np.concatenate([np.array(sorted(own), dtype=np.int64) for own in grams]),
        [len(own) for own in grams],
    )
    pairs = combinations(range(len(grams)), 2)
    assert found == {(a, b): n for a, b in pairs if (n := len(grams[a] & grams[b]))}
    assert not _shared(np.array([], dtype=np.int64), [0, 0])


def test_boilerplate_of_many_users_is_counted_for_each_pair():
    licence = words(NGRAM + 4, "licence")  # five n-grams
    users = [person(f"user{number}", licence) for number in range(30)]
    check_between_users(users)  # five of 1,200 are within LEAK_SHARE
    longer = words(NGRAM + 40, "licence")
    with pytest.raises(LeakError, match="shared with user user1's training text are 3"):
        check_between_users([person(f"user{number}", longer) for number in range(3)])
