"""Other people's projects, made for one test and run in this process or in their own."""

import importlib.metadata
import json
from functools import partial

import pytest
import scipy.stats  # noqa: F401 (or a session in this process would load it, and unload it)

from noisefloor_tests.support.claims_planted import LENIENT, entry, evidence, lock_own_bet
from pytest_noisefloor.claims import review

BARE = ("-p", "no:randomly", "-p", "no:hypothesispytest")
"""For a process of its own: no shuffling, and no second spent on a plugin that it does not use."""

# A shorter training is all that this changes of Bet 60: its adapters are worth nothing, and
# whatever is said here holds for those that are.
SHORT = """
    import dataclasses
    from pytest_noisefloor.bets import registry
    from pytest_noisefloor.claims import claim

    registered_bet = registry.registered_bet

    def short_bet(name):
        bet = registered_bet(name)
        return dataclasses.replace(bet, recipe=dataclasses.replace(bet.recipe, steps=2))

    def pytest_configure():
        registry.registered_bet = claim.registered_bet = short_bet

    def pytest_unconfigure():
        registry.registered_bet = claim.registered_bet = registered_bet
"""

DOWNSTREAM = """
    def test_each_user_has_two_adapters(real_adapter, random_adapter):
        assert (real_adapter.arm, random_adapter.arm) == ("real", "random")
        assert real_adapter.user == random_adapter.user
        assert real_adapter.count == random_adapter.count > 0
        assert real_adapter.nbytes == 4 * real_adapter.count
        assert real_adapter.key != random_adapter.key

    def test_the_comparison_can_be_asked_for(noise_floor):
        assert [effect.user for effect in noise_floor.effects] == ["ann", "bob"]
        assert len(noise_floor.bet.criteria) == 3
"""


@pytest.fixture(scope="session")
def plugins():
    """The installed distributions that bring plugins: a run reads the metadata of all, twice."""
    return [
        distribution
        for distribution in importlib.metadata.distributions()
        if any(point.group == "pytest11" for point in distribution.entry_points)
    ]


@pytest.fixture
def pytester(pytester, plugins, monkeypatch):
    """Projects whose runs shuffle nothing and reseed nothing in this process.

    Nor do they end by walking, five times, through all objects of this process, torch's among them:
    what finalisers raise, the session around them reports.
    """
    run, parse, distributions = (
        pytester.runpytest_inprocess,
        pytester.parseconfig,
        importlib.metadata.distributions,
    )
    without = [
        word for name in ("randomly", "unraisableexception") for word in ("-p", f"no:{name}")
    ]
    monkeypatch.setattr(pytester, "runpytest_inprocess", partial(run, *without))
    monkeypatch.setattr(pytester, "parseconfig", partial(parse, *without))
    monkeypatch.setattr(
        importlib.metadata,
        "distributions",
        lambda **wanted: distributions(**wanted) if wanted else iter(plugins),
    )
    return pytester


@pytest.fixture(scope="session")
def preloaded(planted_experiment):
    """What a run in this process forgets at its end, and torch cannot be imported twice."""
    import safetensors.torch  # noqa: F401
    import tokenizers  # noqa: F401
    import transformers

    assert planted_experiment.verdict  # has imported all that an experiment needs
    assert all((transformers.AutoModelForCausalLM, transformers.AutoTokenizer))


@pytest.fixture
def downstream(pytester, write_users, preloaded):
    """A project with two users and two tests that ask for the fixtures; gives its options."""
    write_users(pytester.path / "texts", "ann", "bob")
    pytester.makeconftest(SHORT)
    pytester.makepyfile(test_downstream=DOWNSTREAM)
    return ["--noisefloor-users=texts", "--noisefloor-device=cpu", "--noisefloor-base=tiny"]


@pytest.fixture
def folder_base(pytester):
    """A folder with a small model and a tokenizer of bytes, as anybody's own base would lie."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM

    folder = pytester.mkdir("small")
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    vocabulary = {"<|endoftext|>": 0} | {c: i for i, c in enumerate(sorted(alphabet), start=1)}
    tokenizer = Tokenizer(models.BPE(vocab=vocabulary, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.save(str(folder / "tokenizer.json"))
    config = LlamaConfig(
        vocab_size=257,
        hidden_size=8,
        intermediate_size=8,
        num_hidden_layers=1,
        num_attention_heads=1,
        max_position_embeddings=512,
        bos_token_id=0,
        eos_token_id=0,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(60)
        LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture
def project(pytester):
    """A project that only installs the plugin: one test, and the claims that are written to it.

    Each file of evidence is given as its claim's id = its users, or its users and its base, and
    then when it was written.
    """
    pytester.makepyfile("def test_passes(): pass")
    lock_own_bet(pytester.path)

    def write(*claims, **files):
        pytester.path.joinpath("claims.toml").write_text("\n".join(claims))
        for name, given in files.items():
            content = evidence(*given) if isinstance(given, tuple) else evidence(given)
            pytester.path.joinpath(f"{name}.json").write_text(json.dumps(content))
        return pytester

    return write


@pytest.fixture
def licensing(monkeypatch):
    """Have each verdict license the given levels, whatever its intervals say; at first none."""

    def only(*levels):
        monkeypatch.setattr(review, "claimable", lambda _: levels)

    only()
    return only


@pytest.fixture
def held(pytester):
    """Run a project's tests and the claims in its claims.toml."""

    def run(*words):
        return pytester.runpytest_inprocess("--noisefloor-claims=claims.toml", *words)

    return run


@pytest.fixture
def read_result():
    """Read a result file without what two runs of one specification may differ in."""

    def read(path):
        content = json.loads(path.read_text(encoding="utf-8"))
        del content["times"], content["environment"], content["seal"]
        return content

    return read


# --- tests that speak of personalisation ---------------------------------------------------------

MARKED = """
    import pytest

    @pytest.mark.personalisation({})
    def test_it_learned_the_user():
        pass
"""


@pytest.fixture
def stopped(held):
    """Run a project, and see its collection stopped with one error for each message."""

    def run(*messages, words=()):
        result = held(*words)
        assert result.ret == pytest.ExitCode.INTERRUPTED
        result.assert_outcomes(errors=len(messages))
        result.stdout.fnmatch_lines_random(messages)

    return run


@pytest.fixture
def controlled(project):
    """A project with one claim that beat its control."""
    return project(entry("lenient", "LENIENT"), lenient=LENIENT)


def stored(project):
    """Every file of the store with the time at which it was written."""
    folder = project.path / ".noisefloor"
    return {path: path.stat().st_mtime_ns for path in folder.rglob("*.safetensors")}
