"""A record is a set of arrays stored under a key, with facts about them and a digest of it all.

A record in a file of its own is a safetensors file (https://github.com/huggingface/safetensors):
fp32 arrays and, in its metadata, the record's key, its facts, and the digest.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from pytest_noisefloor._files import write_atomically
from pytest_noisefloor._typing import Tensors
from pytest_noisefloor.errors import NoisefloorError
from pytest_noisefloor.specs import canonical_json, digest

MEND = "delete it, and the next run makes it again"
"""What to do about a damaged record."""


class StoreError(NoisefloorError):
    """A stored file that does not hold what its name says."""


@dataclass(frozen=True)
class Record:
    """What is stored under a key: arrays by name, and facts about them as JSON values."""

    arrays: Tensors
    facts: dict[str, Any]

    def digest(self, key: str) -> str:
        """SHA-256 (hex) over the key, the canonical JSON of the facts, and the arrays."""
        return _digest(key, self.arrays, canonical_json(self.facts))


def write_record(path: Path, key: str, record: Record) -> None:
    """Write a record's file, completely or not at all."""
    facts = canonical_json(record.facts)
    metadata = {"key": key, "facts": facts, "digest": record.digest(key)}
    write_atomically(path, save(record.arrays, metadata))


def read_record(path: Path, key: str) -> Record | None:
    """Read a record's file; None if there is no such file.

    Raises:
        StoreError: the file is damaged, or holds the record of another key.
    """
    if not path.is_file():
        return None
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except FileNotFoundError:
        return None  # another process has just moved it into a shard
    except (SafetensorError, OSError) as error:
        raise StoreError(
            f"{path}: not readable ({error}); delete it, and the next run makes it again"
        ) from None
    if metadata.get("key") != key:
        raise StoreError(
            f"{path}: holds the record of {str(metadata.get('key'))[:12]}…, not of its name; {MEND}"
        )
    return checked(path, key, arrays, metadata.get("facts", ""), metadata.get("digest", ""))


def checked(path: Path, key: str, arrays: Tensors, facts: str, digest: str) -> Record:
    """The record that was read from a file, once its digest and its key are verified.

    Raises:
        StoreError: the content changed since it was written, or the key is not the digest of the
            specification among the facts.
    """
    if digest != _digest(key, arrays, facts):
        raise StoreError(
            f"{path}: changed since it was written; delete it, and the next run makes it again"
        )
    record = Record(arrays, json.loads(facts))
    _check_spec(path, key, record.facts)
    return record


def _check_spec(path: Path, key: str, facts: Mapping[str, Any]) -> None:
    if "spec" in facts and digest(facts["spec"]) != key:
        spec = facts["spec"]
        told = ("user", "arm", "seed", "adapter", "slice")
        parts = ", ".join(f"{part} {str(spec[part])[:12]}" for part in told if part in spec)
        raise StoreError(f"{path}: holds what another specification gave ({parts}); {MEND}")


def _digest(key: str, arrays: Mapping[str, npt.NDArray[np.float32]], facts: str) -> str:
    total = hashlib.sha256(f"{key}\n{facts}\n".encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        total.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        total.update(array.tobytes())
    return total.hexdigest()
