"""A result by somebody's own bet is judged against it, and says what its lock no longer covers."""

from dataclasses import replace

from noisefloor_tests.support.locking import lock
from noisefloor_tests.support.results_by_hand import found, noise_floor, save
from pytest_noisefloor._files import text_sha256
from pytest_noisefloor.results.rejudging import rejudge


def test_a_result_by_a_bet_of_ones_own_is_judged_against_it(own, tmp_path):
    lock(own)
    one = found("bet60", noise_floor())
    bet = one.content["bet"] | {"id": "ours", "sha256": text_sha256(own.read_bytes())}
    path = save(tmp_path, replace(one, content=one.content | {"bet": bet}))
    judged = rejudge(path, against=str(own))
    assert judged.verdict.level.name == "NOT_MET"
    assert not [note for note in judged.notes if "never locked" in note or "design" in note]
    before = text_sha256(own.read_bytes())[:12]
    own.write_text(own.read_text("utf-8").replace("lr = 5e-5", "lr = 5e-2"), "utf-8")
    lock(own)
    notes = " ".join(rejudge(path, against=str(own)).notes)
    assert f"Made under another text than this bet's ({before})." in notes
    assert "never locked" not in notes
    (own.parent / "LOCK").unlink()
    notes = " ".join(rejudge(path, against=str(own)).notes)
    assert f"Made under another text than this bet's ({before})." in notes
    assert "It was made by another design than this bet's: lr 5e-05, not 0.05." in notes
    assert "This text was never locked." in notes
