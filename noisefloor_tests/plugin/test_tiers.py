"""Tiers of this suite, and its header."""

from pathlib import Path

import pytest

import noisefloor_tests
from noisefloor_tests.conftest import TIERS
from noisefloor_tests.support.base_folders import bytes_and, write_base

SUITE = Path(noisefloor_tests.__file__).parent

ONE_EACH = """
    import pytest

    def test_unmarked(): pass

    @pytest.mark.fast
    def test_fast(): pass

    @pytest.mark.full
    def test_full(): pass

    @pytest.mark.scale
    def test_scale(): pass

    @pytest.mark.peers
    def test_peers(): pass

    @pytest.mark.slow
    class TestSlow:
        def test_slow(self): pass
"""


@pytest.fixture
def suite(pytester, preloaded):
    """A project with this suite's own conftest."""
    pytester.makeconftest("from noisefloor_tests.conftest import *")
    return pytester


def passed(result):
    lines = [line for line in result.outlines if line.startswith("PASSED ")]
    return {line.rpartition("::test_")[2] for line in lines}


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ([], {"unmarked", "fast"}),
        (["-m", "fast"], {"unmarked", "fast"}),
        (["-m", "full"], {"full"}),
        (["-m", "scale"], {"scale"}),
        (["-m", "slow"], {"slow"}),
        (["-m", "peers"], {"peers"}),
        (["-m", "fast or slow"], {"unmarked", "fast", "slow"}),
    ],
)
def test_a_tier_runs_its_own_and_a_test_without_one_is_fast(suite, words, expected):
    suite.makepyfile(ONE_EACH)
    result = suite.runpytest_inprocess("-rA", "--noisefloor-base=tiny", *words)
    assert passed(result) == expected
    result.assert_outcomes(passed=len(expected), deselected=6 - len(expected))


@pytest.mark.parametrize("module", ["", "pytestmark = pytest.mark.fast"])
def test_a_test_in_two_tiers_stops_the_session(suite, module):
    mark = "@pytest.mark.slow" if module else "@pytest.mark.fast\n@pytest.mark.slow"
    suite.makepyfile(test_x=f"import pytest\n{module}\n{mark}\ndef test_both(): pass")
    result = suite.runpytest_inprocess()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    message = "ERROR: test_x.py::test_both: in tiers fast, slow; expected one"
    assert [line for line in result.errlines if line] == [message]


def test_a_tier_that_is_none_is_an_error(suite):
    suite.makepyfile("import pytest\n@pytest.mark.quick\ndef test_x(): pass")
    result = suite.runpytest_inprocess("--strict-markers")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["'quick' not found in `markers` configuration option"])


def test_selecting_a_tier_that_is_none_passes_nothing(suite):
    suite.makepyfile(ONE_EACH)
    result = suite.runpytest_inprocess("-m", "quick", "--noisefloor-base=tiny")
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_every_test_of_this_suite_is_in_exactly_one_tier(suite):
    """By its marks once collected; each tier has a test, and none is in no tier at all."""
    found, left_out = [], []

    class Witness:
        def pytest_collection_finish(self, session):
            found.extend(session.items)

        def pytest_deselected(self, items):
            left_out.extend(items)

    suite.inline_run(
        *("-p", "no:randomly", "-p", "no:unraisableexception", "-p", "no:cacheprovider"),
        *("--collect-only", "-qq"),
        *("-m", " or ".join(TIERS), "--noisefloor-base=tiny", str(SUITE)),
        plugins=[Witness()],
    )
    tiers = [[tier for tier in TIERS if item.get_closest_marker(tier)] for item in found]
    assert not left_out
    assert all(len(tier) == 1 for tier in tiers)
    assert {tier for (tier,) in tiers} == set(TIERS)


# --- header ------------------------------------------------------------------------------------


def header(suite, *words):
    result = suite.runpytest_inprocess("--noisefloor-device=cpu", *words)
    return [line for line in result.outlines if line.startswith("noisefloor: ")]


@pytest.mark.parametrize(("words", "tier"), [([], "fast"), (["-m", "peers"], "peers")])
def test_the_header_of_a_tier_of_tiny_bases_is_one_line(suite, words, tier):
    assert header(suite, *words) == [f"noisefloor: tier {tier}, tiny bases on the CPU"]


def test_the_header_of_another_tier_says_what_it_will_use(suite):
    from pytest_noisefloor.bets.registry import registered_bet
    from pytest_noisefloor.models.loading import open_base

    words = ["-m", "full", "--noisefloor-base=tiny", "--noisefloor-seeds=0,4"]
    assert header(suite, *words) == [
        "noisefloor: tier full",
        f"noisefloor: base tiny ({open_base('tiny').fingerprint[:12]}), device cpu, users shipped, "
        "seeds 0, 4",
        "noisefloor: AdamW, lr 5e-05, 100 steps of 4 × 256 tokens, float32",
        "noisefloor: UNREGISTERED, by another design than it registers: Bet 60, registered "
        "2026-11-23, "
        f"{registered_bet('bet60').sha256[:12]}",
    ]


def test_the_header_says_that_nobody_registered_the_texts(suite, write_users):
    write_users(suite.path / "texts", "ann", "bob")
    *_, line = header(suite, "-m", "full", "--noisefloor-base=tiny", "--noisefloor-users=texts")
    assert line.startswith(
        "noisefloor: UNREGISTERED, Bet 60's design on texts that nobody registered: Bet 60, regi"
    )


@pytest.mark.parametrize(("names", "behind"), [(("<s>", "</s>"), True), (("</s>",), False)])
def test_the_header_says_that_texts_stand_behind_bos(suite, build, names, behind):
    folder = suite.path / "base"
    folder.mkdir()
    write_base(folder, build("Llama", vocab_size=258, tie_word_embeddings=True))
    roles = {"eos_token": "</s>"} | ({"bos_token": "<s>"} if behind else {})
    bytes_and(folder, *names, **roles)
    _, line, *_ = header(suite, "-m", "full", f"--noisefloor-base={folder}")
    assert line.endswith("seeds 0, texts behind BOS" if behind else "seeds 0")


def test_a_base_that_is_not_there_is_named_in_the_header(suite):
    _, line = header(suite, "-m", "full", "--noisefloor-base=tinny")
    assert line.startswith("noisefloor: base 'tinny': expected tiny, ")
