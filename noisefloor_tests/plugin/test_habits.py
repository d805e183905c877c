"""Habits of this suite: random order, and no test that touches global random state."""

import subprocess
import sys

import pytest
import torch  # noqa: F401 (or a session in this process would load it, and unload it)

from noisefloor_tests.support.habits import forked

# --- random order ------------------------------------------------------------------------------


@pytest.fixture
def order(pytester):
    """A function: the order in which a session with this seed ran twelve tests."""
    pytester.makeconftest("pytest_plugins = ['noisefloor_tests.support.habits']")
    pytester.makepyfile("\n".join(f"def test_{n}(): pass" for n in range(12)))

    def order(*words):
        with forked():
            result = pytester.runpytest_inprocess("-v", "-p", "no:xdist", *words)
        result.assert_outcomes(passed=12)
        names = [line.partition("::")[2] for line in result.outlines if " PASSED" in line]
        return result, [int(name.partition(" ")[0].removeprefix("test_")) for name in names]

    return order


def test_a_plain_session_shuffles_and_prints_the_seed_that_repeats_its_order(order):
    """Twelve tests fall into their written order once in 4.8e8; a plain session draws its seed."""
    result, shuffled = order("-p", "randomly")
    assert shuffled != sorted(shuffled) == [*range(12)]
    (line,) = [line for line in result.outlines if line.startswith("Using --randomly-seed=")]
    assert order("-p", "randomly", line.removeprefix("Using "))[1] == shuffled


def test_another_seed_is_another_order(order):
    first, second = (order("-p", "randomly", f"--randomly-seed={seed}")[1] for seed in (1, 2))
    assert first != second


def test_the_order_is_the_written_one_only_where_nothing_shuffles(order):
    assert order()[1] == [*range(12)]


# --- the guard ---------------------------------------------------------------------------------


def test_what_rich_draws_when_it_is_imported_is_drawn_before_any_test():
    pytest.importorskip("rich")
    script = """
import random
import noisefloor_tests.support.habits
before = random.getstate()
import rich.style
assert random.getstate() == before
"""
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.fixture
def guarded(pytester):
    """A function: which tests of a project drew, in the guard's words, and their outcomes.

    The project runs in this process, whose own guard must see nothing of it.
    """
    pytester.makeconftest("pytest_plugins = ['noisefloor_tests.support.habits']")

    def run(source, *words):
        pytester.makepyfile(source)
        with forked():
            result = pytester.runpytest_inprocess("-rE", "-vv", "-p", "no:xdist", *words)
        said = [line.partition(" - ")[2] for line in result.outlines if line.startswith("ERROR ")]
        return result, {
            line.partition("::")[2].partition(", between")[0] for line in said if "changed" in line
        }

    return run


def test_the_guard_names_whose_state_a_test_changed_and_reseeding_does_not_trip_it(guarded):
    result, said = guarded(
        """
        import random

        import numpy as np
        import pytest
        import torch

        @pytest.fixture
        def late():
            yield
            torch.rand(1)

        @pytest.fixture
        def tidy():
            state = random.getstate()
            random.seed(7)
            yield
            random.setstate(state)

        def test_python(): random.random()
        def test_numpy(): np.random.normal()
        def test_torch(): torch.manual_seed(0)
        def test_teardown(late): pass
        def test_two(): random.random(); np.random.rand()
        def test_failing(): np.random.rand(); assert False
        def test_tidy(tidy): random.random()
        def test_own_generators():
            random.Random(0).random()
            np.random.default_rng(0).random()
            with torch.random.fork_rng():
                torch.rand(1)
        """,
        *("-p", "randomly"),
    )
    result.assert_outcomes(passed=7, failed=1, errors=6)
    assert said == {
        "test_python changed Python's random",
        "test_numpy changed NumPy's legacy generator",
        "test_torch changed torch's default generator",
        "test_teardown changed torch's default generator",
        "test_two changed Python's random and NumPy's legacy generator",
        "test_failing changed NumPy's legacy generator",
    }


def test_the_guard_sees_fixtures_of_every_scope_as_they_begin_and_as_they_end(guarded):
    """The first test that a fixture begins for and the last that it ends behind are named."""
    result, said = guarded(
        """
        import random

        import pytest

        def drawing(scope):
            @pytest.fixture(scope=scope)
            def begins(): random.random()

            @pytest.fixture(scope=scope)
            def ends():
                yield
                random.random()

            return begins, ends

        session_begins, session_ends = drawing("session")
        module_begins, module_ends = drawing("module")
        class_begins, class_ends = drawing("class")

        def setup_module(): random.random()

        def test_1(): pass
        def test_2(session_begins): pass
        def test_3(module_begins): pass

        class TestClass:
            def test_4(self, class_begins): pass
            def test_5(self, class_ends): pass
            def test_6(self): pass

        class TestOld:
            @classmethod
            def setup_class(cls): random.random()
            def test_7(self): pass

        def test_8(): pass
        def test_9(module_ends): pass

        def test_last(session_begins, module_begins): pass
        """
    )
    changed = {line.partition("::")[2] or line for line in said}
    result.assert_outcomes(passed=10, errors=7)
    assert {line.partition("test_")[2].partition(" ")[0] for line in changed} == {
        *("1", "2", "3", "4", "6", "7", "last")
    }
