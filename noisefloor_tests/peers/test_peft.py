"""Agreement with PEFT under transformers' Trainer: the same adapters from the same tokens."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from noisefloor_tests.support.habits import forked
from noisefloor_tests.support.peer_modules import peer
from pytest_noisefloor.data.arms import ARMS, ArmInput
from pytest_noisefloor.models.head import lm_head
from pytest_noisefloor.training.loop import train
from pytest_noisefloor.training.methods.base import restore, snapshot
from pytest_noisefloor.training.methods.registry import METHODS

# tiny leaves one thread to this process, which is all that small models need
pytestmark = [pytest.mark.peers, pytest.mark.usefixtures("tiny")]


@pytest.fixture(scope="module")
def contenders():
    """The benchmarks' ways to train, which a checkout has."""
    return pytest.importorskip("benchmarks.contenders", reason="a wheel brings no benchmarks")


@pytest.fixture(scope="module")
def shape(contenders):
    """A small model and batch, at the registered learning rate."""
    from benchmarks.shapes import Shape

    return Shape(hidden=32, intermediate=64, blocks=2, heads=2, kv_heads=2, vocabulary=300)


def trained(contender, shape, steps=20):
    with forked():
        return contender(shape.model(), shape, steps, lambda: None)


# In 20 steps at lr 5e-5 a gain moves by 1e-3 at most. AdamW divides the gradient's size out of a
# step, so what the two ways round differently, 2⁻²⁴ of a gradient, moves a gain by 2⁻²⁴ of that;
# near 1 an fp32 gain is itself rounded by 6e-8 a step.
GAIN = 1e-6


# what PEFT says of every norm that LNTuning is for, and what transformers says of PEFT
@pytest.mark.filterwarnings("ignore:Unsupported layer type:UserWarning")
@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
def test_peft_under_the_trainer_trains_the_same_gains(contenders, shape):
    peer("peft")
    theirs = trained(contenders.peft_trainer, shape)
    ours = trained(contenders.noisefloor, shape)
    assert [gain.shape for gain in theirs] == [gain.shape for gain in ours] == [(32,)] * 5
    for one, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=GAIN)
        assert np.abs(one - 1).max() > 100 * GAIN


@pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing`:FutureWarning")
def test_peft_under_the_trainer_trains_the_same_low_rank_adapter(contenders, shape):
    """From the same A, which PEFT would draw; 1e-6 as above, of what moves by 1e-3 at most."""
    peft, method, steps = peer("peft"), METHODS["lora-r4"], 20
    with forked():
        model = shape.model()
    with method.attached(model) as tensors:
        initial = snapshot(tensors)

    def by_peft(alpha):
        with forked():
            plan = peft.LoraConfig(r=4, lora_alpha=alpha, lora_dropout=0.0, task_type="CAUSAL_LM")
            adapted = peft.get_peft_model(shape.model(), plan)
            own = {n: p for n, p in adapted.named_parameters() if p.requires_grad}
            restore({name.removeprefix("base_model.model."): p for name, p in own.items()}, initial)
            return contenders.under_trainer(adapted, shape, steps, lambda: None)

    streams = {"ours": shape.stream(steps)}
    done = train(model, lm_head(model), method, streams, shape.recipe(steps))
    ours = done["ours"].tensors
    for one, (name, other) in zip(by_peft(8), ours.items(), strict=True):
        np.testing.assert_allclose(other, one, rtol=0, atol=GAIN, err_msg=name)
        assert np.abs(other - initial[name]).max() > 100 * GAIN
    apart = [np.abs(a - b).max() for a, b in zip(by_peft(7), ours.values(), strict=True)]
    assert max(apart) > 5 * GAIN  # the nearest other scale


@dataclass(frozen=True)
class Changed:
    """A shape whose recipe or tokens are not those of the one it stands for."""

    shape: object
    recipes: dict
    seed: int = 0

    def __getattr__(self, name):
        return getattr(self.shape, name)

    def recipe(self, steps):
        return replace(self.shape.recipe(steps), **self.recipes)

    def stream(self, steps):
        arm_input = ArmInput("benchmark", self.vocabulary, None, np.arange(self.vocabulary))
        return ARMS["random"].batches(arm_input, self.shape.recipe(steps), self.seed)


@pytest.mark.parametrize(
    ("recipe", "seed"),
    [({"weight_decay": 0.0}, 0), ({"lr": 5.1e-5}, 0), ({"beta2": 0.99}, 0), ({}, 1)],
    ids=["decay", "rate", "moments", "order"],
)
def test_the_nearest_other_training_is_told_apart(contenders, shape, recipe, seed):
    """Each by ten tolerances at least, though all have the same first step but the last."""
    ours = trained(contenders.noisefloor, shape)
    other = trained(contenders.noisefloor, Changed(shape, recipe, seed))
    assert max(np.abs(a - b).max() for a, b in zip(ours, other, strict=True)) > 5 * GAIN
