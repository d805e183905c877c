"""Adapters that train as one batch, each user's stream by itself."""

import numpy as np

from pytest_noisefloor.data.arms import ARMS, ArmInput
from pytest_noisefloor.training.loop import train
from pytest_noisefloor.training.methods.registry import METHODS

NORM_ONLY = METHODS["norm-only"]
USERS = ("ann", "bob", "cem", "dee")


def stream(user, recipe, vocabulary, *, seed=0):
    """The blocks of a user's run; every second user has the random arm."""
    arm = ARMS["random" if USERS.index(user) % 2 else "real"]
    text = np.random.default_rng(USERS.index(user)).integers(vocabulary, size=10 * recipe.sequence)
    return arm.batches(ArmInput(user, vocabulary, text, np.arange(vocabulary)), recipe, seed)


def together(model, head, users, recipe, seed=0, **more):
    vocabulary = head.weight.shape[0]
    streams = {user: stream(user, recipe, vocabulary, seed=seed) for user in users}
    return train(model, head, NORM_ONLY, streams, recipe, **more)
