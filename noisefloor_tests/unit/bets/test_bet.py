"""Bets are data, and read strictly."""

import hashlib
from dataclasses import replace
from fractions import Fraction

import pytest

from pytest_noisefloor._files import resource_path
from pytest_noisefloor.bets.bet import Level, load_bet
from pytest_noisefloor.bets.registry import registered_bet
from pytest_noisefloor.errors import BetError
from pytest_noisefloor.specs import Recipe, Scoring
from pytest_noisefloor.stats.contrast import Contrast

BET = registered_bet("bet60")


def test_bet60_is_what_the_source_registered_and_what_we_registered_beside_it():
    bet = registered_bet("bet60")
    assert (bet.id, bet.name) == ("60", "60_norm_only_noise_floor")
    assert (bet.method, bet.seeds) == ("norm-only", (0,))
    assert bet.users == ("programmer", "novelist", "scientist")
    assert bet.contrast == Contrast(
        numerator="random",
        denominator="real",
        reach="oracle",
        slices="pooled by tokens",
        seeds="mean of the logarithm",
        unit="user",
    )
    assert bet.recipe == Recipe(
        lr=5e-5,
        steps=100,
        batch=4,
        sequence=256,
        beta1=0.9,
        beta2=0.999,
        eps=1e-8,
        weight_decay=0.01,
        dtype="float32",
        budget_s=300.0,
    )
    assert bet.scoring == Scoring(window=512, stride=256, tokens=8192)
    assert [(c.level, c.comparison, c.threshold, c.fraction) for c in bet.criteria] == [
        (Level.STRICT, "at least", 1.5, Fraction(1)),
        (Level.LENIENT, "at least", 1.1, Fraction(2, 3)),
        (Level.CATASTROPHIC, "below", 1.0, Fraction(2, 3)),
    ]


@pytest.mark.parametrize(
    ("users", "two_of_three"),
    [(1, 1), (2, 2), (3, 2), (4, 3), (5, 4), (6, 4), (7, 5), (8, 6), (9, 6), (100, 67)],
)
def test_two_of_three_of_n_users_is_two_thirds_rounded_up(users, two_of_three):
    needed = {c.level: c.n_required(users) for c in registered_bet("bet60").criteria}
    assert needed == {
        Level.STRICT: users,
        Level.LENIENT: two_of_three,
        Level.CATASTROPHIC: two_of_three,
    }


# --- what a bet file may say -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('id = "60"\n', "", "key 'id' is missing"),
        ('id = "60"', "id = 60", "id = 60; expected text"),
        (
            "registered = 2026-11-23",
            'registered = "today"',
            "registered = 'today'; expected a date",
        ),
        (
            "registered = 2026-11-23",
            "registered = 2026-11-23T10:00:00",
            "10:00:00; expected a date",
        ),
        ('id = "60"', 'id = "60"\nnote = "x"', "unknown key 'note'; expected id, name"),
        (
            "seeds = [0]",
            "seeds = [0]\nslices = 3",
            "design: unknown key 'slices'; expected method, ",
        ),
        ("seeds = [0]", "seeds = [0, 0]", r"seeds \[0, 0\]; .*each once"),
        ('id = "60"', 'id = "../60"', r"id = '\.\./60'; expected letters, digits, _ and -"),
        ('method = "norm-only"', 'method = "magic"', "method = 'magic'; expected norm-only"),
        ('users = ["programmer", "novelist", "scientist"]\n', "", "key 'users' is missing"),
        ('users = ["programmer"', "users = [7", r"design.users\[0\] = 7; expected text"),
        ('users = ["programmer"', 'users = ["novelist"', r"users \['novelist', .*each once"),
        ('users = ["programmer"', 'users = [""', r"users \['', .*expected names"),
        ("[statistic]", "[statistics]", "unknown key 'statistics'; expected .*, statistic, "),
        (
            'numerator = "random"',
            'numerator = "noise"',
            "numerator = 'noise'; expected real or ran",
        ),
        (
            'numerator = "random"',
            'numerator = ["random"]',
            r"statistic.numerator = \['random'\]; expected text",
        ),
        ('numerator = "random"', 'numerator = "real"', "arms real, real, oracle; expected three"),
        (
            'numerator = "random"\n',
            "",
            r"statistic: key 'numerator' is missing; expected the condition whose",
        ),
        ('reach = "oracle"', 'reach = "real"', "arms real, random, real; expected three"),
        ('slices = "pooled by tokens"', 'slices = "mean"', "slices = 'mean'; expected 'pooled by"),
        ('"mean of the logarithm"', '"best"', "seeds = 'best'; expected 'mean of the logarithm'"),
        ('unit = "user"', 'unit = "slice"', "unit = 'slice'; expected 'user'"),
        (
            'unit = "user"',
            'unit = "user"\nmode = 1',
            "statistic: unknown key 'mode'; expected numerator,",
        ),
        ('id = "60"', 'id = "60"\nplanted = 1', "planted = 1; expected true or false"),
        ("seeds = [0]", "seeds = []", r"seeds \[\]; expected whole numbers"),
        ("seeds = [0]", "seeds = [-1]", r"seeds \[-1\]; expected whole numbers"),
        ("seeds = [0]", 'seeds = ["0"]', r"design.seeds\[0\] = '0'; expected a whole number"),
        ("seeds = [0]", "seeds = 0", "design.seeds = 0; expected a list"),
        ("steps = 100", "steps = 0", "steps=0, .*expected at least 1"),
        ("steps = 100", 'steps = "100"', "design.recipe.steps = '100'; expected a whole number"),
        (
            "steps = 100",
            "stepz = 100",
            "design.recipe: unknown key 'stepz'; expected lr, steps",
        ),
        ("steps = 100", "steps = 100.0", r"design.recipe.steps = 100\.0; expected a whole number"),
        (
            "tokens = 8192",
            "tokens = 8192\nnoize = 0.1",
            "design.scoring: unknown key 'noize'; expected window",
        ),
        ("stride = 256", "stride = 513", "stride=513, .*expected 1 ≤ stride ≤ window"),
        ("[design.recipe]", "[recipe]", "unknown key 'recipe'; expected id,"),
        (
            "at_least = 1.5",
            "at_least = 0.0",
            "level 'STRICT'.at_least = 0.0; expected a finite ratio above 0",
        ),
        ("at_least = 1.5", "at_least = nan", "at_least = nan; expected a finite ratio above 0"),
        (
            "at_least = 1.5",
            "at_most = 1.5",
            "level 'STRICT': unknown key 'at_most'; expected name, at_least, below",
        ),
        (
            "at_least = 1.5",
            "at_least = 1.5\nbelow = 2.0",
            r"level 'STRICT': at_least = 1\.5 and below = 2\.0; expected one of",
        ),
        ("at_least = 1.5", 'at_least = "1.5"', "at_least = '1.5'; expected a finite ratio"),
        ('share = "1"', "share = 0.67", 'share = 0.67; expected "1" or a fraction'),
        ('share = "1"', 'share = "0.67"', "share = '0.67'; expected \"1\" or a fraction"),
        ('share = "1"', 'share = "1/0"', "share = '1/0'; expected"),
        ('share = "1"', 'share = "4/3"', "share = '4/3'; expected .* of at most 1"),
        (
            'share = "1"',
            'share = "1"\nusers = 3',
            "level 'STRICT': unknown key 'users'; expected name,",
        ),
        ('name = "STRICT"', 'name = "SUPER"', "name = 'SUPER'; expected 'STRICT', 'LENIENT' or"),
        ('name = "STRICT"', 'name = "LENIENT"', r"expected one \[\[level\]\] each"),
        (
            'name = "STRICT"',
            'name = "NOT_MET"',
            "name = 'NOT_MET'; expected 'STRICT', 'LENIENT' or",
        ),
        ("at_least = 1.5\n", "", "level 'STRICT': neither; expected one of at_least and below"),
        ("lr = 5e-5", "lr = true", "design.recipe.lr = True; expected a number"),
        ("[design]", "[design", "not TOML"),
        (
            "[design.texts.novelist]",
            "[design.texts.ann]",
            "texts of programmer, ann, scientist; ex",
        ),
        ('train = "588301', 'train = "X', "texts.programmer.train = 'X.*expected 64 hexadecimal"),
        ('"chapter-17" = "4', '"chapter-17" = "X', "heldout.chapter-17 = 'X.*expected 64 hexadec"),
        (
            'train = "588301',
            'train0 = "588301',
            "programmer: unknown key 'train0'; expected train, ",
        ),
        (
            'heldout = { "metagenomes"',
            'heldout2 = { "metagenomes"',
            "scientist: unknown key 'heldout2'; expected train, heldout",
        ),
        (
            "[design.recipe]",
            '[[design.refused]]\nuser = "novelist"\nwhy = "x"\n\n[design.recipe]',
            r"refused \['novelist'\]; expected each name once, and no user's",
        ),
        (
            "[design.recipe]",
            '[[design.refused]]\nuser = "ann"\n\n[design.recipe]',
            "refused.*: key 'why' is missing; expected why no session could use the texts",
        ),
        ('id = "60"', 'id = "60"\ndesign_of = 60', "design_of = 60; expected text"),
    ],
)
def test_a_bet_file_with_a_mistake_is_one_error_that_names_it(bet_file, text, old, new, message):
    assert text.count(old) >= 1
    bet_file.write_text(text.replace(old, new, 1), encoding="utf-8")
    with pytest.raises(BetError, match=message) as caught:
        load_bet(bet_file)
    assert str(caught.value).startswith(f"{bet_file}: ")


def test_a_level_that_is_given_twice_is_an_error(bet_file, text):
    bet_file.write_text(text + '\n[[level]]\nname = "STRICT"\nat_least = 0.1\nshare = "1/3"\n')
    with pytest.raises(BetError, match=r"expected one \[\[level\]\] each of STRICT"):
        load_bet(bet_file)


def test_the_hash_of_a_bet_does_not_depend_on_how_a_checkout_ends_its_lines(bet_file, text):
    before = load_bet(bet_file).sha256
    bet_file.write_bytes(text.encode().replace(b"\n", b"\r\n"))
    assert load_bet(bet_file).sha256 == before == hashlib.sha256(text.encode()).hexdigest()


# --- what a bet may be ---------------------------------------------------------------------------


def test_seeds_may_be_any_whole_numbers_from_0():
    assert replace(BET, seeds=(0, 3, 2**40)).seeds == (0, 3, 2**40)


def test_a_bet_may_be_about_three_hundred_users():
    users = tuple(f"user{n}" for n in range(300))
    assert replace(BET, users=users, texts={}).users == users


@pytest.mark.parametrize("threshold", ["inf", "-inf", "-1.5", "0.0", "nan"])
def test_a_threshold_that_no_ratio_can_be_measured_by_is_refused(bet_file, text, threshold):
    bet_file.write_text(text.replace("at_least = 1.5", f"at_least = {threshold}"), encoding="utf-8")
    with pytest.raises(BetError, match=r"STRICT'.at_least = .*; expected a finite ratio above 0"):
        load_bet(bet_file)


@pytest.mark.parametrize(
    ("level", "changes"),
    [
        (Level.STRICT, {"threshold": 1.05}),
        (Level.STRICT, {"fraction": Fraction(1, 2)}),
        (Level.LENIENT, {"fraction": Fraction(1, 3)}),
        (Level.CATASTROPHIC, {"fraction": Fraction(1, 3)}),
        (Level.CATASTROPHIC, {"threshold": 1.2}),
        (Level.CATASTROPHIC, {"comparison": "at least"}),
        (Level.LENIENT, {"comparison": "below"}),
    ],
)
def test_levels_that_could_hold_together_or_out_of_order_are_no_bet(level, changes):
    criteria = tuple(replace(c, **changes) if c.level is level else c for c in BET.criteria)
    with pytest.raises(BetError, match="levels that could hold together or out of order"):
        replace(BET, criteria=criteria)


def test_a_bet_is_registered_for_its_own_texts_alone():
    texts = dict(BET.texts)
    assert BET.on(texts).status() == "REGISTERED"
    assert BET.on(dict(reversed(texts.items()))).status() == "REGISTERED"
    one = texts["novelist"]
    for others in (
        {},
        {"novelist": one},
        texts | {"ann": one},
        texts | {"novelist": replace(one, train="0" * 64)},
        texts | {"novelist": replace(one, heldout={**one.heldout, "chapter-17": "0" * 64})},
        texts | {"novelist": replace(one, heldout={"chapter-17": one.heldout["chapter-17"]})},
        texts | {"novelist": texts["scientist"], "scientist": one},
    ):
        assert BET.on(others).status() == "UNREGISTERED"
        assert BET.on(others).status(planted=True) == "PLANTED"
        assert BET.on(others).on(texts).status() == "REGISTERED"


def test_a_bet_that_names_no_texts_is_registered_for_none_unless_it_is_planted():
    bare = replace(BET, texts={})
    assert [bare.on(texts).status() for texts in ({}, BET.texts)] == ["UNREGISTERED"] * 2
    assert replace(bare, planted=True).on({}).status() == "PLANTED"


def test_levels_may_share_a_threshold_and_just_not_overlap():
    """Two thirds and a half are more than all: no set of units is in both."""
    strict, lenient, catastrophic = BET.criteria
    edges = (
        replace(strict, threshold=1.0, fraction=Fraction(2, 3)),
        replace(lenient, threshold=1.0),
        replace(catastrophic, fraction=Fraction(1, 2)),
    )
    assert replace(BET, criteria=edges).criteria == edges


def test_a_whole_number_is_a_number_too_but_no_table(bet_file, text):
    bet_file.write_text(text.replace("lr = 5e-5", "lr = 1"), encoding="utf-8")
    assert repr(load_bet(bet_file).recipe.lr) == "1.0"
    head = text[: text.index("[[level]]")]
    bet_file.write_text(f"level = [1]\n{head}", encoding="utf-8")
    with pytest.raises(BetError, match=r"level\[0\] = 1; expected a table with name, at_least"):
        load_bet(bet_file)


@pytest.mark.parametrize("noise", ["0.05", "-1.0", '"much"'])
def test_a_bet_may_name_noise(tmp_path, noise):
    text = resource_path("bets", "bet60.toml").read_text(encoding="utf-8")
    file = tmp_path / "noisy.toml"
    file.write_text(text.replace("[design.scoring]\n", f"[design.scoring]\nnoise = {noise}\n"))
    if noise == "0.05":
        assert load_bet(file).scoring == Scoring(noise=0.05)
    else:
        with pytest.raises(BetError, match=r"noisy\.toml: .*"):
            load_bet(file)
