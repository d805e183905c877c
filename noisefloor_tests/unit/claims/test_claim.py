"""Claims files: what an entry says; and each mistake, as one message naming file, claim and key."""

from dataclasses import replace
from datetime import date

import pytest

from noisefloor_tests.support.claims_planted import MODEL, entry, lock_own_bet
from noisefloor_tests.support.locking import digests, lock, own_text
from pytest_noisefloor.bets.bet import Level
from pytest_noisefloor.bets.registry import open_bet, registered_bet
from pytest_noisefloor.claims.claim import ClaimError, load_claims, meaning


@pytest.fixture(autouse=True)
def own_bet_60(tmp_path):
    """The bet that most entries name, locked beside the claims file."""
    return lock_own_bet(tmp_path)


@pytest.fixture
def read(tmp_path):
    """The claims of a file with this text."""

    def load(*entries):
        file = tmp_path / "claims.toml"
        file.write_text("\n".join(entries))
        return load_claims(file)

    return load


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
        ({"colour": "red"}, "claim 'x': unknown key 'colour'; expected id, bet, base"),
        ({"method": "full"}, ".method = 'full'; expected 'norm-only', which Bet ours is about"),
        ({"bet": "bet52"}, "; expected 'reference+ternary', which Bet 52 is about"),
        ({"users": ["ann", "bob"]}, ".users = ['ann', 'bob']; expected ['ann', 'bob', 'cy'], sin"),
        ({"users": ["ann", "bob", "cy", "dee"]}, "; expected ['ann', 'bob', 'cy'], since Bet ours"),
        ({"users": "shipped"}, ".users = 'shipped'; expected ['ann', 'bob', 'cy'], since Bet our"),
        (
            {"bet": "bet60", "users": ["programmer", "novelist", "scientist"]},
            "; expected 'shipped', since Bet 60 is registered for their texts; users of your own "
            "need a bet of your own: noisefloor lock --id",
        ),
        ({"bet": "bet99"}, ".bet: bet 'bet99': expected bet37 or"),
        ({"bet": None}, "claim 'x': key 'bet' is missing; expected a registered bet's name"),
        ({"base": "nowhere"}, ".base = 'nowhere'; expected reference, smollm2-135m, a"),
        ({"base": "tiny"}, ".base = 'tiny'; expected reference, smollm2-135m, a"),
        ({"method": "magic"}, ".method = 'magic'; expected norm-only"),
        ({"asserts": "MAYBE"}, ".asserts = 'MAYBE'; expected STRICT or LENIENT or NOT_MET"),
        ({"users": []}, '.users = []; expected "shipped" or a list of names'),
        ({"users": "ann"}, ".users = 'ann'; expected \"shipped\" or a list of names"),
        ({"users": "zoe"}, ".users = 'zoe'; expected \"shipped\" or a list of names"),
        ({"users": ["ann", "ann"]}, ".users = ['ann', 'ann']; expected \"shipped\" or a "),
        ({"users": ["../ann"]}, ".users = ['../ann']; expected \"shipped\" or a list"),
        ({"fingerprint": "xyz"}, ".fingerprint = 'xyz'; expected 12 hexadecimal digits"),
        ({"fingerprint": "f" * 11}, "'fffffffffff'; expected 12 hexadecimal digits or more"),
        ({"fingerprint": "f" * 65}, "; expected 12 hexadecimal digits or more"),
        (
            {"fingerprint": None},
            "key 'fingerprint' is missing; expected how the base's fingerprint begins: 12",
        ),
        ({"note": 7}, ".note = 7; expected text"),
        ({"id": "a b"}, ".id = 'a b'; expected letters"),
        ({"id": ".."}, ".id = '..'; expected letters"),
        ({"evidence": "x.toml"}, ".evidence = 'x.toml'; expected a .json file in the claims"),
        ({"evidence": "../x.json"}, ".evidence = '../x.json'; expected a .json file in the"),
        ({"evidence": "/x.json"}, ".evidence = '/x.json'; expected a .json file in"),
        ({"texts": ""}, ".texts = ''; expected the folder of the users' texts"),
        ({"users": [1]}, '.users = [1]; expected "shipped" or a list of names'),
        ({"users": 7}, '.users = 7; expected "shipped" or a list of names'),
        ({"texts": "nowhere"}, ".texts = 'nowhere'; expected the folder of the users' texts"),
        ({"texts": ".", "users": "shipped"}, ".texts = '.'; expected the folder of the users"),
        ({"primary": "yes"}, ".primary = 'yes'; expected true or false"),
        ({"withdrawn": date(2026, 11, 26)}, ".withdrawn = 2026-11-26, but 'reason' is missing; ex"),
        ({"withdrawn": date(2026, 11, 26), "reason": " "}, "but 'reason' is missing; expected why"),
        ({"reason": "wrong"}, ".reason = 'wrong'; expected none without 'withdrawn'"),
        ({"withdrawn": "today", "reason": "wrong"}, ".withdrawn = 'today'; expected a date"),
        (
            {"withdrawn": date(2026, 11, 22), "reason": "wrong"},
            ".withdrawn = 2026-11-22; expected 2026-11-23, the day of the claim, or a later day",
        ),
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
    assert "claim 'x'.date = " in text
    assert text.endswith("; expected a date")


@pytest.mark.parametrize("text", ["[[claims]]", "claim = 7", "title = 'mine'", "[[claim]\n"])
def test_a_file_of_anything_else_is_refused(refused, text):
    refused(text)


# --- two claims --------------------------------------------------------------------------------


def test_an_id_that_is_given_twice_is_refused(refused):
    text = refused(entry("again", "LENIENT") + entry("again", "STRICT", base="other/model"))
    assert "claim 'again'.id: given twice" in text


def test_evidence_of_two_claims_is_refused(refused):
    other = {"base": "other/model", "evidence": "./x.json"}
    text = refused(entry("x", "LENIENT") + entry("y", "LENIENT", **other))
    assert "claim 'y'.evidence: given twice" in text


@pytest.mark.parametrize("asserts", ["STRICT", "NOT_MET", "LENIENT"])
def test_two_claims_about_one_thing_are_refused_whatever_they_assert(refused, asserts):
    again = entry("y", asserts, users=["cy", "ann", "bob"], fingerprint="e" * 12)
    text = refused(entry("x", "LENIENT") + again)
    assert (
        "claim 'y': keys 'bet', 'base', 'method' and 'users' are those of claim 'x', "
        f"which asserts LENIENT, as this does {asserts}; expected one claim about one thing" in text
    )


def test_an_entry_without_a_name_is_named_by_its_number(refused):
    nameless = entry("y", "LENIENT", id=None)
    assert "claim[0]: key 'id' is missing; expected a name" in refused(nameless)
    assert "claim[1]: key 'id' is missing" in refused(entry("x", "LENIENT") + nameless)


def test_one_folder_by_two_names_is_one_base(refused, tmp_path):
    tmp_path.joinpath("model").mkdir()
    text = refused(entry("x", "LENIENT", base="model") + entry("y", "LENIENT", base="./model/"))
    assert "those of claim 'x'" in text


WITHDRAWN = {"withdrawn": date(2026, 11, 23), "reason": " The rule was wrong. "}


def test_a_withdrawn_claim_leaves_room_for_another_about_its_subject_on_its_evidence(read):
    old, new = read(entry("x", "LENIENT", **WITHDRAWN), entry("y", "NOT_MET", evidence="x.json"))
    assert read(entry("y", "NOT_MET", evidence="x.json"), entry("x", "LENIENT", **WITHDRAWN))
    assert (old.subject, old.evidence) == (new.subject, new.evidence)
    assert old.withdrawal == "withdrawn on 2026-11-23: The rule was wrong."
    assert (new.withdrawn, new.withdrawal) == (None, "")


def test_a_withdrawn_claim_keeps_its_name(refused):
    again = entry("x", "NOT_MET", base="other/model", evidence="y.json")
    assert "claim 'x'.id: given twice" in refused(entry("x", "LENIENT", **WITHDRAWN) + again)


def test_two_standing_claims_beside_a_withdrawn_one_are_still_refused(refused):
    entries = [entry("x", "LENIENT", **WITHDRAWN), entry("y", "LENIENT"), entry("z", "NOT_MET")]
    assert "claim 'z': keys 'bet', 'base'" in refused("".join(entries))


@pytest.mark.parametrize(
    ("asserts", "withdrawn", "has_p"),
    [
        ("STRICT", {}, True),
        ("CATASTROPHIC", {}, True),
        ("ABSENT", {}, True),
        ("NOT_MET", {}, False),
        ("STRICT", WITHDRAWN, False),
    ],
)
def test_a_claim_that_stands_has_a_p_value_unless_it_asserts_that_nothing_is_shown(
    read, asserts, withdrawn, has_p
):
    (claim,) = read(entry("x", asserts, **withdrawn))
    assert claim.has_p is has_p


# --- what a claim says -------------------------------------------------------------------------


def test_an_entry_is_read_as_it_stands(read, tmp_path, own_bet_60):
    users = ["cy", "ann", "bob"]
    tmp_path.joinpath("texts").mkdir()
    one, other = read(
        entry("a-1.b", "LENIENT", users=users, texts="texts", note="mine", evidence="in/a.json"),
        entry("b", "ABSENT", bet="bet60", users="shipped"),
    )
    own, bet = open_bet(str(own_bet_60)), registered_bet("bet60")
    assert (one.id, one.bet, one.base, one.method) == ("a-1.b", own, MODEL, own.method)
    assert (one.asserts, one.date, one.fingerprint) == ("LENIENT", date(2026, 11, 23), "f" * 12)
    assert (one.users, one.shipped) == (tuple(users), False)
    assert (other.bet, other.users, other.shipped) == (bet, bet.users, True)
    assert (one.texts, other.texts) == (tmp_path / "texts", None)
    assert (one.note, other.note) == ("mine", "")
    assert (one.evidence, other.evidence) == (tmp_path / "in/a.json", tmp_path / "b.json")
    assert one.file == other.file == tmp_path / "claims.toml"


def test_a_claim_may_be_about_three_hundred_users(read, tmp_path):
    users = [f"user{n}" for n in range(300)]
    path = tmp_path / "many.toml"
    path.write_bytes(own_text(path, dict.fromkeys(users, digests())))
    lock(path)
    (claim,) = read(entry("x", "LENIENT", bet="many.toml", users=users))
    assert claim.users == tuple(users)


def test_a_file_without_claims_claims_nothing(read):
    assert read("") == ()


BETTER = "on each of them the base is shown to be made better."


@pytest.mark.parametrize(
    ("asserts", "meant"),
    [
        (
            "STRICT",
            f"ratio shown to be above 1, and estimated at 1.5 or more, on all users; {BETTER}",
        ),
        (
            "LENIENT",
            "ratio shown to be above 1, and estimated at 1.1 or more, on 2/3 of the users; "
            f"{BETTER}",
        ),
        ("CATASTROPHIC", "ratio shown to be below 1 on 2/3 of the users."),
        ("NOT_MET", "LENIENT is not shown."),
        (
            "ABSENT",
            "no gain over random tokens as large as 1.1: every user's 95 % interval lies within "
            "it.",
        ),
    ],
)
def test_a_claims_sentence_is_made_of_its_keys_and_ends_with_its_note(read, asserts, meant):
    (plain,), (noted,) = read(entry("x", asserts)), read(entry("x", asserts, note="mine"))
    assert plain.sentence == (
        f"Claimed on 2026-11-23, of norm-only adapters on {MODEL} for ann, bob, cy, "
        f"by Bet ours ({plain.bet.sha256[:12]}): {asserts}: {meant}"
    )
    assert noted.sentence == f"{plain.sentence} (Unverified note: mine)"


@pytest.mark.parametrize("criterion", registered_bet("bet60").criteria, ids=str)
def test_a_level_means_its_own_condition_in_whatever_order_a_bet_has_its_levels(criterion):
    bet = registered_bet("bet60")
    turned = replace(bet, criteria=bet.criteria[::-1])
    assert meaning(turned, criterion.level.name) == meaning(bet, criterion.level.name)
    assert criterion.share("user") in meaning(turned, criterion.level.name)


@pytest.mark.parametrize(
    ("level", "threshold", "estimate"),
    [
        ("STRICT", 1.2, ", and estimated at 1.2 or more,"),
        ("STRICT", 1.0, ""),
        ("STRICT", 0.95, ""),
        ("CATASTROPHIC", 0.9, ", and estimated below 0.9,"),
        ("CATASTROPHIC", 1.0, ""),
        ("CATASTROPHIC", 1.05, ""),
    ],
)
def test_a_bar_is_said_only_where_it_asks_for_more_than_is_shown(level, threshold, estimate):
    bet = registered_bet("bet60")
    bars = dict.fromkeys(Level, threshold)
    bet = replace(bet, criteria=[replace(c, threshold=bars[c.level]) for c in bet.criteria])
    shown = "above" if level == "STRICT" else "below"
    share = bet.criterion(Level[level]).share("user")
    assert meaning(bet, level).startswith(
        f"{level}: ratio shown to be {shown} 1{estimate} on {share}"
    )


@pytest.mark.parametrize(
    ("asserts", "levels"),
    [
        ("STRICT", {"STRICT", "LENIENT"}),
        *[(name, {name}) for name in ("LENIENT", "CATASTROPHIC", "NOT_MET")],
        ("ABSENT", set()),
    ],
)
def test_strict_asserts_lenient_too_and_every_other_level_itself_alone(read, asserts, levels):
    (claim,) = read(entry("x", asserts))
    assert {level.name for level in Level if claim.asserts_level(level)} == levels
