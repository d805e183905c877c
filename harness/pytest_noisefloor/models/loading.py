"""Open a base by name, folder or hub id, and locate its files."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_noisefloor._files import resource_path
from pytest_noisefloor.errors import BaseError

from .base import Base
from .fingerprint import END_OF_TEXT, base_fingerprints
from .smollm2 import converted, smollm2
from .ternary import TERNARY, ternarise, ternary_fingerprint
from .tiny import tiny_base

if TYPE_CHECKING:
    from pytest_noisefloor._typing import Ids


SHIPPED = ("tiny", "reference", "smollm2-135m")
"""Names of the bases that need only the suite and its hashed packages."""

_HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")


def open_base(name: str) -> Base:
    """Open a base by its shipped name, by its folder or by its hub id.

    If ``+ternary`` follows any of these, the base's weights are ternary.

    Raises:
        BaseError: there is no such base, or its files cannot be used.
        SourceMissing: the package that holds the base is missing.
    """
    if name.endswith(TERNARY):
        return _ternary(open_base(name.removesuffix(TERNARY)))
    if name == "tiny":
        return tiny_base()
    if name == "reference":
        return _from_folder(name, resource_path("bases", "reference"), smollm2("tokenizer"))
    if name == "smollm2-135m":
        return _from_folder(name, smollm2("model"), smollm2("tokenizer"))
    folder = Path(name).expanduser()
    if folder.is_dir():
        return _from_folder(name, folder, folder)
    if _HUB_ID.fullmatch(name):
        snapshot = _from_hub(name)
        return _from_folder(name, snapshot, snapshot)
    raise BaseError(
        f"base {name!r}: expected {', '.join(SHIPPED)}, a folder with config.json and safetensors "
        "weights, or a hub id such as organisation/model"
    )


def fingerprints_at_hand(name: str) -> tuple[str | None, str | None]:
    """A base's ``model_fingerprint`` and ``fingerprint``, from its files on this machine today.

    Nothing is downloaded, converted or loaded. Each fingerprint is None if its files are not on
    this machine. Both are None for a hub id.

    Raises:
        BaseError: a folder's files cannot be a base.
    """
    if name.endswith(TERNARY):
        model, whole = fingerprints_at_hand(name.removesuffix(TERNARY))
        return model and ternary_fingerprint(model), whole and ternary_fingerprint(whole)
    if name == "reference":
        folder, tokenizer = resource_path("bases", "reference"), converted("tokenizer")
    elif name == "smollm2-135m":
        folder, tokenizer = converted("model"), converted("tokenizer")
    else:
        folder = tokenizer = Path(name).expanduser()
    if not folder.is_dir():
        return None, None
    return base_fingerprints(folder, tokenizer if tokenizer.is_dir() else None)


def _ternary(base: Base) -> Base:
    """The same base, whose matrices are ternarised each time its model is loaded."""
    name = f"{base.name}{TERNARY}"
    if base.name.endswith(TERNARY):
        raise BaseError(f"base {name!r}: expected {TERNARY} once; its weights are ternary already")

    def load() -> Any:
        model = base._load_model()
        ternarise(model)
        return model

    return replace(
        base,
        name=name,
        fingerprint=ternary_fingerprint(base.fingerprint),
        # empty if the base has none
        model_fingerprint=base.model_fingerprint and ternary_fingerprint(base.model_fingerprint),
        _load_model=load,
    )


class _FolderTokenizer:
    def __init__(self, folder: Path) -> None:
        from transformers import AutoTokenizer

        try:
            tokenizer = AutoTokenizer.from_pretrained(
                folder, trust_remote_code=False, local_files_only=True
            )
        except (OSError, ValueError, KeyError, TypeError, ImportError) as error:
            raise BaseError(f"{folder}: no usable tokenizer ({_first_line(error)})") from None
        self._tokenizer = tokenizer
        end_of_text = tokenizer.get_vocab().get(END_OF_TEXT, tokenizer.eos_token_id)
        if end_of_text is None:
            raise BaseError(f"{folder}: the tokenizer has no end-of-text token to score behind")
        self.prefix = int(end_of_text)

    @cached_property
    def text_ids(self) -> Ids:
        """The ids that a text can have.

        Special and added tokens are left out, and of byte-pair encodings also the entries that no
        merges lead to, and bytes that stand for unknown characters.
        """
        from tokenizers.models import BPE

        left_out = {*self._tokenizer.added_tokens_decoder, *self._tokenizer.all_special_ids}
        pieces = {id_: piece for piece, id_ in self._tokenizer.get_vocab().items()}
        ids = sorted(pieces.keys() - left_out)
        model = self._tokenizer.backend_tokenizer.model if self._tokenizer.is_fast else None
        if isinstance(model, BPE):
            ids = [i for i in ids if [token.id for token in model.tokenize(pieces[i])] == [i]]
        return np.array(ids, dtype=np.int64)

    def encode(self, text: str) -> Ids:
        # verbose=False: no warning, because a text longer than the context is intended
        ids = self._tokenizer(text, add_special_tokens=False, verbose=False)["input_ids"]
        return np.asarray(ids, dtype=np.int64)


def _from_folder(name: str, folder: Path, tokenizer: Path) -> Base:
    model_fingerprint, fingerprint = base_fingerprints(folder, tokenizer)
    assert fingerprint is not None  # noqa: S101 (for the type checker; a tokenizer is given)

    def load() -> Any:
        import torch
        from safetensors import SafetensorError
        from transformers import AutoModelForCausalLM

        try:
            loaded: Any = AutoModelForCausalLM.from_pretrained(
                folder,
                dtype=torch.float32,
                trust_remote_code=False,
                use_safetensors=True,
                local_files_only=True,
                output_loading_info=True,
            )
        except (OSError, ValueError, KeyError, RuntimeError, ImportError, SafetensorError) as error:
            raise BaseError(f"{folder}: not loadable ({_first_line(error)})") from None
        model, report = loaded
        if report["missing_keys"]:  # transformers draws them at random
            names = sorted(report["missing_keys"])
            raise BaseError(f"{folder}: {len(names)} weights are missing, {names[0]} among them")
        return model

    return Base(name, fingerprint, load, lambda: _FolderTokenizer(tokenizer), model_fingerprint)


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    wanted = ["*.json", "*.safetensors", "*.model", "*.txt"]
    try:
        return Path(snapshot_download(name, allow_patterns=wanted))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise BaseError(
            f"base {name!r}: neither a folder here nor available from the hub "
            f"({_first_line(error)})"
        ) from None


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0]


def locate(base: str, here: Path) -> str:
    """A base's name, or its absolute path if the name is a folder's path relative to ``here``."""
    plain = base.removesuffix(TERNARY)
    folder = here / Path(plain).expanduser()
    if plain in SHIPPED or not folder.is_dir():
        return base
    return f"{folder.resolve()}{base[len(plain) :]}"
