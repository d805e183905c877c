"""Somebody's own arm, by its import path: a control like any other, or one error."""

import json
from dataclasses import replace

import numpy as np
import pytest

from noisefloor_tests.support import planted
from pytest_noisefloor.data.arms import ARMS, ArmError, open_arm
from pytest_noisefloor.results.lifting import lift
from pytest_noisefloor.results.rejudging import rejudge_file

HERE = __name__


class Constant:
    """A control that repeats one token."""

    name = "constant"
    version = 5
    reads = "nothing"

    def batches(self, arm_input, recipe, seed):
        """The same token, whoever the user."""
        for _ in range(recipe.steps):
            yield np.full((recipe.batch, recipe.sequence), seed % arm_input.vocabulary)


class Renamed(Constant):
    """The same under a name that its maker chooses, or with another appetite."""

    def __init__(self, name="constant", reads="nothing"):
        self.name, self.reads = name, reads


CONSTANT, NO_ARM, ARM_IMPOSTOR = Constant(), object(), ARMS["random"]
SLASHED, PEEPING = Renamed("a/b"), Renamed(reads="held-out text")


def test_an_arm_of_ones_own_is_a_control_by_its_import_path(tmp_path):
    label = f"{HERE}:CONSTANT"
    bet = replace(planted.BET, contrast=replace(planted.BET.contrast, numerator=label))
    one = planted.experiment(
        planted.damaged_base(0.5), [planted.user("ann", 1)], tmp_path, bet=bet, steps=3, batch=1
    )
    assert label in one.verdict.effects[0].nll
    assert not bet.controlled
    content = json.loads(one.result_path.read_text())
    assert content["versions"]["arms"] == {label: 5, "oracle": 1, "real": 1}
    names = {path.stem for path in (tmp_path / "out").iterdir()}
    assert names == {f"PLANTED_{bet.id}_{arm}_ann" for arm in ("constant", "real")}
    again = rejudge_file(lift(content), bet)
    assert (again.level, again.met) == (one.verdict.level, one.verdict.met)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("nowhere.to.be.found:OURS", "No module named 'nowhere'"),
        ("constant", "ModuleNotFoundError"),
        (f"{HERE}:NO_ARM", "an object of object without name, version, reads, batches; expected"),
        (
            f"{HERE}:ARM_IMPOSTOR",
            "the name 'random', which a shipped one has; expected an object with",
        ),
        (f"{HERE}:SLASHED", "name 'a/b'; expected letters, digits, _ and -"),
        (f"{HERE}:PEEPING", "reads 'held-out text'; expected nothing or training text"),
    ],
)
def test_what_is_no_arm_of_ones_own_is_one_error(words, message):
    with pytest.raises(ArmError) as caught:
        open_arm(words)
    assert str(caught.value).startswith(f"arm {words!r}: ")
    assert message in str(caught.value)
