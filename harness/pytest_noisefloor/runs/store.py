"""The store keeps adapters, scores and gradients by key.

They are written atomically, locked, and verified when read.
Each record gets a file of its own. Once there are many small files, they move into shards.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Literal

from filelock import BaseFileLock, FileLock, Timeout

from pytest_noisefloor._files import system_refusals

from .record import Record, StoreError, read_record, write_record
from .shards import Shards

Kind = Literal["adapters", "scores", "gradients", "unfinished"]

SHARD = 256
"""How many small files move into one shard."""

SMALL = 64 * 1024
"""Largest small file in bytes: adapters of 9 KB and the scores of a slice are below it."""


class Store:
    """A folder of records that several processes can use at once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._shards: dict[Kind, Shards] = {
            kind: Shards(root / kind / "shards") for kind in ("adapters", "scores", "gradients")
        }
        self._loose: dict[Kind, int] = {}  # files not in shards, as far as this process knows

    def path(self, kind: Kind, key: str) -> Path:
        """The file of a record that is not in a shard."""
        return self.root / kind / f"{key}.safetensors"

    def has(self, kind: Kind, key: str) -> bool:
        """Whether a record is stored. Its content is verified only when it is read.

        Raises:
            StoreError: a shard is damaged, so that it is unknown which records it held.
        """
        # in this order, since a record is in its shard before its file is removed
        return self.path(kind, key).is_file() or self._in_shard(kind, key)

    def keys(self, kind: Kind) -> set[str]:
        """The keys of all records of a kind."""
        loose = {path.stem for path in self._files(kind)}
        return loose | (self._shards[kind].keys() if kind in self._shards else set())

    def lock(self, key: str) -> BaseFileLock:
        """A lock between processes, which the operating system frees if its holder dies.

        Its file is removed once the record is stored. So after taking a lock, check again whether
        the record is there.
        """
        path = self._lock_path(key)
        with system_refusals(path):
            path.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(path)

    def put(self, kind: Kind, key: str, record: Record) -> None:
        """Write a record, completely or not at all."""
        write_record(self.path(kind, key), key, record)
        if kind in self._shards:
            self._lock_path(key).unlink(missing_ok=True)
            if kind not in self._loose:
                self._loose[kind] = len(self._files(kind)) - 1
            self._loose[kind] += 1
            if self._loose[kind] >= SHARD and self._move(kind):
                self._loose[kind] = 0

    def put_many(self, kind: Kind, records: Mapping[str, Record]) -> None:
        """Write records into as few files as possible, each completely or not at all."""
        if len(records) == 1 or kind not in self._shards:
            for key, record in records.items():
                self.put(kind, key, record)
            return
        self._shards[kind].add(records)
        for key in records:
            self._lock_path(key).unlink(missing_ok=True)

    def get(self, kind: Kind, key: str) -> Record | None:
        """Read a record; None if there is none.

        Raises:
            StoreError: a file is damaged, or holds the record of another key.
        """
        record = read_record(self.path(kind, key), key)
        if record is None and kind in self._shards:
            return self._shards[kind].get(key)
        return record

    def drop(self, kind: Kind, key: str) -> None:
        """Remove a record if it is stored.

        Raises:
            StoreError: the record is in a shard, which never changes.
        """
        self.path(kind, key).unlink(missing_ok=True)
        if self._in_shard(kind, key):
            raise StoreError(f"{kind} {key}: in a shard, which never changes; not removed")

    def drop_orphans(self) -> None:
        """Remove unfinished trainings whose adapter is stored, unless a process holds their lock.

        A process that is killed between storing an adapter and removing its last snapshot leaves
        one.
        """
        for key in self.keys("unfinished"):
            if self.has("adapters", key):
                with suppress(Timeout), self.lock(key).acquire(timeout=0):
                    self.drop("unfinished", key)
                    self._lock_path(key).unlink(missing_ok=True)

    def _in_shard(self, kind: Kind, key: str) -> bool:
        return kind in self._shards and key in self._shards[kind]

    def _lock_path(self, key: str) -> Path:
        return self.root / "locks" / f"{key}.lock"

    def _files(self, kind: Kind) -> list[Path]:
        return sorted((self.root / kind).glob("*.safetensors"))

    def _move(self, kind: Kind) -> bool:
        """Move small files into shards; return False if another process is doing so.

        No record is lost if this process is killed on the way.
        """
        try:
            with self.lock(f"moving-{kind}").acquire(timeout=0):
                small = [path for path in self._files(kind) if path.stat().st_size <= SMALL]
                for at in range(0, len(small) - SHARD + 1, SHARD):
                    self._move_into_shard(kind, small[at : at + SHARD])
        except Timeout:
            return False
        return True

    def _move_into_shard(self, kind: Kind, files: list[Path]) -> None:
        shards = self._shards[kind]
        records = {}
        for path in files:
            with suppress(StoreError):  # reading a damaged record reports it; moving leaves it
                record = read_record(path, path.stem)
                if record is not None:
                    records[path.stem] = record
        if not records:
            return
        there = shards.keys()  # an interrupted move may have left some of them there already
        shards.add({key: record for key, record in records.items() if key not in there})
        shards.sync()
        for key, record in records.items():
            moved = shards.get(key)  # verifies its digest
            if moved is not None and moved.digest(key) == record.digest(key):
                self.path(kind, key).unlink()
