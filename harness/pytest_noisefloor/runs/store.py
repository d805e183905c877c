"""Adapters and scores by key: written atomically, shared under locks, verified on reading.

A record has a file of its own until there are many small ones; then they move into shards.
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Literal

from filelock import BaseFileLock, FileLock, Timeout

from .record import Record, StoreError, read_record, write_record
from .shards import Shards

Kind = Literal["adapters", "scores", "unfinished"]

SHARD = 256
"""Small files from which they move into a shard."""

SMALL = 64 * 1024
"""Bytes up to which a file is small: an adapter of 9 KB or the scores of a slice is."""


class Store:
    """A folder of records; safe for several processes at once."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self._shards: dict[Kind, Shards] = {
            kind: Shards(root / kind / "shards") for kind in ("adapters", "scores")
        }
        self._loose: dict[Kind, int] = {}  # files of their own, as far as this process knows

    def path(self, kind: Kind, key: str) -> Path:
        """The file of a record that has one of its own."""
        return self.root / kind / f"{key}.safetensors"

    def has(self, kind: Kind, key: str) -> bool:
        """Whether a record is there (it is verified when read).

        Raises:
            StoreError: a shard is damaged, so that nobody knows what it held.
        """
        # in this order: a record that moves is in its shard before its file goes
        return self.path(kind, key).is_file() or self._in_shard(kind, key)

    def keys(self, kind: Kind) -> set[str]:
        """The keys of all records of a kind."""
        loose = {path.stem for path in self._files(kind)}
        return loose | (self._shards[kind].keys() if kind in self._shards else set())

    def lock(self, key: str) -> BaseFileLock:
        """A lock between processes; the operating system frees it when its holder dies.

        Its file goes once the record is put: whoever gets the lock looks for the record first.
        """
        path = self._lock_path(key)
        path.parent.mkdir(parents=True, exist_ok=True)
        return FileLock(path)

    def put(self, kind: Kind, key: str, record: Record) -> None:
        """Write a record whole or not at all."""
        write_record(self.path(kind, key), key, record)
        if kind in self._shards:
            self._lock_path(key).unlink(missing_ok=True)
            if kind not in self._loose:
                self._loose[kind] = len(self._files(kind)) - 1
            self._loose[kind] += 1
            if self._loose[kind] >= SHARD and self._move(kind):
                self._loose[kind] = 0

    def put_many(self, kind: Kind, records: Mapping[str, Record]) -> None:
        """Write records into as few files as may be, each file whole or not at all."""
        if len(records) == 1 or kind not in self._shards:
            for key, record in records.items():
                self.put(kind, key, record)
            return
        self._shards[kind].add(records)
        for key in records:
            self._lock_path(key).unlink(missing_ok=True)

    def get(self, kind: Kind, key: str) -> Record | None:
        """Read a record, or None where there is none.

        Raises:
            StoreError: a file is damaged, or is another record's under this name.
        """
        record = read_record(self.path(kind, key), key)
        if record is None and kind in self._shards:
            return self._shards[kind].get(key)
        return record

    def drop(self, kind: Kind, key: str) -> None:
        """Remove a record if it is there.

        Raises:
            StoreError: it is in a shard, which never changes.
        """
        self.path(kind, key).unlink(missing_ok=True)
        if self._in_shard(kind, key):
            raise StoreError(f"{kind} {key}: in a shard, which never changes; not removed")

    def _in_shard(self, kind: Kind, key: str) -> bool:
        return kind in self._shards and key in self._shards[kind]

    def _lock_path(self, key: str) -> Path:
        return self.root / "locks" / f"{key}.lock"

    def _files(self, kind: Kind) -> list[Path]:
        return sorted((self.root / kind).glob("*.safetensors"))

    def _move(self, kind: Kind) -> bool:
        """Move small files into shards, unless another process is at it; whether it did.

        Killed anywhere in it, every record is still there.
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
            with suppress(StoreError):  # a damaged file is reported when it is asked for
                record = read_record(path, path.stem)
                if record is not None:
                    records[path.stem] = record
        # some may be there already, from a move that was interrupted
        shards.add({key: record for key, record in records.items() if key not in shards})
        shards.settle()
        for key, record in records.items():
            moved = shards.get(key)  # which verifies it
            if moved is not None and moved.digest(key) == record.digest(key):
                self.path(kind, key).unlink()
