"""Methods that must not be believed, each for one reason."""

from contextlib import contextmanager
from copy import deepcopy

import torch

from pytest_noisefloor.training.methods.base import _trained
from pytest_noisefloor.training.methods.norm_only import NormOnly, gain_names


class Own(NormOnly):
    """Norm gains under another name; each cheat below changes one thing."""

    name = "own"


class KeepsAHook(Own):
    """Leaves a hook that adds to the last hidden states, from its third leaving on."""

    left = 0

    @contextmanager
    def attached(self, model):
        with super().attached(model) as tensors:
            yield tensors
        self.left += 1
        if self.left == 3:
            model.model.norm.register_forward_hook(lambda _, __, output: output + 0.01)


class KeepsAValue(Own):
    """Leaves a value that it does not name changed by one bit."""

    @contextmanager
    def attached(self, model):
        with super().attached(model) as tensors:
            yield tensors
        weight = model.model.embed_tokens.weight
        weight[0] = torch.nextafter(weight[0], weight[0] + 1)


class GoesOn(Own):
    """Starts where its last adapter ended."""

    def attached(self, model):
        return self._going_on(model)

    @contextmanager
    def _going_on(self, model):
        gains = {name: model.get_parameter(name) for name in gain_names(model)}
        for gain in gains.values():
            gain.add_(0.001).requires_grad_()
        try:
            yield gains
        finally:
            for gain in gains.values():
                gain.requires_grad_(requires_grad=False)


class GoesOnAside(Own):
    """Names tensors of its own, which start where its last adapter ended; the base is kept."""

    def __init__(self):
        self.last = 0.0

    @contextmanager
    def attached(self, model):
        added = torch.full((1,), self.last, requires_grad=True)
        hook = model.model.norm.register_forward_hook(lambda _, __, output: output + added)
        try:
            yield {"added": added}
        finally:
            hook.remove()
            self.last += 0.1


class GivesTwoScores(Own):
    """Does something else with the same tensors each time."""

    def __init__(self):
        self.times = 0

    @contextmanager
    def attached(self, model):
        self.times += 1
        factor = float(self.times)
        added = torch.zeros(1, requires_grad=True)
        hook = model.model.norm.register_forward_hook(lambda _, __, out: out + factor * added)
        try:
            yield {"added": added}
        finally:
            hook.remove()


class NamesOthers(Own):
    """Names one tensor less the second time."""

    def __init__(self):
        self.times = 0

    def attached(self, model):
        self.times += 1
        return _trained(model, gain_names(model)[: -self.times])


class Trains(Own):
    """Leaves a module in training mode."""

    @contextmanager
    def attached(self, model):
        with super().attached(model) as tensors:
            yield tensors
        model.model.layers[0].train()


class TrainsInside(Own):
    """Puts a module into training mode while it is attached."""

    @contextmanager
    def attached(self, model):
        with super().attached(model) as tensors:
            model.model.layers[1].mlp.train()
            yield tensors
        model.eval()


class NamesWhatNothingReaches(Own):
    """Names a tensor that no text changes anything of, as a vision tower's norms."""

    @contextmanager
    def attached(self, model):
        with super().attached(model) as tensors:
            yield {**tensors, "tower.norm": torch.ones(4, requires_grad=True)}


class KeepsARow(Own):
    """Leaves another embedding of a token that the probe does not have."""

    @contextmanager
    def attached(self, model):
        with super().attached(model) as tensors:
            yield tensors
        model.model.embed_tokens.weight[5] += 1


class KeepsWhatWasTrained(Own):
    """Lets the gains train and leaves them as they are then."""

    @contextmanager
    def attached(self, model):
        gains = {name: model.get_parameter(name).requires_grad_() for name in gain_names(model)}
        yield gains
        for gain in gains.values():
            gain.requires_grad_(requires_grad=False)


class KeepsAHookOnTheHead(Own):
    """Leaves a hook that changes no hidden state, only logits."""

    @contextmanager
    def attached(self, model):
        with super().attached(model) as tensors:
            yield tensors
        model.lm_head.register_forward_hook(lambda _, __, output: 2 * output)


class AddsToTheLogits(Own):
    """Trains what stands behind the head, where no score sees it."""

    @contextmanager
    def attached(self, model):
        added = torch.zeros(1, requires_grad=True)
        hook = model.lm_head.register_forward_hook(
            lambda _, __, out: out + added * torch.arange(out.shape[-1])
        )
        try:
            yield {"added": added}
        finally:
            hook.remove()


class PutsAnotherHead(Own):
    """Trains a copy of the head, while scores are computed with the base's own."""

    @contextmanager
    def attached(self, model):
        own = model.lm_head
        model.lm_head = deepcopy(own).requires_grad_()
        try:
            yield {"head": model.lm_head.weight}
        finally:
            model.lm_head = own


class NeedsSmallValues(Own):
    """Takes the root of values that begin at 0, so that some are no numbers where all are moved."""

    @contextmanager
    def attached(self, model):
        added = torch.zeros(16, requires_grad=True)
        hook = model.model.norm.register_forward_hook(lambda _, __, out: out + added.sqrt())
        try:
            yield {"added": added}
        finally:
            hook.remove()


class Names(Own):
    """Names what cannot train."""

    def __init__(self, tensors):
        self._tensors = tensors

    @contextmanager
    def attached(self, _):
        yield self._tensors


def leaving(act):
    """A method that does something to the model each time it leaves."""

    class Leaves(Own):
        @contextmanager
        def attached(self, model):
            with super().attached(model) as tensors:
                yield tensors
            act(model)

    return Leaves()


def hook_on_long_texts(model):
    """A probe is too short for it."""
    model.model.norm.register_forward_hook(lambda _, __, out: out + 1 if out.shape[1] > 32 else out)


def other_window(model):
    model.config.sliding_window = 4


def embeddings_of_their_own(model):
    """The head is no longer tied."""
    weight = model.model.embed_tokens.weight
    model.model.embed_tokens.weight = torch.nn.Parameter(weight.clone(), requires_grad=False)


def gradients_wanted(model):
    model.requires_grad_()


def other_frequencies(model):
    """A buffer that is never saved."""
    frequencies = model.model.rotary_emb.inv_freq
    frequencies[-1] = torch.nextafter(frequencies[-1], frequencies[-1] + 1)


def a_module_that_fails(model):
    model.model.layers[0].mlp = torch.nn.Flatten(0).eval()


LEFT = {
    hook_on_long_texts: "left 1 module of the base replaced or with other hooks, model.norm among",
    other_window: "left the base's config changed; expected the base as it was",
    embeddings_of_their_own: "left 1 tensor of the base changed, model.embed_tokens.weight among",
    gradients_wanted: r"left \d\d tensors of the base changed, model.embed_tokens.weight among",
    other_frequencies: r"left \d tensors? of the base changed, model.rotary_emb.inv_freq among",
    a_module_that_fails: r"left a model that fails \(RuntimeError: The size of tensor",
}


class ScalesTheHead(Own):
    """Scores by another head each time, and gives the base's own back."""

    def __init__(self):
        self.times = 1

    @contextmanager
    def attached(self, model):
        self.times *= 2  # so that dividing gives back every bit
        with super().attached(model) as tensors:
            model.lm_head.weight.mul_(self.times)
            yield tensors
            model.lm_head.weight.div_(self.times)


class AddsABias(Own):
    """Trains a bias that the head had not when it was read for scoring."""

    @contextmanager
    def attached(self, model):
        model.lm_head.bias = torch.nn.Parameter(torch.zeros(model.lm_head.out_features))
        yield {"bias": model.lm_head.bias}
        model.lm_head.bias = None
