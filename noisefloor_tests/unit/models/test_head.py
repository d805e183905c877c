"""The head of a model: its loss is the model's own, and one that we do not compute is refused."""

import pytest
import torch

from pytest_noisefloor.models.cross_entropy import mean_loss
from pytest_noisefloor.models.head import HeadError, LMHead, hidden_states, lm_head

UNUSUAL = {
    "Llama": {},
    "OPT": {},
    "Gemma2": {"final_logit_softcapping": 0.2},
    "Cohere": {"logit_scale": 0.0625},
    "Granite": {"logits_scaling": 8.0},
}


@pytest.mark.parametrize("architecture", UNUSUAL)
def test_our_loss_is_the_models_own(build, architecture):
    model = build(architecture, initializer_range=0.5, **UNUSUAL[architecture])
    ids = torch.randint(64, (3, 20), generator=torch.Generator().manual_seed(1))
    head = lm_head(model)
    rows = hidden_states(model, ids)[:, :-1].flatten(0, 1)
    ours = mean_loss(rows, ids[:, 1:].flatten(), head)
    theirs = model(input_ids=ids, labels=ids).loss
    # two fp32 sums of 57 losses of about 4 nats in different order: below 57 × 2⁻²⁴ × 4 = 1.4e-5
    torch.testing.assert_close(ours, theirs, rtol=0, atol=1.4e-5)
    if UNUSUAL[architecture]:  # a head that forgets what is unusual is seen
        forgetful = LMHead(head.weight, head.bias, 1.0, None)
        assert abs(mean_loss(rows, ids[:, 1:].flatten(), forgetful) - theirs) > 1e-3


def test_a_scale_without_a_value_is_none(build):
    """As in the configuration of MPT."""
    model = build("Llama")
    model.config.logit_scale = model.config.logits_scaling = None
    assert lm_head(model).scale == 1.0


def test_a_head_that_we_do_not_compute_is_refused(build):
    model = build("Llama")
    model.lm_head.register_forward_hook(lambda *args: args[2] * 1.001)
    with pytest.raises(HeadError, match=r"LlamaForCausalLM: its logits differ .* by 1\.0e-03"):
        lm_head(model)


def test_logits_that_are_no_numbers_are_refused(model):
    model.model.norm.weight.fill_(float("nan"))
    with pytest.raises(HeadError, match="by nan of the largest"):
        lm_head(model)
