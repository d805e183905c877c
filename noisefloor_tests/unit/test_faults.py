"""docs/faults.md: what happens at each fault, as it is said; the table is written by this page."""

import os
import re

import pytest

from noisefloor_tests.support.faults import FAULTS, Bench
from noisefloor_tests.support.places import CHECKOUT
from pytest_noisefloor.errors import NoisefloorError
from pytest_noisefloor.report.layout import as_markdown

HEAD = """# What happens at a fault

Each fault was brought about on a tiny base by `noisefloor_tests/support/faults.py`, and this is
what was said. Nothing that was finished is ever lost: adapters and scores are written whole or not
at all, and the same command goes on. After Ctrl-C, a kill or a power cut at most 15 seconds and a
step of training are done again (`pytest -m slow -k killed`).

| fault | what is said | what is kept | what to do |
|---|---|---|---|
"""


SAID = re.compile("expected|delete|run again|free some|raise the|Take it out")


@pytest.fixture(scope="module")
def said(tmp_path_factory, new_runner, ann, write_users, build):
    """The message of each fault, without this machine's paths."""
    found = {}
    for fault in FAULTS:
        folder = tmp_path_factory.mktemp("fault")
        bench = Bench(folder, new_runner, ann, write_users, build)
        with pytest.raises(NoisefloorError) as caught:
            fault(bench)
        found[fault] = str(caught.value).replace(f"{folder}{os.sep}", "")
        # what was finished is still there
        assert bench.runner.store.has("adapters", bench.runner.run_spec(bench.first).key), fault
    return found


def test_each_fault_is_one_line_of_what_was_found_and_what_was_expected(said):
    for fault, message in said.items():
        assert "\n" not in message, fault
        assert SAID.search(message), fault


PAGE = CHECKOUT / "docs" / "faults.md"


@pytest.mark.skipif(not PAGE.is_file(), reason="an installed wheel brings no documents")
def test_the_table_says_what_happens(said):
    rows = ""
    for fault, (kept, do) in FAULTS.items():
        cells = (fault.__name__.replace("_", " "), as_markdown(_short(said[fault])), kept, do)
        rows += f"| {' | '.join(cells)} |\n"
    if os.environ.get("NOISEFLOOR_UPDATE_SNAPSHOTS"):
        PAGE.write_text(HEAD + rows, "utf-8")
    assert PAGE.read_text("utf-8") == HEAD + rows


def _short(message):
    """Without digits that another machine or version may have otherwise."""
    return re.sub(r"[0-9a-f]{64}", "…", re.sub(r"\d\.\de[+-]\d\d", "…", message))
