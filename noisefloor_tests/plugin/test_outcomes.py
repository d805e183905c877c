"""What becomes of a criterion: by its verdict, on the page of Bet 60 itself, and by its claim."""

from functools import cache
from types import SimpleNamespace

import pytest

from noisefloor_tests.support import claims_planted
from noisefloor_tests.support.claims_planted import entry, evidence, lock_own_bet
from noisefloor_tests.support.places import BET_60_PAGE as PAGE
from pytest_noisefloor.bets.bet import Level
from pytest_noisefloor.bets.registry import registered_bet
from pytest_noisefloor.claims.claim import load_claims
from pytest_noisefloor.claims.review import disagreement
from pytest_noisefloor.plugin import session
from pytest_noisefloor.plugin.outcomes import check_criterion
from pytest_noisefloor.results.lifting import lift
from pytest_noisefloor.results.rejudging import rejudge_file


@pytest.fixture
def criteria(pytester):
    """Run the page's three tests where ``noise_floor`` has the given body; outcome by test."""

    def run(body, *words):
        pytester.makeconftest(
            f"""
            from math import log

            import pytest

            from pytest_noisefloor.bets.registry import registered_bet
            from pytest_noisefloor.bets.judging import judge
            from pytest_noisefloor.stats.effect import Effect

            def verdict(*ratios, **more):
                bet = registered_bet("bet60")
                effects = [
                    Effect(
                        user=f"user{{i}}",
                        nll={{"real": 1.0, "random": 1.0 + log(ratio)}},
                        contrast=bet.contrast,
                    )
                    for i, ratio in enumerate(ratios)
                ]
                return judge(bet, effects, **more)

            def pytest_configure(config):
                config.addinivalue_line("markers", "full: tier")

            @pytest.fixture
            def noise_floor():
                {body}
            """
        )
        pytester.makepyfile(test_page=PAGE.read_text(encoding="utf-8"))
        result = pytester.runpytest_inprocess("-rA", "-vv", "--strict-markers", *words)
        outcomes = {}
        for line in result.outlines:
            word, _, rest = line.partition(" test_page.py::")
            if rest and word in ("PASSED", "FAILED", "ERROR", "XFAIL", "XPASS"):
                name, _, reason = rest.partition(" - ")
                outcomes[name] = (word, reason)
        return result, outcomes

    return run


def words(outcomes):
    return {name.removeprefix("test_"): word for name, (word, _) in outcomes.items()}


def test_a_level_that_is_met_passes(criteria):
    result, outcomes = criteria("return verdict(1.5, 1.5, 1.5)")
    assert words(outcomes) == {
        "strict": "PASSED",
        "lenient": "PASSED",
        "not_catastrophic": "PASSED",
    }
    assert result.ret == 0


def test_a_level_that_is_missed_is_an_expected_failure_with_its_numbers(criteria):
    result, outcomes = criteria("return verdict(1.3628, 1.1, 0.9426)")
    assert words(outcomes) == {
        "strict": "XFAIL",
        "lenient": "PASSED",
        "not_catastrophic": "PASSED",
    }
    assert outcomes["test_strict"][1] == (
        "STRICT (ratio at least 1.5 on 3 of 3) does not hold: 0 of 3 "
        "(user0 1.3628, user1 1.1000, user2 0.9426)."
    )
    assert result.ret == 0


def test_winning_by_too_little_is_no_pass_of_any_level(criteria):
    _, outcomes = criteria("return verdict(1.05, 1.05, 0.9)")
    assert words(outcomes) == {"strict": "XFAIL", "lenient": "XFAIL", "not_catastrophic": "PASSED"}


def test_random_tokens_winning_on_most_users_is_red(criteria):
    result, outcomes = criteria("return verdict(0.9, 0.9, 1.6)")
    assert words(outcomes) == {"strict": "XFAIL", "lenient": "XFAIL", "not_catastrophic": "FAILED"}
    assert outcomes["test_not_catastrophic"][1].startswith(
        "Failed: CATASTROPHIC (ratio below 1 on 2 of 3) holds: 2 of 3 (user0 0.9000, user1 0.9000"
    )
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    # the whole report stands in the failure, and no traceback
    result.stdout.re_match_lines([r"user +untrained +real", r"CATASTROPHIC\. STRICT"])
    assert "outcomes.py" not in result.stdout.str()


def test_what_is_planted_is_skipped_with_its_numbers_and_never_passes(criteria):
    result, _ = criteria("return verdict(1.6, 1.6, 1.6, planted=True)")
    result.assert_outcomes(skipped=3)
    result.stdout.re_match_lines_random(
        [r".*PLANTED, no registered criterion: (STRICT|LENIENT|CATASTROPHIC) \(ratio"]
    )


def test_planted_random_tokens_that_win_fail_no_registered_criterion(criteria):
    result, _ = criteria("return verdict(0.5, 0.5, 0.5, planted=True)")
    result.assert_outcomes(skipped=3)


def test_a_missed_level_is_no_pass_where_expected_failures_are_muted(criteria):
    result, outcomes = criteria("return verdict(1.05, 1.05, 0.9)", "--runxfail")
    assert words(outcomes) == {
        "strict": "FAILED",
        "lenient": "FAILED",
        "not_catastrophic": "PASSED",
    }
    assert result.ret == pytest.ExitCode.TESTS_FAILED


@pytest.mark.parametrize(
    "body",
    [
        "raise MemoryError",
        "raise FileNotFoundError('train.txt')",
        "return verdict()",
        "return verdict(float('inf'))",
        "open('train.txt')",
    ],
)
def test_an_exception_on_the_way_to_the_verdict_is_an_error_and_nothing_milder(criteria, body):
    result, outcomes = criteria(body)
    assert words(outcomes) == dict.fromkeys(["strict", "lenient", "not_catastrophic"], "ERROR")
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_a_crash_in_the_criterion_itself_is_a_failure_and_nothing_milder(criteria):
    result, outcomes = criteria("return None")
    assert words(outcomes) == dict.fromkeys(["strict", "lenient", "not_catastrophic"], "FAILED")
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_missing_text_is_an_error_of_every_criterion(pytester, downstream):
    """Through the plugin's own fixtures, on users whose folders are empty."""
    pytester.path.joinpath("texts", "bob", "train.txt").unlink()
    pytester.makepyfile(test_page=PAGE.read_text(encoding="utf-8"))
    result = pytester.runpytest_inprocess("-rA", *downstream, "test_page.py")
    result.assert_outcomes(errors=3)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.re_match_lines([r".*/texts/bob: neither train\.txt nor train/; expected"])


def test_the_page_carries_no_expected_failure_that_would_hide_a_crash():
    text = PAGE.read_text(encoding="utf-8")
    assert "xfail" not in text
    assert "skip" not in text


# --- a criterion and a claim say the same ------------------------------------------------------


@cache
def verdict_on(users):
    """What is made of evidence on users with known truth, by the name of these."""
    return rejudge_file(lift(evidence(getattr(claims_planted, users))), registered_bet("bet60"))


def outcome(verdict, level, claim):
    try:
        check_criterion(verdict, level, claim)
    except pytest.xfail.Exception:
        return "xfailed"
    except pytest.fail.Exception:
        return "failed"
    return "passed"


RIGHT = {"STRICT": "passed", "LENIENT": "passed", "CATASTROPHIC": "passed"}
CRITERIA = [
    ("STRICT", "STRICT", {}),
    ("LENIENT", "STRICT", {"STRICT": "failed"}),
    ("NOT_MET", "STRICT", {"STRICT": "failed", "LENIENT": "failed"}),
    ("ABSENT", "STRICT", {"STRICT": "failed", "LENIENT": "failed"}),
    ("STRICT", "LENIENT", {"STRICT": "failed"}),
    ("LENIENT", "LENIENT", {"STRICT": "xfailed"}),
    ("NOT_MET", "LENIENT", {"STRICT": "xfailed", "LENIENT": "failed"}),
    ("LENIENT", "HARM", {"STRICT": "xfailed", "LENIENT": "failed"}),
    ("NOT_MET", "HARM", {"STRICT": "xfailed", "LENIENT": "failed"}),
    ("STRICT", "UNREACHED", {"STRICT": "failed", "LENIENT": "failed"}),
    ("NOT_MET", "UNREACHED", {"STRICT": "xfailed", "LENIENT": "xfailed"}),
    ("ABSENT", "UNREACHED", {"STRICT": "xfailed", "LENIENT": "failed"}),
    ("ABSENT", "ABSENT", {"STRICT": "xfailed", "LENIENT": "xfailed"}),
    (
        "CATASTROPHIC",
        "ABSENT",
        {"STRICT": "xfailed", "LENIENT": "xfailed", "CATASTROPHIC": "failed"},
    ),
    ("CATASTROPHIC", "INVERTED", {"STRICT": "xfailed", "LENIENT": "xfailed"}),
    (
        "NOT_MET",
        "INVERTED",
        {"STRICT": "xfailed", "LENIENT": "xfailed", "CATASTROPHIC": "failed"},
    ),
]


def test_an_experiment_of_other_seeds_than_the_bets_is_claimed_by_nobody():
    bet = registered_bet("bet60")
    base = SimpleNamespace(name="base", fingerprint="f" * 64)
    gate = SimpleNamespace(claim_about=lambda **about: about["bet"])
    config = SimpleNamespace(stash={session.GATE: gate})

    def experiment(seeds):
        runner = SimpleNamespace(base=base)
        return SimpleNamespace(bet=bet, runner=runner, users=(), seeds=seeds)

    assert session.claimed(config, experiment(bet.seeds)) is bet
    assert session.claimed(config, experiment((7,))) is None


@pytest.mark.parametrize(("asserts", "users", "changed"), CRITERIA)
def test_a_criterion_is_held_to_its_claim_and_the_claim_fails_with_it(
    tmp_path, asserts, users, changed
):
    """DESIGN's table, and that an item for the claim and the items for criteria never disagree."""
    lock_own_bet(tmp_path)
    file = tmp_path / "claims.toml"
    file.write_text(entry("x", asserts))
    (claim,) = load_claims(file)
    verdict = verdict_on(users)
    found = {name: outcome(verdict, Level[name], claim) for name in RIGHT}
    assert found == RIGHT | changed
    assert (disagreement(claim, verdict) is None) == ("failed" not in found.values())
