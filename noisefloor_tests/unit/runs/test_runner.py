"""The runner: each adapter trained once ever, whoever asks, in whatever order, killed or not."""

import json
import signal
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest

from noisefloor_tests.support.interruptions import KILLED, Stopping, everything
from pytest_noisefloor import training
from pytest_noisefloor.errors import NoisefloorError
from pytest_noisefloor.models.scoring import score
from pytest_noisefloor.runs import worker
from pytest_noisefloor.runs.request import Request
from pytest_noisefloor.training.checks import TrainingError
from pytest_noisefloor.training.methods.base import restore
from pytest_noisefloor.training.methods.registry import METHODS

NORM_ONLY = METHODS["norm-only"]


@pytest.fixture
def runner(new_runner, tmp_path):
    """A function: a new runner, as in a new session, on one store unless another is named."""

    def runner(store="store", **changes):
        return new_runner(tmp_path / store, stack_size=1, **changes)  # test_worker.py has others

    return runner


@pytest.fixture
def trainings(monkeypatch):
    """How many steps each training of this test had behind it when it began."""
    begun = []
    train = training.train

    def spy(*args, starts, **kwargs):
        begun.append(sum(len(start.losses) for start in starts.values()))
        return train(*args, starts=starts, **kwargs)

    monkeypatch.setattr(training, "train", spy)
    return begun


def results(runner, requests):
    """All that the requests give, bit by bit."""
    found = {}
    for request in requests:
        name = str(request)
        if request.arm != "untrained":
            adapter = runner.adapter(request)
            found[name] = {n: t.tobytes() for n, t in adapter.tensors.items()}, adapter.losses
        for piece in request.user.heldout:
            found[name, piece.name] = runner.scores(request, piece).tobytes()
    return found


def test_each_adapter_is_trained_once_ever(runner, trainings, ann, bob):
    requests = everything(ann, bob)
    first = runner()
    first.complete(requests)
    assert len(trainings) == 6  # for each of two users
    found = results(first, requests)
    later = runner()
    later.complete(requests)
    assert results(later, requests) == found
    assert len(trainings) == 6


def test_the_order_of_requests_changes_nothing(runner, ann, bob):
    requests = everything(ann, bob)
    forward, backward = runner("forward"), runner("backward")
    forward.complete(requests)
    found = results(backward, requests[::-1])  # and each made only when it is asked for
    assert found == results(forward, requests)
    assert len({*map(str, found.values())}) == len(found)


def test_an_adapter_has_what_its_training_left(runner, recipe, ann):
    adapter = runner().adapter(Request(ann, "real", 1))
    assert (adapter.user, adapter.arm, adapter.seed) == ("ann", "real", 1)
    assert (adapter.count, adapter.nbytes) == (80, 320)  # two blocks of two norms, and the last
    assert len(adapter.losses) == recipe.steps
    assert adapter.seconds > 0


ALL = pytest.mark.parametrize("method", METHODS, indirect=True)


@ALL
def test_scores_are_those_of_the_model_with_the_adapter_on(
    runner, model, head, scoring, ann, method
):
    used = runner(method=method)
    request, piece = Request(ann, "real"), ann.heldout[0]
    tokens = np.frombuffer(piece.text.encode()[: scoring.tokens], np.uint8).astype(np.int64)
    untrained = score(model, head, tokens, 256, scoring)
    with method.attached(model) as tensors:
        restore(tensors, used.adapter(request).tensors)
        trained = score(model, head, tokens, 256, scoring)
    np.testing.assert_array_equal(used.scores(request, piece), trained)
    np.testing.assert_array_equal(used.scores(Request(ann, "untrained"), piece), untrained)
    assert (trained != untrained).any()


def test_the_untrained_arm_trains_nothing(runner, trainings, ann):
    runner().complete([Request(ann, "untrained")])
    assert trainings == []


def test_an_adapter_depends_on_its_own_text_and_only_if_its_arm_reads_it(runner, ann, bob):
    def key(user, arm):
        return runner().run_spec(Request(user, arm)).key

    longer, other = replace(ann, train=f"{ann.train}."), replace(ann, heldout=bob.heldout)
    assert key(longer, "real") != key(ann, "real") == key(other, "real")
    assert key(longer, "random") == key(ann, "random") == key(other, "random")
    assert len({key(user, arm) for user in (ann, bob) for arm in ("real", "random")}) == 4


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"train": "fifteen letters"}, "user 'short', training text: 15 tokens; .* least 16"),
        ({"slices": ["x" * 31]}, "user 'short', slice 'first': 31 tokens; expected at least 32"),
        ({"slices": ["x" * 32, ""]}, "user 'short', slice 'second': 0 tokens; .* least 32"),
    ],
    ids=["train", "slice", "empty"],
)
def test_a_text_that_is_too_short_is_refused_before_anything_trains(
    runner, trainings, ann, changes, message
):
    texts = changes.get("slices", [piece.text for piece in ann.heldout])
    short = replace(
        ann,
        name="short",
        train=changes.get("train", ann.train),
        heldout=tuple(
            replace(piece, text=text) for piece, text in zip(ann.heldout, texts, strict=False)
        ),
    )
    with pytest.raises(NoisefloorError, match=message):
        runner().complete(everything(ann, short))
    assert trainings == []
    with pytest.raises(NoisefloorError, match=message):
        runner().adapter(Request(short, "random"))


def test_a_training_that_fails_leaves_no_adapter_and_a_sound_worker(
    runner, recipe, ann, monkeypatch
):
    used = runner()
    with monkeypatch.context() as patch:
        still = replace(used.context, recipe=replace(recipe, lr=0.0))
        patch.setattr(used._worker, "context", still)
        with pytest.raises(TrainingError, match="no tensor moved"):
            used.adapter(Request(ann, "real"))
    assert not [*used.store.root.glob("adapters/*")]
    found = results(used, [Request(ann, "real")])
    assert found == results(runner("fresh"), [Request(ann, "real")])


# --- interrupted ------------------------------------------------------------------------------


@ALL
def test_an_interrupted_training_goes_on_where_it_was_saved(
    runner, trainings, ann, monkeypatch, method
):
    request = Request(ann, "real")
    monkeypatch.setattr(worker, "SAVE_EVERY_S", -1.0)
    with pytest.raises(KeyboardInterrupt):
        runner(progress_bar=Stopping(), method=method).adapter(request)
    found = results(runner(method=method), [request])
    assert trainings == [0, 2]
    assert found == results(runner("uninterrupted", method=method), [request])


@pytest.mark.slow  # another process with torch and a model; the fast tier interrupts in this one
def test_a_killed_training_goes_on_in_another_process(runner, trainings, ann):
    request, here = Request(ann, "real"), runner()
    store = str(here.store.root)
    settings = f"recipe={here.recipe!r}, scoring={here.scoring!r}, store=Store(Path({store!r}))"
    script = KILLED.format(settings, repr(ann))
    killed = subprocess.run([sys.executable, "-c", script], check=False)
    assert killed.returncode == -signal.SIGKILL

    # the other process made the same base, or its key would be another
    key = here.run_spec(request).key
    assert here.store.has("unfinished", key)
    assert not here.store.has("adapters", key)
    found = results(here, [request])
    assert trainings == [2]
    assert not here.store.has("unfinished", key)
    assert found == results(runner("uninterrupted"), [request])


# --- side by side -----------------------------------------------------------------------------

# Trains by writing down which process it is: whose adapters agree were made once.
SHARING = """
import json, os, sys, time
from dataclasses import asdict
from pathlib import Path
import numpy as np
from pytest_noisefloor.models.base import Base
from pytest_noisefloor.models.tiny import ByteTokenizer
from pytest_noisefloor.data.users import Slice, User
from pytest_noisefloor.training.methods.registry import METHODS
from pytest_noisefloor.runs.progress import ProgressBar
from pytest_noisefloor.runs import Request, Runner, runner, worker
from pytest_noisefloor.runs.context import RunContext
from pytest_noisefloor.specs import Recipe, Scoring
from pytest_noisefloor.runs.record import Record
from pytest_noisefloor.runs.store import Store

trained = []

class Quick(worker.Worker):
    kernel = "tiles/1"
    stack_size = 1  # or it would ask torch
    has_kernel = True

    def check_texts(self, users):
        pass  # there is no base to check them against

    def train(self, runs):
        ((key, (request, _)),) = runs.items()
        trained.append(str(request))
        time.sleep(0.05)
        me = np.full(1, os.getpid(), np.float32)
        return {key: Record({"me": me}, {"losses": [], "seconds": 0.0})}

    def score(self, piece, specs, adapters):
        ((key, spec),) = specs.items()
        return {key: Record({"nll": adapters[key]["me"]}, {"spec": asdict(spec)})}

root = Path(sys.argv[1])
runner.Worker = Quick
quick = Runner(RunContext(
    store=Store(root / "store"), base=Base("quick", "", None, ByteTokenizer), device="cpu",
    method=METHODS["norm-only"], recipe=Recipe(steps=1, batch=1, sequence=2),
    scoring=Scoring(window=1, stride=1), progress_bar=ProgressBar(), stack_size=1,
))
user = User("ann", "text", (Slice("only", "text"),))
requests = [Request(user, arm, seed) for seed in range(5) for arm in ("real", "random")]
Path(sys.argv[2]).touch()
while len([*root.glob("*.ready")]) < 2:
    time.sleep(0.01)
quick.complete(requests)
found = [quick.adapter(r).tensors["me"].item() for r in requests]
found += [quick.scores(r, user.heldout[0]).item() for r in requests]
print(json.dumps([trained, found]))
"""


def test_two_processes_that_want_the_same_adapters_share_the_work(tmp_path):
    both = [
        subprocess.Popen(
            [sys.executable, "-c", SHARING, tmp_path, tmp_path / f"{number}.ready"],
            stdout=subprocess.PIPE,
        )
        for number in (1, 2)
    ]
    (one, found), (other, as_found) = (json.loads(process.communicate()[0]) for process in both)
    assert one
    assert other  # neither waited for the other to do it all
    assert len(one + other) == len({*one, *other}) == 10
    assert found == as_found
    assert found[:10] == found[10:]  # each scored under its own adapter
