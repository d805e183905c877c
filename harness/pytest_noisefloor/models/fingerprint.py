"""Identify a base by a digest of the files that load. Saving them again does not change it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Any

from pytest_noisefloor._files import read_bytes, shown, system_refusals
from pytest_noisefloor.errors import BaseError
from pytest_noisefloor.specs import canonical_json

END_OF_TEXT = "<|endoftext|>"
_FAST, _CONFIG = "tokenizer.json", "tokenizer_config.json"
_WHOLE, _INDEX = "model.safetensors", "model.safetensors.index.json"
_ELSEWHERE = {
    "config.json": ("transformers_weights", "configuration_files"),
    _CONFIG: ("fast_tokenizer_files", "vocab", "merges"),
}
"""Keys of a config by which other files would load; vocab and merges where they are a name."""
_VOLATILE = frozenset({"transformers_version", "_name_or_path", "dtype", "torch_dtype"})
"""Keys of a config that change when it is merely saved again."""
_ROLES = frozenset({"bos_token", "eos_token", "pad_token", "unk_token"})
"""Keys of tokenizer_config.json that change no token where they name one that is special anyway."""
_INERT = frozenset(
    {
        *("backend", "is_local", "local_files_only", "model_max_length", "chat_template"),
        *("padding_side", "truncation_side"),
    }
)
"""Keys of tokenizer_config.json that change no token."""
_AS_IT_IS = ("TokenizersBackend", "PreTrainedTokenizerFast")
"""Tokenizer classes that use tokenizer.json unchanged. Other classes rebuild parts of it."""
_OF_OTHERS = (
    *("config.json", "generation_config.json", "*processor*.json", "*.index.json"),
    *("chat_template*", "trainer_*.json", "*_results.json", "*.jsonl", "*.log", "*.csv", "*.y*ml"),
    *("*.safetensors", "*.bin", "*.pt", "*.pth", "*.ckpt*", "*.h5", "*.msgpack", "*.onnx", "*.ot"),
    *("*.gguf", "*.md", "*.py", "*.png", "*.jpg", "*.pdf", "[Ll][Ii][Cc][Ee][Nn][Ss][Ee]*"),
    *("NOTICE*", ".*"),
)
"""Files of a base's folder that no tokenizer of transformers 5.23 names as its own."""


def base_fingerprints(folder: Path, tokenizer: Path | None) -> tuple[str, str | None]:
    """SHA-256 (hex) of config and weights, and of these plus the tokenizer if it is given.

    Raises:
        BaseError: the folder's files cannot be a base, or loading would read other files too.
    """
    weights = weight_files(folder)
    total = hashlib.sha256(_plain_json(folder / "config.json").encode())
    for file in weights:
        with system_refusals(file), file.open("rb") as stream:
            total.update(hashlib.file_digest(stream, "sha256").digest())
    model = total.hexdigest()
    if tokenizer is None:
        return model, None
    files, beside = _tokenizer_files(tokenizer)
    for file in files:
        total.update(file.name.encode())
        total.update(_content(file))
    if beside:
        if said := _beyond(tokenizer):
            total.update(canonical_json(said).encode())
        if added := _added_beyond(tokenizer):
            total.update(canonical_json(added).encode())
    if (config := tokenizer / _CONFIG).is_file() and json_object(config).get("fix_mistral_regex"):
        # transformers then looks whether the model was saved before it mended these tokenizers
        version = json.loads(read_bytes(folder / "config.json")).get("transformers_version")
        total.update(str(version).encode())
    return model, total.hexdigest()


def read_files(folder: Path, tokenizer: Path) -> list[Path]:
    """The files that a fingerprint is of.

    Raises:
        BaseError: they cannot be a base.
    """
    weights = weight_files(folder)
    files, beside = _tokenizer_files(tokenizer)
    return [folder / "config.json", *weights, *files, *beside]


def weight_files(folder: Path) -> list[Path]:
    """Return the files of weights that transformers loads from a folder, sorted by name.

    It loads ``model.safetensors`` if that is there, and else the files that
    ``model.safetensors.index.json`` names. It is told never to load pickled weights.

    Raises:
        BaseError: config or weights are missing; there are two sets of weights, or an adapter that
            would load with them; or the index or the config names files of other folders.
    """
    config, one, index = (folder / name for name in ("config.json", _WHOLE, _INDEX))
    if not config.is_file() or not (one.is_file() or index.is_file()):
        raise BaseError(
            f"{folder}: expected config.json and {_WHOLE}, or {_INDEX} and the safetensors weights "
            "that it names (pickled weights are never read)"
        )
    if (adapter := folder / "adapter_config.json").exists():
        raise BaseError(
            f"{adapter}: an adapter, which would load with the base; expected a base alone. Merge "
            "it into the base, or move it to another folder"
        )
    if one.is_file() and index.is_file():
        raise BaseError(
            f"{folder}: two sets of weights, {_WHOLE} and {_INDEX}; expected one of them"
        )
    _nothing_elsewhere(config)
    return [one] if one.is_file() else _indexed(index)


def _nothing_elsewhere(config: Path) -> None:
    content = json_object(config)
    for key in _ELSEWHERE[config.name]:
        named = content.get(key)
        if named and (isinstance(named, str) or key not in ("vocab", "merges")):
            raise BaseError(f"{config}: {key} is {shown(named)}; expected no such key")


def _indexed(index: Path) -> list[Path]:
    """The files that an index names; they must lie beside it."""
    named = json_object(index).get("weight_map")
    if not isinstance(named, dict) or not named:
        raise BaseError(f"{index}: expected a table weight_map with a file for each weight")
    # a look into the folder, since the system does not take every name
    beside = {file.name: file for file in index.parent.glob("*.safetensors") if file.is_file()}
    names = sorted({*map(str, named.values())})
    for name in names:
        if name not in beside:
            raise BaseError(
                f"{index}: names {shown(name)}; expected the name of a safetensors file beside it"
            )
    return [beside[name] for name in names]


def _added_beyond(folder: Path) -> list[Any]:
    """What older files add to a fast tokenizer, with ids, and the names that they make special."""
    listed = added_tokens(folder / _FAST)
    said: list[Any] = []
    if (added := folder / "added_tokens.json").is_file():
        said += sorted([n, i] for n, i in json_object(added).items() if n not in listed)
    if (special := folder / "special_tokens_map.json").is_file():
        named = {*token_names([*json_object(special).values()])}
        said += sorted(name for name in named if not listed.get(name))
    return said


def token_names(value: object) -> Iterator[str]:
    """The names of tokens in a config's value: a name, a token, or a list or table of such."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict) and "content" in value:
        yield from token_names(value["content"])
    elif isinstance(value, list | dict):
        for part in value.values() if isinstance(value, dict) else value:
            yield from token_names(part)


def added_tokens(file: Path) -> dict[str, bool]:
    """The names of the tokens that a ``tokenizer.json`` adds, and whether each is special.

    Raises:
        BaseError: the file has another form.
    """
    return _tokens(file)[0]


def listed_tokens(file: Path) -> frozenset[str]:
    """The names of all tokens of a ``tokenizer.json``.

    Raises:
        BaseError: the file has another form.
    """
    return _tokens(file)[1]


def _tokens(file: Path) -> tuple[dict[str, bool], frozenset[str]]:
    try:
        return _parsed_tokens(_plain_json(file))
    except (AttributeError, IndexError, KeyError, TypeError):
        raise BaseError(
            f"{file}: no usable tokenizer; expected added_tokens, a list of tokens each with its "
            "content, and a vocab"
        ) from None


@lru_cache(maxsize=4)  # each claim about a base needs them
def _parsed_tokens(text: str) -> tuple[dict[str, bool], frozenset[str]]:
    content = json.loads(text)
    added = {t["content"]: bool(t.get("special")) for t in content.get("added_tokens") or ()}
    vocabulary = content.get("model", {}).get("vocab", ())
    # a Unigram model has a list of pairs
    pieces = {piece if isinstance(piece, str) else piece[0] for piece in vocabulary}
    if not all(isinstance(name, str) for name in {*added} | pieces):
        raise TypeError
    return added, frozenset({*added} | pieces)


def has_end_of_text(folder: Path) -> bool:
    """Whether a folder's ``tokenizer.json`` has the token ``<|endoftext|>``."""
    fast = folder / _FAST
    return fast.is_file() and END_OF_TEXT in listed_tokens(fast)


def _beyond(folder: Path) -> dict[str, object]:
    """The entries of a fast tokenizer's config that could change its tokens."""
    config = folder / _CONFIG
    if not config.is_file():
        return {}
    added = added_tokens(folder / _FAST)
    said = {}
    for key, value in json_object(config).items():
        name = value.get("content") if isinstance(value, dict) else value
        # a role makes a special token of one that was none
        known = name is None or (isinstance(name, str) and added.get(name, False))
        if key not in _INERT and not (key in _ROLES and known):
            said[key] = value
    if said.get("tokenizer_class") in _AS_IT_IS:
        del said["tokenizer_class"]
    return said


def _tokenizer_files(folder: Path) -> tuple[list[Path], list[Path]]:
    """The files that decide the tokens, and those beside them that may add to them.

    The first are tokenizer.json alone if it has the end-of-text token. Otherwise they are all
    tokenizer files; of a tokenizer without tokenizer.json, whatever is not known to be another's.
    """
    if (config := folder / _CONFIG).is_file():
        _nothing_elsewhere(config)
    if has_end_of_text(folder):
        beside = [config, folder / "special_tokens_map.json", folder / "added_tokens.json"]
        return [folder / _FAST], [file for file in beside if file.is_file()]
    patterns = ("tokenizer*", "vocab*", "merges*", "special_tokens*", "added_tokens*", "*.model")
    files = {file for pattern in patterns for file in folder.glob(pattern)}
    if not (folder / _FAST).is_file():
        of_others = {file for pattern in _OF_OTHERS for file in folder.glob(pattern)}
        files |= {f for f in folder.iterdir() if f.is_file() and f not in of_others}
    if not files:
        raise BaseError(f"{folder}: no tokenizer files; expected tokenizer.json")
    return sorted(files), []


def json_object(file: Path) -> dict[str, Any]:
    """The content of a JSON object that loading reads; of a config, without what saving changes.

    Raises:
        BaseError: it is no JSON object.
    """
    content: dict[str, Any] = json.loads(_plain_json(file))
    return content


def _content(file: Path) -> bytes:
    """What a fingerprint takes of a tokenizer's file."""
    if file.suffix != ".json":
        return read_bytes(file, BaseError)
    try:
        return _plain_json(file).encode()
    except BaseError:
        if file.name in (_FAST, _CONFIG):
            raise
        return read_bytes(file, BaseError)  # a list, say: whatever it is, it counts as it stands


def _plain_json(file: Path) -> str:
    """The content of a JSON object, without entries that change when it is merely saved again."""
    try:
        return _canonical(read_bytes(file, BaseError), is_config=file.name.endswith("config.json"))
    except (ValueError, RecursionError) as error:
        raise BaseError(f"{file}: expected a JSON object ({error})") from None


@lru_cache(maxsize=8)  # a tokenizer takes 0.2 s, and each claim about its base needs it
def _canonical(text: bytes, *, is_config: bool) -> str:
    content = json.loads(text)
    if not isinstance(content, dict):
        raise ValueError(f"found {type(content).__name__}")
    left_out = _VOLATILE if is_config else frozenset()
    return canonical_json({k: v for k, v in content.items() if k not in left_out})
