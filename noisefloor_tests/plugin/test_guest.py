"""In a project that only installs it, the plugin is not noticed."""

from noisefloor_tests.plugin.conftest import BARE

HEAVY = ["torch", "transformers", "numpy", "scipy", "safetensors", "tqdm", "typer", "pydantic"]
HEAVY += ["jinja2", "tabulate"]


def test_a_project_without_use_for_it_sees_neither_output_nor_selection_nor_torch(pytester):
    pytester.makeconftest(
        f"""
        import sys

        def pytest_terminal_summary(terminalreporter):
            terminalreporter.write_line(f"heavy: {{sorted(set({HEAVY}) & sys.modules.keys())}}")
        """
    )
    pytester.makepyfile(
        """
        import pytest

        pytestmark = pytest.mark.filterwarnings("error")

        def test_one(pytestconfig):
            assert pytestconfig.pluginmanager.hasplugin("noisefloor")

        def test_two():
            pass
        """
    )
    result = pytester.runpytest_subprocess(*BARE, "--strict-markers")
    result.assert_outcomes(passed=2)
    lines = [line for line in result.outlines if not line.startswith("plugins: ")]
    assert not [line for line in lines if "noisefloor" in line]
    assert "heavy: []" in lines
    assert result.ret == 0
    left = {path.name for path in pytester.path.iterdir()}
    assert not left & {"results", "out", ".noisefloor"}


def test_a_test_of_the_project_may_be_called_anything(pytester):
    pytester.makepyfile("def test_strict(): pass\ndef test_full(): pass")
    pytester.runpytest_inprocess("-k", "full").assert_outcomes(passed=1, deselected=1)


def test_its_fixtures_are_listed_with_what_they_are(pytester):
    text = pytester.runpytest_inprocess("--fixtures").stdout.str()
    ours = text.partition("fixtures defined from pytest_noisefloor.plugin")[2].partition("\n---")[0]
    for name in ("noise_floor", "noisefloor_study", "random_adapter", "real_adapter"):
        assert f"\n{name} [session scope] -- " in ours or f"\n{name} -- " in ours
    assert "no docstring available" not in ours
