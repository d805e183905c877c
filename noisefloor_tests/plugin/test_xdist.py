"""Workers share the work through the store, and the session's words are said once."""

import pytest
import torch

from pytest_noisefloor.plugin import session


@pytest.mark.parametrize(("name", "line"), [("gw3", 3), ("my-host", 0), ("", 0)])
def test_a_worker_has_the_line_of_its_number_whatever_it_is_called(monkeypatch, name, line):
    monkeypatch.setenv("PYTEST_XDIST_WORKER", name)
    assert session._worker() == line


@pytest.mark.slow
def test_two_workers_leave_what_one_process_leaves_and_print_one_table(
    pytester, downstream, read_result, tiny, monkeypatch
):
    """Bitwise, since ``tiny`` left one thread to this process, and each worker has one too."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
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
        if here.suffix != ".pt":
            assert here.read_bytes() == there.read_bytes()
            continue
        one, other = (torch.load(path, weights_only=True) for path in (here, there))
        assert one.keys() == other.keys()
        assert all(torch.equal(one[name], other[name]) for name in one)
    text = shared.stdout.str()
    assert text.count("PLANTED, proves the machinery alone: Bet 60") == 1
    assert text.count("results: ") == 1
