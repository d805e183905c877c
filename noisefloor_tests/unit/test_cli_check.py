"""`noisefloor check`: what it prints of adapters, and how it ends."""

import json
import shutil

import pytest

from noisefloor_tests.support.given_adapters import reconfigure, save_adapter
from pytest_noisefloor.cli import main

pytest.importorskip("peft", reason="pip install pytest-noisefloor[catalogue]")


@pytest.fixture(scope="module")
def saved(tiny, tmp_path_factory):
    root = tmp_path_factory.mktemp("adapters")
    return save_adapter(root / "ann", tiny, "LoraConfig", target_modules=["q_proj"])


@pytest.fixture
def ann(saved, tmp_path):
    return shutil.copytree(saved, tmp_path / "ann")


def check(folder, *words):
    return main(["check", str(folder), "--base", "tiny", *words])


def test_adapters_that_are_applied_are_status_0(ann, capsys):
    assert check(ann) == 0
    printed = capsys.readouterr()
    assert printed.out.startswith("ann: ok\n\ncheck")
    assert "modules  ok  changes 2 of 15 Linear" in printed.out
    assert (
        "\n\n1 adapter on tiny: 1 ok.\n\nWhose the adapters are, and whether they help, is"
        in printed.out
    )
    assert not printed.err


def test_one_that_is_not_is_status_1_whatever_is_unclear_of_others(ann, capsys):
    bob = shutil.copytree(ann, ann.with_name("bob"))
    reconfigure(base_model_name_or_path=None)(ann)
    reconfigure(lora_alpha=0)(bob)
    assert check(ann.parent) == 1
    assert "2 adapters on tiny: 2 failed." in capsys.readouterr().out  # equal values, too


def test_what_cannot_be_told_is_status_3(ann, capsys):
    reconfigure(base_model_name_or_path=None)(ann)
    assert check(ann) == 3
    assert "base     unclear  its config names no base" in capsys.readouterr().out


def test_what_cannot_be_used_is_one_line_and_status_4(tmp_path, capsys):
    assert check(tmp_path) == 4
    printed = capsys.readouterr()
    assert printed.err == (
        f"error: {tmp_path}: no adapters; expected adapter_config.json in it, or in a folder for "
        "each user\n"
    )
    assert not printed.out


def test_a_missing_base_is_status_2(ann, capsys):
    assert main(["check", str(ann)]) == 2
    assert "Missing option '--base'" in capsys.readouterr().err


def test_json_says_the_same(ann, capsys):
    reconfigure(lora_alpha=0)(ann)
    assert check(ann, "--json") == 1
    said = json.loads(capsys.readouterr().out)
    assert said["base"] == "tiny"
    (one,) = said["adapters"]
    assert (one["name"], one["state"]) == ("ann", "failed")
    assert one["findings"][-1] == {
        "check": "effect",
        "state": "failed",
        "figure": "no logit changes",
        "advice": "look at its scale (lora_alpha) and whether it trained",
    }
