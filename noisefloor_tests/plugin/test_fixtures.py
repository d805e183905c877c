"""The fixtures and files of a session in somebody's project."""

import json
import re
import sys

import pytest

from noisefloor_tests.plugin.conftest import BARE, stored
from pytest_noisefloor.cli import main

# Says, at a session's end, whether anything imported torch.
WITNESS = """
    import sys

    def pytest_terminal_summary(terminalreporter):
        terminalreporter.write_line(f"torch imported: {'torch' in sys.modules}")
"""


def test_a_project_gets_adapters_comparison_files_and_one_table(pytester, downstream, capsys):
    result = pytester.runpytest_inprocess(*downstream, "--noisefloor-seeds=3,1")
    result.assert_outcomes(passed=3)  # one a user, and the comparison
    names = [
        f"PLANTED_60_{arm}_{user}{seed}{end}"
        for user in ("ann", "bob")
        for arm in ("real", "random")
        for seed in ("", "_seed1")
        for end in (".pt", ".safetensors")
    ]
    assert sorted(p.name for p in (pytester.path / "out").iterdir()) == sorted(names)
    (path,) = (pytester.path / "results").iterdir()
    assert path.name == "PLANTED_60_norm_only_noise_floor.json"

    text = result.stdout.str()
    assert text.count("PLANTED, proves the machinery alone: Bet 60: Norm-only noise floor") == 1
    assert len(re.findall(r"^user +untrained +real", text, re.MULTILINE)) == 1
    assert f"results: {path}" in text

    content = json.loads(path.read_text(encoding="utf-8"))
    assert content["seeds"] == [3, 1]
    assert content["verdict"]["planted"]
    files = {a["file"].removeprefix("out/") for a in content["adapters"]}
    assert files == {name for name in names if name.endswith(".pt")}
    assert main(["rejudge", str(path)]) == 0
    level = content["verdict"]["level"].replace("_", " ")
    assert f"\nPLANTED {level}. STRICT" in capsys.readouterr().out


def test_an_adapter_file_loads_without_pickle_and_equals_its_twin(planted_experiment):
    import torch
    from safetensors.torch import load_file

    assert planted_experiment.verdict
    files = sorted(planted_experiment.out.glob("out/*.pt"))
    assert len(files) == 8
    real = planted_experiment.adapter("ann", "real").tensors
    for file in files:
        loaded = torch.load(file, weights_only=True)
        twin = load_file(file.with_suffix(".safetensors"))
        assert type(loaded) is dict
        assert loaded.keys() == twin.keys() == real.keys()
        for name, tensor in loaded.items():
            assert tensor.dtype == torch.float32
            assert torch.equal(tensor, twin[name])
    first = torch.load(planted_experiment.out / "out/PLANTED_60_real_ann.pt", weights_only=True)
    assert all(torch.equal(first[name], torch.from_numpy(real[name].copy())) for name in real)


def test_a_second_session_trains_nothing_and_needs_no_torch(
    pytester, downstream, folder_base, read_result
):
    words = [*downstream[:2], "--noisefloor-base=small"]
    pytester.runpytest_inprocess(*words).assert_outcomes(passed=3)
    path = pytester.path / "results" / "UNREGISTERED_60_norm_only_noise_floor.json"
    before, files = read_result(path), stored(pytester)
    assert before["base"]["name"] == "small"
    assert not before["verdict"]["planted"]
    assert (pytester.path / "out" / "UNREGISTERED_60_real_ann.pt").is_file()
    # for each user: real, random, oracle and a gradient; two slices scored under the three, under
    # none, and after three steps down the gradient
    assert len(files) == 2 * (3 + 1 + 7 * 2)

    pytester.path.joinpath("witness.py").write_text(WITNESS.replace("\n    ", "\n"))
    path.unlink()
    again = pytester.run(*(sys.executable, "-m", "pytest", *BARE, "-p", "witness", *words))
    again.assert_outcomes(passed=3)
    again.stdout.fnmatch_lines(["torch imported: False"])
    assert read_result(path) == before
    assert stored(pytester) == files


@pytest.mark.slow
def test_the_registered_recipe_runs_in_a_project_as_it_stands(pytester, downstream):
    pytester.makeconftest("")
    pytester.runpytest_inprocess(*downstream).assert_outcomes(passed=3)
    (path,) = (pytester.path / "results").iterdir()
    assert json.loads(path.read_text())["recipe"]["steps"] == 100


# --- what goes wrong ---------------------------------------------------------------------------


def test_held_out_text_in_the_training_text_is_one_clear_error(pytester, downstream):
    train = pytester.path / "texts/ann/train.txt"
    train.write_text(train.with_name("heldout").joinpath("a.txt").read_text())
    result = pytester.runpytest_inprocess(*downstream, "-k", "comparison")
    result.assert_outcomes(errors=1)
    result.stdout.re_match_lines([r"user ann, slice a: 100\.00% of its word 13-grams stand in"])
    assert "def " not in result.stdout.str()  # no traceback
    assert not (pytester.path / "results").exists()


@pytest.mark.parametrize(
    ("file", "text", "message"),
    [
        ("texts/bob/train.txt", "", r".*train\.txt: empty; expected text"),
        ("texts/bob/heldout/a.txt", "words " * 20, r"user 'bob', slice 'a': 119 tokens; expected"),
        ("texts/bob/train.txt", "short", r"user 'bob', training text: 5 tokens; expected at least"),
    ],
)
def test_a_text_that_cannot_be_used_is_one_clear_error(pytester, downstream, file, text, message):
    pytester.path.joinpath(file).write_text(text)
    result = pytester.runpytest_inprocess(*downstream, "-k", "comparison")
    result.assert_outcomes(errors=1)
    result.stdout.re_match_lines([message])
    assert "def " not in result.stdout.str()
    assert not stored(pytester)  # before anything trained


def test_an_oddly_named_user_stops_the_collection_with_one_message(pytester, downstream):
    pytester.mkdir("texts/ann smith")
    result = pytester.runpytest_inprocess(*downstream)
    result.assert_outcomes(errors=1)
    result.stdout.re_match_lines([r".*name 'ann smith'; expected "])
    assert "metafunc" not in result.stdout.str()


def test_an_unknown_base_is_one_clear_error_for_each_test_that_wants_it(pytester, downstream):
    result = pytester.runpytest_inprocess(*downstream[:2], "--noisefloor-base=tinny")
    result.assert_outcomes(errors=3)
    result.stdout.re_match_lines([r"base 'tinny': expected tiny, .*a folder with config\.json"])
    assert "def " not in result.stdout.str()


def test_a_user_that_is_not_there_is_an_error_that_names_those_who_are(planted_experiment):
    from pytest_noisefloor.errors import NoisefloorError

    with pytest.raises(NoisefloorError, match="user 'cy': expected one of ann, bob"):
        planted_experiment.adapter("cy", "real")
