"""Which tasks run as one batch, and in what order batches come."""

from collections import Counter
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_noisefloor.data.users import Slice, User
from pytest_noisefloor.runs.request import Request
from pytest_noisefloor.runs.task import Batch, Task, batches

SLICES = (Slice("first", "a"), Slice("second", "b"))
ANN = User("ann", "text", SLICES)


def training(key):
    return Task(kind="adapters", key=key, request=Request(ANN, "real"), spec=None, cost=1)


def scoring(key, heldout_slice, adapter):
    request = Request(ANN, "real" if adapter else "untrained")
    return Task(
        kind="scores",
        key=key,
        request=request,
        spec=None,
        cost=1,
        heldout_slice=heldout_slice,
        needs=adapter and ("adapters", adapter),
    )


def gradient(key):
    request = Request(ANN, "untrained")
    return Task(kind="gradients", key=key, request=request, spec=None, cost=1)


def after_step(key, heldout_slice):
    scored = scoring(key, heldout_slice, None)
    return replace(scored, needs=("gradients", "g"), step=0.00125)


def test_steps_of_a_slice_are_scored_together_and_gradients_are_made_alone():
    steps = [after_step("1", SLICES[0]), after_step("2", SLICES[0])]
    assert len({task.batch_key for task in steps}) == 1
    assert len({task.batch_key for task in (gradient("3"), gradient("4"), *steps)}) == 3


def test_adapters_train_together_a_slice_is_scored_together_and_the_base_alone():
    adapters = [training("1"), training("2")]
    first = [scoring("3", SLICES[0], "1"), scoring("4", SLICES[0], "2")]
    second = [scoring("5", SLICES[1], "1")]
    untrained = [scoring("6", SLICES[0], None), scoring("7", SLICES[1], None)]
    keys = [{task.batch_key for task in tasks} for tasks in (adapters, first, second)]
    assert [len(found) for found in keys] == [1, 1, 1]
    alone = {task.batch_key for task in untrained}
    assert len(alone | set.union(*keys)) == 5


tasks = st.lists(
    st.one_of(
        st.just(training),
        st.sampled_from(SLICES).map(lambda s: lambda key: scoring(key, s, "a")),
        st.sampled_from(SLICES).map(lambda s: lambda key: scoring(key, s, None)),
    ),
    max_size=12,
).map(lambda makers: [make(str(number)) for number, make in enumerate(makers)])


@given(tasks, st.integers(1, 4))
def test_every_task_is_in_one_batch_of_its_kind_and_keeps_its_place(tasks, largest):
    asked = []

    def size(task, left):
        asked.append((task.key, left))
        return min(left, largest)

    found = list(batches(tasks, size))
    assert Counter(t.key for b in found for t in b.members) == Counter(t.key for t in tasks)
    for batch in found:
        assert len(batch.members) <= largest
        assert len({task.batch_key for task in batch.members}) == 1
    # batches come in the order of their first tasks, and tasks of a kind in theirs
    firsts = [int(batch.members[0].key) for batch in found]
    assert firsts == sorted(firsts)
    for kind in {task.batch_key for task in tasks}:
        in_batches = [t.key for b in found for t in b.members if t.batch_key == kind]
        assert in_batches == [task.key for task in tasks if task.batch_key == kind]
    assert asked == [
        (b.members[0].key, sum(len(c.members) for c in found[at:] if same_kind(b, c)))
        for at, b in enumerate(found)
    ]


def same_kind(one, other):
    return one.members[0].batch_key == other.members[0].batch_key


def test_a_batch_size_is_asked_for_only_when_the_batch_is_due():
    asked = []
    found = batches(
        [training("1"), scoring("2", SLICES[0], "1")], lambda t, _: asked.append(t) or 1
    )
    assert asked == []
    assert next(found).members[0].key == "1"
    assert [task.key for task in asked] == ["1"]


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ((training("1"),), "ann, real"),
        ((training("1"), training("2"), training("3")), "ann, real and 2 more"),
        ((scoring("1", SLICES[0], None),), "ann, untrained: scoring first"),
        ((gradient("1"),), "ann: gradient over first, second"),
        ((after_step("1", SLICES[1]),), "ann, step of 0.0013: scoring second"),
    ],
    ids=["alone", "three", "scoring", "gradient", "step"],
)
def test_a_batch_is_shown_by_its_first_task(members, words):
    assert str(Batch(members)) == words
