"""From the hub only what loads is fetched."""

import huggingface_hub
import pytest
from huggingface_hub.utils import filter_repo_objects

from pytest_noisefloor.errors import BaseError
from pytest_noisefloor.models import loading

LOADED = [
    "config.json",
    "model.safetensors.index.json",
    "model-00001-of-00002.safetensors",
    "model-00002-of-00002.safetensors",
    "tokenizer.json",
    "tokenizer_config.json",
    "tokenizer.model",
    "merges.txt",
]
UNREAD = [
    "README.md",
    "pytorch_model.bin",
    "consolidated.safetensors",
    "original/consolidated.00.pth",
    "original/params.json",
    "metal/model.safetensors",
    "onnx/config.json",
    "onnx/model.onnx",
    "adapter_model.safetensors",
    "modeling_strange.py",
    "model.gguf",
]


def test_what_does_not_load_is_not_fetched(monkeypatch):
    seen = {}
    monkeypatch.setattr(
        huggingface_hub, "snapshot_download", lambda _, **given: seen.update(given) or "there"
    )
    loading._from_hub("organisation/model")
    assert [*filter_repo_objects(LOADED + UNREAD, **seen)] == LOADED


@pytest.mark.parametrize("error", [OSError("no network"), ConnectionError("refused\nmore")])
def test_a_hub_that_cannot_be_reached_is_one_line(monkeypatch, error):
    def fail(*_, **__):
        raise error

    monkeypatch.setattr(huggingface_hub, "snapshot_download", fail)
    with pytest.raises(BaseError, match=r"^base 'a/b': neither a folder here nor available") as e:
        loading._from_hub("a/b")
    assert "\n" not in str(e.value)
