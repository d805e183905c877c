"""Open a base by name, folder or hub id, and locate its files."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from pytest_noisefloor._files import expanded, resource_path
from pytest_noisefloor.errors import BaseError

from .base import Base
from .fingerprint import base_fingerprints, read_files
from .smollm2 import converted, smollm2
from .ternary import TERNARY, ternarise, ternary_fingerprint
from .tiny import tiny_base
from .tokenizer import FolderTokenizer, one_line, refusing, token_facts

SHIPPED = ("tiny", "reference", "smollm2-135m")
"""Names of the bases that need only the suite and its hashed packages."""

_Read = TypeVar("_Read")

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
    folder = expanded(name)
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
        folder = tokenizer = expanded(name)
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


def _from_folder(name: str, folder: Path, tokenizer: Path) -> Base:
    stamps = _stamps(folder, tokenizer)  # before the files are read, so that no change is missed
    model_fingerprint, fingerprint = base_fingerprints(folder, tokenizer)
    assert fingerprint is not None  # noqa: S101 (for the type checker; a tokenizer is given)

    def check() -> None:
        if _stamps(folder, tokenizer) != stamps:
            raise BaseError(f"{folder}: its files changed since it was opened; run again")

    def unchanged(load: Callable[[], _Read]) -> _Read:
        check()
        loaded = load()
        check()
        return loaded

    load_tokenizer = cache(lambda: unchanged(lambda: FolderTokenizer(tokenizer)))
    return Base(
        name,
        fingerprint,
        lambda: unchanged(lambda: _load(folder)),
        load_tokenizer,
        model_fingerprint,
        _load_facts=lambda: unchanged(lambda: token_facts(tokenizer, load_tokenizer)),
    )


def _stamps(folder: Path, tokenizer: Path) -> dict[Path, tuple[int, int]]:
    """Size and time of change of the files that a fingerprint is of."""
    found = {file: file.stat() for file in read_files(folder, tokenizer)}
    return {file: (stat.st_size, stat.st_mtime_ns) for file, stat in found.items()}


def _load(folder: Path) -> Any:
    """Load a folder's model, and refuse whatever does not load as its files say.

    Raises:
        BaseError: transformers cannot load it, weights are missing, left over or of another shape,
            or a weight is no finite number.
    """
    import torch
    from transformers import AutoModelForCausalLM

    with refusing(f"{folder}: not loadable"):
        loaded: Any = AutoModelForCausalLM.from_pretrained(
            folder,
            dtype=torch.float32,
            trust_remote_code=False,
            use_safetensors=True,
            local_files_only=True,
            output_loading_info=True,
        )
    model, report = loaded
    for kind, about in _REPORTED.items():  # transformers leaves out what is known to be harmless
        if found := report.get(kind):
            # of a mismatch transformers also says both shapes
            names = sorted(one if isinstance(one, str) else str(one[0]) for one in found)
            raise BaseError(
                f"{folder}: {len(names)} weights {about}, {names[0]} among them; expected the "
                "weights of that model and no others"
            )
    for name, tensor in model.state_dict().items():
        if tensor.is_floating_point() and not torch.isfinite(tensor).all():
            bad = int((~torch.isfinite(tensor)).sum())
            raise BaseError(
                f"{folder}: {bad} of {tensor.numel()} values of {name} are not finite; expected "
                "numbers"
            )
    return model


_REPORTED = {
    "missing_keys": "are missing",  # transformers draws them at random
    "unexpected_keys": "have no place in the model that config.json describes",
    "mismatched_keys": "have another shape than config.json says",
    "error_msgs": "could not be loaded",
}
"""What transformers reports of loading, and what we say of it."""


WANTED = ["*.json", "model*.safetensors", "*.model", "*.txt"]
UNWANTED = ["*/*"]
"""What a base's repository must give: files at its top, and of several sets of weights the one that
transformers loads."""


def _from_hub(name: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, allow_patterns=WANTED, ignore_patterns=UNWANTED))
    except (HfHubHTTPError, HFValidationError, LocalEntryNotFoundError, OSError) as error:
        raise BaseError(
            f"base {name!r}: neither a folder here nor available from the hub ({one_line(error)})"
        ) from None


def locate(base: str, here: Path) -> str:
    """A base's name, or its absolute path if the name is a folder's path relative to ``here``."""
    plain = base.removesuffix(TERNARY)
    folder = here / expanded(plain)
    if plain in SHIPPED or not folder.is_dir():
        return base
    return f"{folder.resolve()}{base[len(plain) :]}"
