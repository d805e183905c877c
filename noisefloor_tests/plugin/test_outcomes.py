"""What becomes of a criterion by its verdict, on the page of Bet 60 itself."""

import pytest

from noisefloor_tests.support.places import BET_60_PAGE as PAGE


@pytest.fixture
def criteria(pytester, licensing):
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


def test_a_level_that_is_met_and_licensed_passes(criteria, licensing):
    licensing("LENIENT", "STRICT")
    result, outcomes = criteria("return verdict(1.5, 1.5, 1.5)")
    assert words(outcomes) == {
        "strict": "PASSED",
        "lenient": "PASSED",
        "not_catastrophic": "PASSED",
    }
    assert result.ret == 0


def test_a_level_that_is_met_by_point_estimates_alone_is_an_expected_failure(criteria):
    result, outcomes = criteria("return verdict(1.5, 1.5, 1.5)")
    assert words(outcomes) == {"strict": "XFAIL", "lenient": "XFAIL", "not_catastrophic": "PASSED"}
    assert outcomes["test_strict"][1] == (
        "STRICT (ratio at least 1.5 on 3 of 3) holds: 3 of 3 (user0 1.5000, user1 1.5000, user2 "
        "1.5000). That is by point estimates alone, so it may not be claimed."
    )
    assert result.ret == 0


def test_random_tokens_that_win_by_point_estimates_alone_are_an_expected_failure_too(criteria):
    result, outcomes = criteria("return verdict(0.9, 0.9, 1.6)")
    assert words(outcomes) == {"strict": "XFAIL", "lenient": "XFAIL", "not_catastrophic": "XFAIL"}
    assert outcomes["test_not_catastrophic"][1] == (
        "CATASTROPHIC (ratio below 1 on 2 of 3) holds: 2 of 3 (user0 0.9000, user1 0.9000, user2 "
        "1.6000). That is by point estimates alone, so it may not be claimed."
    )
    assert result.ret == 0


def test_a_level_that_is_missed_is_an_expected_failure_with_its_numbers(criteria, licensing):
    licensing("LENIENT")
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


def test_random_tokens_winning_on_most_users_is_red_where_that_is_licensed(criteria, licensing):
    licensing("CATASTROPHIC")
    result, outcomes = criteria("return verdict(0.9, 0.9, 1.6)")
    assert words(outcomes) == {"strict": "XFAIL", "lenient": "XFAIL", "not_catastrophic": "FAILED"}
    assert outcomes["test_not_catastrophic"][1].startswith(
        "Failed: CATASTROPHIC (ratio below 1 on 2 of 3) holds: 2 of 3 (user0 0.9000, user1 0.9000"
    )
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    # the whole report stands in the failure, and no traceback
    result.stdout.re_match_lines([r"user +untrained +real", r"CATASTROPHIC, by points\. STRICT"])
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
