"""Keys: a run is found again under its own spec and under no other."""

import hashlib
import json
import math
import os
import subprocess
import sys
from dataclasses import asdict, fields, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_noisefloor.errors import NoisefloorError
from pytest_noisefloor.specs import Recipe, RunSpec, ScoreSpec, Scoring, canonical_json

RUN = RunSpec(
    base="b",
    method="norm-only/1",
    user="ann",
    text="t",
    arm="real/1",
    recipe=Recipe(),
    kernel="tiles/1",
    seed=0,
    device="cpu",
    torch="2.13",
)
SCORE = ScoreSpec(
    base="b",
    adapter=RUN.key,
    slice="s",
    scoring=Scoring(),
    prefix="end-of-text",
    scorer="sliding/1",
    kernel="tiles/1",
    device="cpu",
    torch="2.13",
)
FREE = [field.name for field in fields(Recipe) if field.name != "dtype"]  # float32 is the only one
NEAREST = {"float32": "bfloat16"}


def names(spec):
    return [field.name for field in fields(spec)]


def altered(value):
    """The nearest other value of a field."""
    if isinstance(value, Recipe):
        return replace(value, steps=value.steps + 1)
    if isinstance(value, Scoring):
        return replace(value, tokens=value.tokens + 1)
    if isinstance(value, str):
        return NEAREST.get(value, f"{value}'")
    return value + 1 if isinstance(value, int) else math.nextafter(value, 1)


@pytest.mark.parametrize("name", names(RunSpec))
def test_every_field_of_a_run_changes_its_key(name):
    assert replace(RUN, **{name: altered(getattr(RUN, name))}).key != RUN.key


@pytest.mark.parametrize("name", names(ScoreSpec))
def test_every_field_of_a_scoring_changes_its_key(name):
    assert replace(SCORE, **{name: altered(getattr(SCORE, name))}).key != SCORE.key


@pytest.mark.parametrize("name", FREE)
def test_the_smallest_change_of_a_recipe_changes_the_key(name):
    recipe = replace(RUN.recipe, **{name: altered(getattr(RUN.recipe, name))})
    assert replace(RUN, recipe=recipe).key != RUN.key


@pytest.mark.parametrize("name", names(Scoring))
def test_the_smallest_change_of_a_scoring_changes_the_key(name):
    scoring = replace(SCORE.scoring, **{name: altered(getattr(SCORE.scoring, name))})
    assert replace(SCORE, scoring=scoring).key != SCORE.key


def test_values_that_change_places_change_the_key():
    assert replace(RUN, user=RUN.text, text=RUN.user).key != RUN.key


def test_a_key_is_the_digest_of_the_spec_as_anybody_can_write_it_down():
    by_hand = (
        '{"arm":"real/1","base":"b","device":"cpu","kernel":"tiles/1","method":"norm-only/1","recipe":{"batch":4,'
        '"beta1":0.9,"beta2":0.999,"budget_s":300.0,"dtype":"float32","eps":1e-08,"lr":5e-05,'
        '"matmul":"float32","sequence":256,"steps":100,"weight_decay":0.01},"seed":0,"text":"t","torch":"2.13",'
        '"user":"ann"}'
    )
    assert RUN.key == hashlib.sha256(by_hand.encode()).hexdigest()


def test_another_process_finds_the_same_keys():
    script = (
        "from pytest_noisefloor.specs import Recipe, RunSpec, ScoreSpec, Scoring\n"
        f"print({RUN!r}.key, {SCORE!r}.key)"
    )
    for hash_seed in ("1", "2"):  # the order of Python's sets and of its string hashes
        found = subprocess.run(
            [sys.executable, "-c", script],
            env={**os.environ, "PYTHONHASHSEED": hash_seed},
            capture_output=True,
            text=True,
            check=True,
        )
        assert found.stdout.split() == [RUN.key, SCORE.key]


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=8,
)


@settings(max_examples=50)
@given(st.dictionaries(st.text(max_size=3), JSON, max_size=5))
def test_canonical_json_forgets_the_order_of_keys_and_nothing_else(value):
    reordered = dict(reversed(value.items()))
    assert canonical_json(reordered) == canonical_json(value)
    assert json.loads(canonical_json(value)) == value


def test_what_json_cannot_hold_has_no_key():
    with pytest.raises(ValueError, match="not JSON compliant"):
        canonical_json({"lr": float("nan")})


def test_the_registered_recipe_is_the_default():
    assert asdict(Recipe()) == {
        "lr": 5e-5,
        "steps": 100,
        "batch": 4,
        "sequence": 256,
        "beta1": 0.9,
        "beta2": 0.999,
        "eps": 1e-8,
        "weight_decay": 0.01,
        "dtype": "float32",
        "matmul": "float32",
        "budget_s": 300.0,
    }
    assert Recipe().tokens == 102_400


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ({"steps": 0}, "steps=0"),
        ({"batch": 0}, "batch=0"),
        ({"batch": 2**20, "sequence": 2**12}, "expected at most 2,147,483,648 tokens in a step"),
        ({"batch": 10**400}, "tokens in a step"),
        ({"sequence": 1}, "sequence=1"),  # one token has none to predict
        ({"lr": -5e-5}, "lr=-5e-05"),
        ({"lr": float("nan")}, "lr=nan"),
        ({"lr": float("inf")}, "lr=inf"),
        ({"dtype": "bfloat16"}, "float32 only"),
        ({"beta1": 1.0}, r"beta1=1\.0; expected a finite number of 0 or more, below 1"),
        ({"beta2": float("nan")}, "beta2=nan"),
        ({"eps": -1e-8}, "eps=-1e-08; expected a finite number of 0 or more$"),
        ({"weight_decay": float("inf")}, "weight_decay=inf"),
        ({"budget_s": float("nan")}, "budget_s=nan"),
    ],
)
def test_a_recipe_that_no_run_could_follow_is_refused(value, message):
    with pytest.raises(NoisefloorError, match=message):
        Recipe(**value)


@pytest.mark.parametrize(
    "value",
    [{"stride": 0}, {"stride": 513}, {"tokens": 0}, {"window": 0, "stride": 0}],
    ids=str,
)
def test_a_scoring_that_would_skip_tokens_is_refused(value):
    with pytest.raises(NoisefloorError, match="expected 1 ≤ stride ≤ window"):
        Scoring(**value)


@pytest.mark.parametrize("noise", [-0.01, float("nan"), float("inf")])
def test_noise_that_is_no_share_is_refused(noise):
    with pytest.raises(NoisefloorError, match=f"noise={noise}; expected a share of 0 or more"):
        Scoring(noise=noise)
