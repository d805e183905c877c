"""Shards keep many small records in few files.

A shard is one safetensors file that never changes. Its records have arrays of the same names and
shapes, which are stacked: ``arrays/<name>`` is (records, *shape). ``facts`` holds the JSON of all
records' facts, one after the other, as bytes. The metadata lists each record's key, its digest,
and where its facts end.

One SQLite file in place of shards was measured and declined (LOG.md, 2026-11-26). It finds and
reads records faster. But one changed byte in its structure can hide records without an error, and
later writes can destroy others. Its write-ahead log works on one machine only, and its rollback
journal needs file locks that network drives often lack. A shard never changes, so it can be copied
at any time, and can lie on a network drive or in an object store.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from pytest_noisefloor._files import write_atomically
from pytest_noisefloor.specs import canonical_json

from .record import Record, StoreError, checked

_PREFIX = "arrays/"


class Shards:
    """A folder of shards. Each lookup of an unknown key sees what other processes have changed."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._places: dict[str, tuple[str, int]] = {}  # key → (file's name, row)
        self._files: set[str] = set()

    def add(self, records: Mapping[str, Record]) -> None:
        """Write records, one shard for each set of array names and shapes; never half a file."""
        layouts: dict[object, dict[str, Record]] = {}
        for key, record in records.items():
            layout = tuple(sorted((n, a.dtype.str, a.shape) for n, a in record.arrays.items()))
            layouts.setdefault(layout, {})[key] = record
        for alike in layouts.values():
            name = hashlib.sha256("\n".join(alike).encode()).hexdigest()
            write_atomically(self._folder / f"{name}.safetensors", _encode(alike))

    def sync(self) -> None:
        """Return once the names of all files are on disk; their content already is."""
        folder = os.open(self._folder, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def get(self, key: str) -> Record | None:
        """Read a record; None if there is none.

        Raises:
            StoreError: a shard is damaged.
        """
        if key not in self:
            return None
        name, row = self._places[key]
        path = self._folder / name
        try:
            with safe_open(path, framework="numpy") as file:
                table = _table(file)
                found, digest, end = table[row]
                begin = table[row - 1][2] if row else 0
                facts = file.get_slice("facts")[begin:end].tobytes()
                arrays = {
                    array.removeprefix(_PREFIX): file.get_slice(array)[row : row + 1][0]
                    for array in file.keys()  # noqa: SIM118
                    if array.startswith(_PREFIX)
                }
        except FileNotFoundError:
            self._forget()  # the file was deleted; perhaps another one holds the record
            return self.get(key)
        except (SafetensorError, OSError, LookupError) as error:
            raise StoreError(_damaged(path, error)) from None
        if found != key:
            wrong = f"holds {found[:12]}… in the place of {key[:12]}…"
            raise StoreError(_damaged(path, wrong))
        return checked(path, key, arrays, facts.decode(errors="replace"), digest)

    def __contains__(self, key: str) -> bool:
        """Whether a readable shard holds a record.

        Raises:
            StoreError: none does, but a shard is damaged, so that it is unknown what that one held.
        """
        if key not in self._places:
            damage = self._look()
            if damage and key not in self._places:
                raise StoreError(damage)
        return key in self._places

    def keys(self) -> set[str]:
        """The keys of all records.

        Raises:
            StoreError: a shard is damaged, so that it is unknown which records it held.
        """
        if damage := self._look():
            raise StoreError(damage)
        return set(self._places)

    def _look(self) -> str | None:
        """Index the shards added since the last look; return what is wrong with a damaged one."""
        try:
            with os.scandir(self._folder) as entries:
                files = {entry.name for entry in entries if entry.name.endswith(".safetensors")}
        except FileNotFoundError:
            return None
        if self._files - files:
            self._forget()
        damage = None
        for name in sorted(files - self._files):
            path = self._folder / name
            try:
                with safe_open(path, framework="numpy") as file:
                    table = _table(file)
            except (SafetensorError, OSError) as error:
                damage = _damaged(path, error)
            else:
                self._places |= {key: (name, row) for row, (key, _, _) in enumerate(table)}
                self._files.add(name)
        return damage

    def _forget(self) -> None:
        self._places.clear()
        self._files.clear()


def _encode(records: Mapping[str, Record]) -> bytes:
    """A shard's content, for records whose arrays have the same names and shapes."""
    facts = [canonical_json(record.facts) for record in records.values()]
    ends = np.cumsum([len(text.encode()) for text in facts])
    table = [
        [key, record.digest(key), int(end)]
        for (key, record), text, end in zip(records.items(), facts, ends, strict=True)
    ]
    first = next(iter(records.values()))
    arrays = {
        f"{_PREFIX}{name}": np.stack([record.arrays[name] for record in records.values()])
        for name in first.arrays
    }
    arrays["facts"] = np.frombuffer("".join(facts).encode(), dtype=np.uint8)
    return save(arrays, {"records": json.dumps(table)})


def _table(file: Any) -> list[tuple[str, str, int]]:
    """Each record's key, digest and end of facts, from an open shard.

    Raises:
        SafetensorError: its metadata holds no such table.
    """
    try:
        table = json.loads((file.metadata() or {})["records"])
        return [(str(key), str(digest), int(end)) for key, digest, end in table]
    except (KeyError, TypeError, ValueError) as error:
        raise SafetensorError(str(error)) from None


def _damaged(path: Path, problem: object) -> str:
    return f"{path}: not readable ({problem}); delete it, and the next run makes its records again"
