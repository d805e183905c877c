"""Ways around the control that a test which speaks of personalisation needs: none leads."""

import pytest

from noisefloor_tests.plugin.conftest import MARKED
from noisefloor_tests.support.claims_planted import (
    entry,
)

UNCONTROLLED = MARKED.format('claim="x"')
WRITTEN = {
    "test_class": """
        import pytest

        @pytest.mark.personalisation(claim="x")
        class TestMine:
            def test_method(self): pass
        """,
    "test_module": """
        import pytest
        pytestmark = pytest.mark.personalisation(claim="x")
        def test_function(): pass
        """,
    "test_parameters": """
        import pytest

        MINE = pytest.mark.personalisation(claim="x")
        @pytest.mark.parametrize("n", [1, pytest.param(2, marks=MINE)])
        def test_parameters(n): pass
        """,
    "test_second_mark": """
        import pytest

        @pytest.mark.personalisation(claim="x")
        @pytest.mark.personalisation(claim="lenient")
        def test_function(): pass
        """,
    "test_unittest": """
        import pytest, unittest

        class Mine(unittest.TestCase):
            @pytest.mark.personalisation(claim="x")
            def test_method(self): pass
        """,
    "test_skipped": """
        import pytest

        @pytest.mark.skip
        @pytest.mark.personalisation(claim="x")
        def test_function(): pass
        """,
}


def test_a_mark_is_seen_wherever_it_stands(controlled, stopped):
    controlled.makepyfile(**WRITTEN)
    stopped(
        *(f"{name}.py::*: claim 'x' is not in *claims.toml; there: lenient" for name in WRITTEN)
    )


SELECTED = [
    ["-k", "something_else"],
    ["-m", "not personalisation"],
    ["--deselect=test_mine.py"],
    ["--co"],
    ["--co", "-q"],
    ["--runxfail"],
]


@pytest.mark.parametrize("words", SELECTED, ids=" ".join)
def test_it_cannot_be_deselected(pytester, words):
    pytester.makepyfile(test_mine=f"{UNCONTROLLED}\n    def test_harmless(): pass")
    result = pytester.runpytest_inprocess(*words)
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["*claim 'x', but no claims file is named; give it with *"])


def test_its_neighbour_cannot_run_alone(pytester):
    """As in any file with a collection error, pytest finds nothing there to run."""
    pytester.makepyfile(test_mine=f"{UNCONTROLLED}\n    def test_harmless(): pass")
    result = pytester.runpytest_inprocess("test_mine.py::test_harmless")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*claim 'x', but no claims file is named; give it with *"])


def test_going_on_after_collection_errors_runs_all_but_the_uncontrolled(pytester):
    pytester.makepyfile(test_mine=UNCONTROLLED, test_other="def test_other(): pass")
    result = pytester.runpytest_inprocess("--continue-on-collection-errors")
    result.assert_outcomes(passed=1, errors=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED


LATE = """
    import pytest

    @pytest.hookimpl({})
    def pytest_collection_modifyitems(items):
        for item in items:
            if item.name == "test_quiet":
                item.add_marker(pytest.mark.personalisation(claim="x"))
"""


GO_ON = "--continue-on-collection-errors"


@pytest.mark.parametrize(
    ("when", "words"),
    [
        ("", []),
        ("", ["-k", "other"]),
        ("tryfirst=True", ["-k", "other"]),
        ("trylast=True", [GO_ON]),
    ],
)
def test_a_mark_that_a_hook_adds_is_seen_too(pytester, when, words):
    """Unless it would come when the test is already deselected: then there is none to see."""
    pytester.makeconftest(LATE.format(when))
    pytester.makepyfile(test_mine="def test_quiet(): pass\ndef test_other(): pass")
    result = pytester.runpytest_inprocess(*words)
    going_on = GO_ON in words
    result.assert_outcomes(errors=1, passed=int(going_on), deselected=int("-k" in words))
    assert result.ret == (pytest.ExitCode.TESTS_FAILED if going_on else pytest.ExitCode.INTERRUPTED)
    result.stdout.fnmatch_lines(["*test_mine.py::test_quiet: claim 'x', but no claims file is *"])


RUNNING = {
    "a fixture": """
        import pytest

        @pytest.fixture(autouse=True)
        def late(request):
            request.node.add_marker(pytest.mark.personalisation(claim="x"))

        def test_it(): pass
        """,
    "the test itself": """
        import pytest

        def test_it(request):
            request.node.add_marker(pytest.mark.personalisation(claim="x"))
        """,
}


@pytest.mark.parametrize("mark", ["xfail", "xfail(strict=True)", "xfail(raises=BaseException)"])
def test_no_xfail_mark_expects_it(pytester, mark):
    text = RUNNING["a fixture"].replace("def test_it", f"@pytest.mark.{mark}\n        def test_it")
    pytester.makepyfile(test_mine=text)
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["test_mine.py::test_it: claim 'x', but no claims file is named; *"]
    )


@pytest.mark.parametrize("where", RUNNING)
def test_a_mark_that_is_added_while_the_test_runs_fails_it(pytester, where):
    pytester.makepyfile(test_mine=RUNNING[where])
    result = pytester.runpytest_inprocess()
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["test_mine.py::test_it: claim 'x', but no claims file is named; *"]
    )


@pytest.mark.parametrize("name", ["noisefloor-gate", "noisefloor-methodology"])
def test_it_cannot_be_switched_off_by_itself(pytester, name):
    pytester.makepyfile(test_mine=UNCONTROLLED)
    result = pytester.runpytest_inprocess("-p", f"no:{name}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*-p no:{name}: claims and their controls have no switch"])


def test_a_session_that_trains_waits_for_the_evidence_and_not_for_anything_else(project, held):
    """Nothing trains here: the claim's texts are not there, which is found before."""
    given = project(entry("x", "LENIENT"), entry("y", "NOT_MET", base="other/model"))
    given.makepyfile(test_mine=MARKED.format('claim="x"'), test_yours=MARKED.format('claim="y"'))
    result = held("--noisefloor-train", "--continue-on-collection-errors", "-k", "learned")
    result.assert_outcomes(errors=1, failed=1, deselected=3)
    result.stdout.fnmatch_lines(
        [
            "*test_yours.py::test_it_learned_the_user: claim 'y' asserts NOT_MET; *",
            "test_mine.py::test_it_learned_the_user: claim 'x' has no control: *",
        ]
    )


# --- names -------------------------------------------------------------------------------------

NAMED = {
    "test_function": "def test_personal_touch(): pass",
    "test_parameters": """
        import pytest
        @pytest.mark.parametrize("n", [1])
        def test_personal(n): pass
        """,
    "test_class": "class TestPersonalTouch:\n    def test_it(self): pass",
    "test_alias": """
        def test_personal(): pass
        test_other = test_personal
        del test_personal
        """,
    "test_doctest": """
        def test_personal_doc():
            \"\"\"
            >>> 1
            1
            \"\"\"
        __test__ = {}
        """,
}


@pytest.fixture
def patterned(pytester):
    pytester.makepyprojecttoml(
        '[tool.pytest]\nnoisefloor_personalisation_patterns = ["test_personal*"]'
    )
    return pytester


def test_a_name_that_speaks_of_personalisation_needs_the_mark(patterned):
    patterned.makepyfile(
        **NAMED, test_personal="def test_it(): pass", test_impersonal="def test_it(): pass"
    )
    result = patterned.runpytest_inprocess("--doctest-modules")
    result.assert_outcomes(errors=len(NAMED) + 1)
    result.stdout.fnmatch_lines_random(
        [
            f"{name}.py::*: its name matches 'test_personal?' *but it names no claim; mark it *"
            for name in [*NAMED, "test_personal"]
        ]
    )


@pytest.mark.parametrize("words", ['["test_personal*"]', '["test_a*", "test_b*"]'])
def test_a_list_as_toml_has_it_is_refused_in_an_ini_file_where_it_would_match_nothing(
    pytester, words
):
    pytester.makeini(f"[pytest]\nnoisefloor_personalisation_patterns = {words}")
    result = pytester.runpytest_inprocess()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*patterns: '[[]test_*; expected a pattern, as test_personal*"])


def test_a_pattern_may_begin_with_a_class_of_letters(pytester):
    pytester.makeini("[pytest]\nnoisefloor_personalisation_patterns = [pt]ersonal* test_p*")
    pytester.makepyfile("def test_personal(): pass")
    pytester.runpytest_inprocess().assert_outcomes(errors=1)


# --- in several processes ----------------------------------------------------------------------


@pytest.mark.slow
def test_workers_refuse_it_and_say_so_once(controlled, held):
    """All else runs, as it does beside any collection error under xdist; nothing is green."""
    controlled.makeconftest(LATE.format(""))
    controlled.makepyfile(
        test_mine=MARKED.format('claim="other"'), test_late="def test_quiet(): pass"
    )
    result = held("-n2")
    result.assert_outcomes(errors=2, passed=2)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    text = result.stdout.str()
    assert text.count("\ntest_mine.py::test_it_learned_the_user: claim 'other' is not in") == 1
    assert text.count("\ntest_late.py::test_quiet: claim 'x' is not in") == 1
