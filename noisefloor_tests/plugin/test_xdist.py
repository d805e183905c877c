"""Workers share the work through the store, and the session's words are said once."""

import pytest


@pytest.mark.slow
def test_two_workers_leave_what_one_process_leaves_and_print_one_table(
    pytester, downstream, read_result, tiny, monkeypatch
):
    """Bitwise, since ``tiny`` left one thread to this process, and each worker has one too."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    with pytester.path.joinpath("conftest.py").open("a") as conftest:
        conftest.write("\nfrom pytest_noisefloor import runner\nrunner._cores = lambda: 2\n")
    name = "results/PLANTED_60_norm_only_noise_floor.json"
    alone = pytester.runpytest_inprocess(*downstream, "--noisefloor-out=alone")
    alone.assert_outcomes(passed=3)
    shared = pytester.runpytest_inprocess(
        *downstream, "--noisefloor-out=shared", "-n2", "--dist=each"
    )
    shared.assert_outcomes(passed=6)

    assert read_result(pytester.path / "shared" / name) == read_result(
        pytester.path / "alone" / name
    )
    kept = sorted(path.name for path in (pytester.path / "alone" / "out").iterdir())
    for file in kept:
        here, there = (pytester.path / folder / "out" / file for folder in ("alone", "shared"))
        assert here.suffix == ".pt" or here.read_bytes() == there.read_bytes()
    text = shared.stdout.str()
    assert text.count("PLANTED, proves the machinery alone: Bet 60") == 1
    assert text.count("results: ") == 1
