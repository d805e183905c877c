"""The head's kernel: measured once for a store, kept, and part of what its results are named by."""

import json
from dataclasses import replace

import pytest
import torch

from pytest_noisefloor.models.head import LMHead, kernels
from pytest_noisefloor.runs import autotune as module
from pytest_noisefloor.runs.autotune import KernelError, autotune
from pytest_noisefloor.runs.request import Request
from pytest_noisefloor.runs.store import Store

BASE = "0123456789abcdef0"


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path)


@pytest.fixture
def some_head():
    """A head that every kernel can compute."""
    weight = torch.randn(40, 8, generator=torch.Generator().manual_seed(60))
    head = LMHead(weight, None, 1.0, None)
    assert len(kernels(head)) > 1
    return head


def written(store):
    (file,) = store.root.glob("kernels/*.json")
    return file


def test_the_fastest_is_chosen_and_measured_once(store, some_head, monkeypatch):
    order = kernels(some_head)[::-1]  # the one that would be taken unmeasured is the slowest
    seconds = {kernel: 1.0 + at for at, kernel in enumerate(order)}
    monkeypatch.setattr(module, "WORTH_MEASURING", 1)
    monkeypatch.setattr(module, "_seconds", lambda _, kernel, __: seconds[kernel])
    assert autotune(store, BASE, "cpu", lambda: some_head, 10) == order[0]
    assert json.loads(written(store).read_text())["seconds"] == seconds

    def never():
        raise AssertionError("measured again")

    assert autotune(store, BASE, "cpu", never, 10) == order[0]


def test_a_real_measurement_times_every_kernel(store, some_head, monkeypatch):
    monkeypatch.setattr(module, "WORTH_MEASURING", 1)
    found = autotune(store, BASE, "cpu", lambda: some_head, 10)
    seconds = json.loads(written(store).read_text())["seconds"]
    assert seconds.keys() == set(kernels(some_head))
    assert seconds[found] == min(seconds.values())


def test_a_small_head_is_not_worth_a_measurement(store, some_head):
    assert autotune(store, BASE, "cpu", lambda: some_head, 10) == kernels(some_head)[0]
    assert json.loads(written(store).read_text())["seconds"] == {}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "not readable"),
        ("[]", r"\[\]; expected a table with kernel, seconds, rows, threads, written; delete it"),
        ('{"rows": 7}', "key 'kernel' is missing; delete it"),
        ('{"kernel": "tiles/1", "rows": "7"}', "rows = '7'; expected a whole number; delete it"),
        (
            '{"kernel": "abacus/1"}',
            "kernel = 'abacus/1'; expected 'attention/1', 'tiles/1', 'tiles-onednn/1' or "
            "'tiles-wide/1'; delete it",
        ),
    ],
)
def test_a_damaged_choice_is_one_clear_error(store, some_head, content, message):
    autotune(store, BASE, "cpu", lambda: some_head, 10)
    written(store).write_text(content)
    with pytest.raises(KernelError, match=f"{BASE[:16]}-cpu.json: {message}"):
        autotune(store, BASE, "cpu", lambda: some_head, 10)


def test_each_device_has_its_own_since_not_every_kernel_is_everywhere(store, some_head):
    """Kernels of the CPU do not exist on an accelerator; a store may see both."""
    elsewhere = replace(some_head, weight=some_head.weight.to("meta"))
    assert autotune(store, BASE, "cpu", lambda: some_head, 10) == "attention/1"
    assert autotune(store, BASE, "mps", lambda: elsewhere, 10) == "tiles-wide/1"


def test_only_plain_heads_go_by_attention_and_only_fp32_by_onednn(some_head):
    assert "attention/1" not in kernels(replace(some_head, softcap=30.0))
    assert "attention/1" not in kernels(replace(some_head, bias=torch.zeros(40)))
    low = replace(some_head, weight=some_head.weight.bfloat16())
    assert "tiles-onednn/1" not in kernels(low)


def test_another_kernel_makes_another_adapter_in_the_store(new_runner, ann, store, tmp_path):
    request = Request(ann, "real")
    first = new_runner(tmp_path).adapter(request)
    file = written(store)
    file.write_text(json.dumps({"kernel": "tiles/1"}))
    second = new_runner(tmp_path).adapter(request)
    assert first.key != second.key
    for name, gain in first.tensors.items():
        # two ways of summing 257 logits in fp32, over three steps at lr 0.01; a step moves 0.01
        assert abs(gain - second.tensors[name]).max() < 1e-5
