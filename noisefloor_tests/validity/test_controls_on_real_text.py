"""Two controls on real text: a dialect that must be learned, and noise that must not win.

Their trainings take hours. They stay in the session's store, so an interrupted run continues.
"""

import numpy as np
import pytest

from noisefloor_tests.support import dialect, planted, pseudo_users
from noisefloor_tests.support.bins_planted import told
from noisefloor_tests.support.pseudo_users import CONTRAST, COUNT, MOST_WON
from pytest_noisefloor.bets.licensing import MARGIN, claimable
from pytest_noisefloor.bets.registry import registered_bet
from pytest_noisefloor.data.arms import ARMS, ArmInput, Real
from pytest_noisefloor.data.users import Slice, User, load_users
from pytest_noisefloor.models.loading import open_base
from pytest_noisefloor.plugin.session import SETTINGS, build_experiment, judged
from pytest_noisefloor.results.spread_file import filed_spread
from pytest_noisefloor.specs import Recipe
from pytest_noisefloor.stats.inference import infer
from pytest_noisefloor.stats.spread import spreads_of

BET60 = registered_bet("bet60")


def on_reference_base(config, bet, users):
    """An experiment on the reference base; its runs are in the session's store."""
    return build_experiment(
        config,
        bet=bet,
        base=open_base("reference"),
        users=users,
        seeds=bet.seeds,
        out=config.stash[SETTINGS].out,
    )


def inferred(all_bins, filed=()):
    """Intervals and tests as Bet 60 has them."""
    known = spreads_of(all_bins, CONTRAST, filed)
    return infer(all_bins, CONTRAST, margin=MARGIN, spreads=known)


# --- a dialect -----------------------------------------------------------------------------------


@pytest.mark.catalogue
def test_a_dialect_is_learned_and_may_be_claimed(request):
    """LENIENT must be licensed. The same against the user's own token frequencies is printed.

    The swaps make the untrained base's perplexity 8 to 13 times as high, so there is much to be
    learned. All draws are fixed, so on one machine the outcome does not vary.
    """
    users = [dialect.dialect(user) for user in load_users("shipped")]
    verdict, beside = (
        judged(request.config, on_reference_base(request.config, bet, users))
        for bet in (dialect.BET, dialect.BESIDE)
    )
    for one in (verdict, beside):
        print(f"{one.bet.name}: {one.level.name}, may be claimed: {claimable(one)}")
    assert "LENIENT" in claimable(verdict)


def swapped(words, heldout="", name="ann"):
    """The texts of a dialect's user, and the swaps."""
    user = User(name, words, (Slice("only", heldout),))
    found = dialect.dialect(user)
    return found.train, found.heldout[0].text, dialect.swapped_words(user)


def test_words_of_a_dialect_change_places_with_neighbours_in_rank():
    """Eight words of counts 8 to 1, in two groups of four."""
    ranked = ["the", "of", "and", "to", "in", "it", "is", "as"]
    text = " ".join(word for n, word in enumerate(ranked) for _ in range(8 - n))
    train, heldout, swaps = swapped(text, "As the cat is OF it, so is The end.")
    assert {*swaps} == {*ranked}
    assert all(swaps[swaps[word]] == word != swaps[word] for word in ranked)
    assert all((ranked.index(a) < 4) == (ranked.index(b) < 4) for a, b in swaps.items())
    assert train.split() == [swaps[word] for word in text.split()]
    expected = "{as} {the} cat {is} {of} {it}, so {is} {The} end."
    assert heldout.lower() == expected.lower().format(**swaps)
    assert heldout.split()[4] == swaps["of"].upper()
    assert heldout.split()[8] == swaps["the"].capitalize()


def test_a_dialect_leaves_single_letters_mixed_cases_and_rare_words_alone():
    text = "aa bb cc dd " * 9 + "I a aB aaB x2 rare"
    train, _, swaps = swapped(text)
    assert {*swaps} == {"aa", "bb", "cc", "dd"}
    assert train.endswith("I a aB aaB x2 rare")


def test_each_user_has_a_dialect_of_their_own_and_always_the_same():
    words = [f"{a}{b}" for a in "abcdefghij" for b in "klmnopqrst"]
    text = " ".join(words)
    assert swapped(text) == swapped(text)
    assert swapped(text)[2] != swapped(text, name="bob")[2]


def test_a_dialect_of_real_text_is_undone_by_the_same_swaps():
    """So it shares as much between training and held-out text as the original does."""
    (user,) = load_users("shipped", ["programmer"])  # code mixes cases most
    changed, swaps = dialect.dialect(user), dialect.swapped_words(user)
    assert len(swaps) == dialect.COMMON
    assert dialect.swap(changed.train, swaps) == user.train
    for before, after in zip(user.heldout, changed.heldout, strict=True):
        assert dialect.swap(after.text, swaps) == before.text != after.text


def test_the_dialects_result_is_planted():
    assert dialect.BET.planted
    assert dialect.BESIDE.planted
    assert dialect.BET.recipe == BET60.recipe
    assert dialect.BET.criteria == BET60.criteria


# --- noise ---------------------------------------------------------------------------------------


@pytest.mark.catalogue
def test_a_text_of_noise_does_not_beat_noise(request):
    """Of 39 pseudo-users at most 5, by norm gains, where random tokens help the base as well.

    If the intervals hold the truth in 95 %, more than 5 win with probability 0.0004. Intervals that
    leave out the spread of trainings lie above 0 for about 20 %, and then more than 5 win with
    probability 0.82. An arm that reads the user's own text wins for most, as in Bet 60.
    """
    shipped = load_users("shipped")
    runner = on_reference_base(request.config, BET60, shipped).runner
    users = pseudo_users.pseudo_users(shipped, COUNT // len(shipped))
    # both arms read noise, so each varies between trainings as random tokens do
    filed = [
        dict.fromkeys(CONTRAST.compared, filed_spread(runner, user.name[:-3], "random"))
        for user in users
    ]
    units = inferred(pseudo_users.scored(runner, users), filed)
    assert len(units) == COUNT
    assert all(one.delta.of_trainings for one in units)
    told("pseudo-users lost", sum(one.delta.high < 0 for one in units), COUNT)
    told(
        "pseudo-users helped",
        sum(one.help is not None and one.help.low > 0 for one in units),
        COUNT,
    )
    told("pseudo-users won", len(pseudo_users.won(units)), COUNT)
    assert len(pseudo_users.won(units)) <= MOST_WON


def text_of(arm, user, text, seed=0):
    """All blocks of a training, (steps × batch, sequence), of eight ids in a vocabulary of 100."""
    given = ArmInput(user, vocabulary=100, text=text, text_ids=np.arange(40, 48))
    return np.concatenate(list(arm.batches(given, Recipe(steps=200, sequence=16), seed)))


def test_another_draw_reads_nothing_of_a_users_text_but_its_length():
    arm, text = pseudo_users.TEXT, np.arange(64)
    blocks = text_of(arm, "ann-00", text)
    np.testing.assert_array_equal(blocks, text_of(arm, "ann-00", text[::-1]))
    assert {*blocks.ravel().tolist()} == {*range(40, 48)}
    assert len({*map(tuple, blocks.tolist())}) == 64 - 16 + 1  # 800 starts in 49 places
    for other in (
        text_of(arm, "ann-01", text),
        text_of(arm, "ann-00", text, seed=1),
        text_of(ARMS["random-text"], "ann-00", text),
    ):
        assert not {*map(tuple, blocks.tolist())} & {*map(tuple, other.tolist())}


@pytest.fixture(scope="module")
def pseudo(tiny, tmp_path_factory):
    """A function: the inferences of four pseudo-users of a planted user, over three seeds."""
    users = [planted.user("ann", 1, lengths=(4096,))]
    place = tmp_path_factory.mktemp("pseudo")
    runner = planted.experiment(planted.damaged_base(0.2), users, place, steps=2).runner
    several = pseudo_users.pseudo_users(users, 4)
    return lambda: inferred(pseudo_users.scored(runner, several, seeds=(0, 1, 2)))


def test_pseudo_users_of_a_planted_base_do_not_win(pseudo):
    """At 2.5 % each, two of four or more win in 0.4 % of draws; seeded, in none of ours."""
    units = pseudo()
    assert [one.user for one in units] == [f"ann-0{n}" for n in range(4)]
    assert len(pseudo_users.won(units)) <= 1


def test_an_arm_that_reads_the_users_text_as_its_noise_wins_for_all(pseudo, monkeypatch):
    """The cheat: ``real`` under the name of the noise."""

    class Peeping(Real):
        name = "another-draw"
        version = 2  # or it would get the adapters that noise left in the store

    monkeypatch.setattr(pseudo_users, "TEXT", Peeping())
    assert len(pseudo_users.won(pseudo())) == 4
