"""Adapters that a loader takes without a word and that do not do what their files say.

Each case is built on a tiny model. Those with a number have the cause of a complaint that was made
in public under it.
"""

import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file

from noisefloor_tests.support.given_adapters import (
    WEIGHTS,
    reconfigure,
    renamed,
    retensor,
    save_adapter,
)
from pytest_noisefloor.models.adapters import find_adapters
from pytest_noisefloor.models.applied import State, check_applied

pytest.importorskip("peft", reason="pip install pytest-noisefloor[catalogue]")

KINDS = {
    "lora": ("LoraConfig", {"r": 4, "target_modules": ["q_proj", "v_proj"]}),
    "dropout": ("LoraConfig", {"r": 4, "target_modules": ["q_proj"], "lora_dropout": 0.5}),
    "embeddings": ("LoraConfig", {"r": 4, "target_modules": ["embed_tokens", "o_proj"]}),
    "gains": ("LNTuningConfig", {"target_modules": ["norm", "input_layernorm"]}),
    "ia3": ("IA3Config", {"target_modules": ["k_proj"], "feedforward_modules": []}),
}


@pytest.fixture(scope="session")
def saved(tiny, tmp_path_factory):
    """A folder with one good adapter of each kind."""
    root = tmp_path_factory.mktemp("adapters")
    for name, (kind, config) in KINDS.items():
        save_adapter(root / name, tiny, kind, **config)
    return root


@pytest.fixture
def copied(saved, tmp_path):
    """A function: a copy of a good adapter."""
    return lambda kind: shutil.copytree(saved / kind, tmp_path / kind)


def found(base, folder):
    """What came of an adapter, and what failed or is unclear of it."""
    (only,) = check_applied(base, find_adapters(folder))
    return only.state, [f"{f.check}: {f.figure}" for f in only.findings if f.state != State.OK]


@pytest.mark.parametrize("kind", KINDS)
def test_a_good_adapter_is_applied_and_alike_each_time(tiny, saved, kind):
    """With dropout too: PEFT puts its modules into training mode."""
    one, other = (next(check_applied(tiny, find_adapters(saved / kind))) for _ in range(2))
    assert one == other
    assert one.state is State.OK, one.findings


# --- what loaders say nothing of --------------------------------------------------------------

A, B = "lora_A.weight", "lora_B.weight"
FIRST = "base_model.model.model.layers.0.self_attn"
SECOND, SEVENTH = FIRST.replace("0", "1"), FIRST.replace("0", "7")


def zeroed(part):
    return retensor(lambda ts: {n: t * (0 if part in n else 1) for n, t in ts.items()})


def layer(number):
    return retensor(lambda ts: {n: t for n, t in ts.items() if f"layers.{number}." in n})


def with_a_third_layer(tensors):
    more = {n.replace("layers.1.", "layers.7."): t.clone() for n, t in tensors.items()}
    return {**tensors, **more}


def rounded(tensors):
    """Gains that a training moved by a few thousandths, in bfloat16."""
    return {n: (1 + (t - 1) / 500).bfloat16() for n, t in tensors.items()}


def mostly_rounded(tensors):
    half = {n: 1 + (t - 1) / 500 for n, t in tensors.items()}
    for tensor in half.values():
        tensor[0] += 0.5
    return {n: t.bfloat16() for n, t in half.items()}


COMPLAINTS = {
    "B never trained": (
        "lora",
        zeroed("lora_B"),
        [
            f"values: 4 of 8 tensors, {FIRST}.q_proj.{B} among them, are all 0",
            "effect: no logit changes",
        ],
    ),
    "B of one module never trained": (
        "lora",
        zeroed("layers.1.self_attn.v_proj.lora_B"),
        [
            f"values: 1 of 8 tensors, {SECOND}.v_proj.{B} among them, are all 0",
            f"effect: 1 of 8 tensors, {SECOND}.v_proj.{A} among them, do nothing",
        ],
    ),
    "keys of a compiled model": (
        "lora",
        renamed("base_model.model.", "base_model.model._orig_mod."),
        [
            f"names: 8 of 8 tensors, {FIRST}.q_proj.{A} among them, are not in the file",
            "names: 8 of 8 tensors, base_model.model._orig_mod.model.layers.0.self_attn.q_proj."
            f"{A} among them, find no place",
            "effect: no logit changes",
        ],
    ),
    "keys without PEFT's prefix (vLLM 34186)": (
        "lora",
        renamed("base_model.model.", ""),
        [
            f"names: 8 of 8 tensors, {FIRST}.q_proj.{A} among them, are not in the file",
            f"names: 8 of 8 tensors, model.layers.0.self_attn.q_proj.{A} among them, find no place",
            "effect: no logit changes",
        ],
    ),
    "half of the keys missing (peft 2566, 2699)": (
        "lora",
        layer(0),
        [
            f"names: 4 of 8 tensors, {SECOND}.q_proj.{A} among them, are not in the file",
            f"effect: 2 of 8 tensors, {SECOND}.q_proj.{A} among them, do nothing",
        ],
    ),
    "layers that the base has not": (
        "lora",
        retensor(with_a_third_layer),
        [f"names: 4 of 12 tensors, {SEVENTH}.q_proj.{A} among them, find no place"],
    ),
    "a config that targets less than was saved": (
        "lora",
        reconfigure(target_modules=["q_proj"]),
        [f"names: 4 of 8 tensors, {FIRST}.v_proj.{A} among them, find no place"],
    ),
    "a config that targets more than was saved": (
        "lora",
        reconfigure(target_modules=["q_proj", "v_proj", "k_proj"]),
        [
            f"names: 4 of 12 tensors, {FIRST}.k_proj.{A} among them, are not in the file",
            f"effect: 2 of 12 tensors, {FIRST}.k_proj.{A} among them, do nothing",
        ],
    ),
    "a config with modules of another architecture (vLLM 55193)": (
        "lora",
        reconfigure(target_modules=["q_proj", "v_proj", "query_key_value"]),
        [
            "modules: 1 of 3 modules that its config names are not in the base, query_key_value "
            "among them"
        ],
    ),
    "alpha 0": ("lora", reconfigure(lora_alpha=0), ["effect: no logit changes"]),
    "an empty file": (
        "lora",
        retensor(lambda _: {}),
        [
            "values: no values in the file",
            f"names: 8 of 8 tensors, {FIRST}.q_proj.{A} among them, are not in the file",
            "effect: no logit changes",
        ],
    ),
    "values that are no numbers": (
        "lora",
        retensor(lambda ts: {n: t * float("nan") for n, t in ts.items()}),
        [
            f"numbers: 8 of 8 tensors, {FIRST}.q_proj.{A} among them, hold values that are no "
            "numbers",
            "numbers: logits are no numbers",
        ],
    ),
    "another base by the config": (
        "lora",
        reconfigure(base_model_name_or_path="organisation/other"),
        ["base: trained on organisation/other, by its config; the base here is tiny"],
    ),
    "no base in the config": (
        "lora",
        reconfigure(base_model_name_or_path=None),
        ["base: its config names no base"],
    ),
    "gains that bfloat16 rounds to where they were (unsloth-zoo 680, speculators 668)": (
        "gains",
        retensor(rounded),
        [
            "starts: 3 of 3 tensors, base_model.model.model.layers.0.input_layernorm."
            "ln_tuning_layers.weight among them, have the base's own values",
            "effect: no logit changes",
        ],
    ),
    "gains of which bfloat16 rounds most (unsloth-zoo 680)": (
        "gains",
        retensor(mostly_rounded),
        ["starts: 94% of 48 values are the base's own"],
    ),
    "factors of 1, as IA3 begins": (
        "ia3",
        retensor(lambda ts: {n: torch.ones_like(t) for n, t in ts.items()}),
        ["effect: no logit changes"],
    ),
}


@pytest.mark.parametrize("complaint", COMPLAINTS)
def test_an_adapter_that_does_not_do_what_its_files_say_is_found(tiny, copied, complaint):
    kind, breaks, expected = COMPLAINTS[complaint]
    folder = copied(kind)
    breaks(folder)
    state, said = found(tiny, folder)
    assert said == expected
    assert state is (State.UNCLEAR if said[0].startswith("base: ") else State.FAILED)


def test_a_rank_that_is_not_the_files_is_found(tiny, copied):
    folder = copied("lora")
    reconfigure(r=8)(folder)
    state, said = found(tiny, folder)
    assert state is State.FAILED
    assert len(said) == 1
    assert said[0].startswith("fit: it does not fit the base (")
    assert "size mismatch" in said[0]


def test_one_users_adapter_that_was_saved_for_two_is_found(tiny, saved, tmp_path):
    shutil.copytree(saved / "lora", tmp_path / "ann")
    shutil.copytree(saved / "lora", tmp_path / "bob")
    shutil.copytree(saved / "gains", tmp_path / "cy")
    ann, bob, cy = check_applied(tiny, find_adapters(tmp_path))
    assert ann.findings[-1].figure == "equal to the last bit to that of bob"
    assert bob.findings[-1].figure == "equal to the last bit to that of ann"
    assert [one.state for one in (ann, bob, cy)] == [State.FAILED, State.FAILED, State.OK]


def test_one_bit_makes_two_adapters(tiny, saved, tmp_path):
    for name in ("ann", "bob"):
        shutil.copytree(saved / "lora", tmp_path / name)
    tensors = load_file(tmp_path / "bob" / WEIGHTS)
    first = tensors[f"{FIRST}.q_proj.{A}"]
    first[0, 0] = torch.nextafter(first[0, 0], torch.tensor(9.0))
    save_file(tensors, tmp_path / "bob" / WEIGHTS)
    assert {one.state for one in check_applied(tiny, find_adapters(tmp_path))} == {State.OK}
