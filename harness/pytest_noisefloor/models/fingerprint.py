"""Identify a base by a digest of its files that does not change when they are saved again."""

from __future__ import annotations

import hashlib
import json
from functools import lru_cache
from pathlib import Path

from pytest_noisefloor.errors import BaseError
from pytest_noisefloor.specs import canonical_json

END_OF_TEXT = "<|endoftext|>"
_VOLATILE = frozenset({"transformers_version", "_name_or_path", "dtype", "torch_dtype"})
_INERT = frozenset(
    {
        *("backend", "is_local", "local_files_only", "model_max_length", "chat_template"),
        *("bos_token", "eos_token", "pad_token", "unk_token", "padding_side", "truncation_side"),
    }
)
"""Keys of tokenizer_config.json that change no token if tokenizer.json has the end of text."""
_AS_IT_IS = ("TokenizersBackend", "PreTrainedTokenizerFast")
"""Tokenizer classes that use tokenizer.json unchanged. Other classes rebuild parts of it."""


def base_fingerprints(folder: Path, tokenizer: Path | None) -> tuple[str, str | None]:
    """SHA-256 (hex) of config and weights, and of these plus the tokenizer if it is given.

    Raises:
        BaseError: the folder's files cannot be a base.
    """
    weights = sorted(folder.glob("*.safetensors"))
    if not (folder / "config.json").is_file() or not weights:
        raise BaseError(
            f"{folder}: expected config.json and *.safetensors weights "
            "(pickled weights are never read)"
        )
    total = hashlib.sha256(_plain_json(folder / "config.json").encode())
    for file in weights:
        with file.open("rb") as stream:
            total.update(hashlib.file_digest(stream, "sha256").digest())
    model = total.hexdigest()
    if tokenizer is None:
        return model, None
    files, config = _tokenizer_files(tokenizer), tokenizer / "tokenizer_config.json"
    for file in files:
        total.update(file.name.encode())
        total.update(_plain_json(file).encode() if file.suffix == ".json" else file.read_bytes())
    if config not in files and config.is_file() and (said := _beyond(config)):
        total.update(canonical_json(said).encode())
    return model, total.hexdigest()


def _beyond(config: Path) -> dict[str, object]:
    """The entries of a fast tokenizer's config that could change its tokens."""
    said = {k: v for k, v in json.loads(_plain_json(config)).items() if k not in _INERT}
    if said.get("tokenizer_class") in _AS_IT_IS:
        del said["tokenizer_class"]
    return said


def _tokenizer_files(folder: Path) -> list[Path]:
    """The files that decide the tokens.

    This is tokenizer.json alone if it names the end-of-text token. Otherwise it is all tokenizer
    files.
    """
    fast = folder / "tokenizer.json"
    if fast.is_file() and END_OF_TEXT.encode() in fast.read_bytes():
        return [fast]
    patterns = ("tokenizer*", "vocab*", "merges*", "special_tokens*", "added_tokens*", "*.model")
    files = sorted({file for pattern in patterns for file in folder.glob(pattern)})
    if not files:
        raise BaseError(f"{folder}: no tokenizer files; expected tokenizer.json")
    return files


def _plain_json(file: Path) -> str:
    """The content of a JSON object, without entries that change when it is merely saved again."""
    try:
        return _without_volatile(file.read_bytes())
    except ValueError as error:
        raise BaseError(f"{file}: expected a JSON object ({error})") from None


@lru_cache(maxsize=8)  # a tokenizer takes 0.2 s, and each claim about its base needs it
def _without_volatile(text: bytes) -> str:
    content = json.loads(text)
    if not isinstance(content, dict):
        raise ValueError(f"found {type(content).__name__}")
    return canonical_json({k: v for k, v in content.items() if k not in _VOLATILE})
