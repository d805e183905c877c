"""Adapters and scores by key: written atomically, shared under locks, verified on reading.

A record is one safetensors file (https://github.com/huggingface/safetensors): fp32 arrays and,
in its metadata, the record's own key, what it depends on, and a digest of the arrays.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
from filelock import BaseFileLock, FileLock
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from .errors import NoisefloorError
from .recipe import canonical_json

Kind = Literal["adapters", "scores", "unfinished"]
Arrays = dict[str, npt.NDArray[np.float32]]


class StoreError(NoisefloorError):
    """A stored file that is not what its name says."""


@dataclass(frozen=True)
class Record:
    """What is stored under a key: arrays by name, and facts about them that JSON can hold."""

    arrays: Arrays
    facts: dict[str, Any]


class Store:
    """A folder of records; safe for several processes at once."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def path(self, kind: Kind, key: str) -> Path:
        """The file of a record."""
        return self.root / kind / f"{key}.safetensors"

    def has(self, kind: Kind, key: str) -> bool:
        """Whether a record is there (it is verified when read)."""
        return self.path(kind, key).is_file()

    def lock(self, key: str) -> BaseFileLock:
        """A lock between processes; the operating system frees it when its holder dies."""
        folder = self.root / "locks"
        folder.mkdir(parents=True, exist_ok=True)
        return FileLock(folder / f"{key}.lock")

    def put(self, kind: Kind, key: str, record: Record) -> None:
        """Write a record whole or not at all."""
        facts = canonical_json(record.facts)
        metadata = {"key": key, "facts": facts, "digest": _digest(key, record.arrays, facts)}
        write_atomically(self.path(kind, key), save(record.arrays, metadata))

    def get(self, kind: Kind, key: str) -> Record | None:
        """Read a record, or None where there is none.

        Raises:
            StoreError: the file is damaged, or is another record's under this name.
        """
        path = self.path(kind, key)
        if not path.is_file():
            return None
        try:
            with safe_open(path, framework="numpy") as file:
                metadata = file.metadata() or {}
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except (SafetensorError, OSError) as error:
            raise StoreError(f"{path}: not readable ({error}); delete it to make it anew") from None
        if metadata.get("key") != key:
            raise StoreError(
                f"{path}: holds the record of {str(metadata.get('key'))[:12]}…, not of its name; "
                "delete it to make it anew"
            )
        facts = metadata.get("facts", "")
        if metadata.get("digest") != _digest(key, arrays, facts):
            raise StoreError(f"{path}: changed since it was written; delete it to make it anew")
        return Record(arrays, json.loads(facts))

    def drop(self, kind: Kind, key: str) -> None:
        """Remove a record if it is there."""
        self.path(kind, key).unlink(missing_ok=True)


def _digest(key: str, arrays: Mapping[str, npt.NDArray[np.float32]], facts: str) -> str:
    total = hashlib.sha256(f"{key}\n{facts}\n".encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        total.update(f"{name} {array.dtype.str} {array.shape}\n".encode())
        total.update(array.tobytes())
    return total.hexdigest()


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that readers, and a crash, see the old content or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(name).chmod(0o644)
        Path(name).replace(path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
