"""Faults, each brought about on a tiny base: what is said, what is kept, what to do.

docs/faults.md is the table of them, which ``test_faults.py`` writes.
"""

import errno
import os
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from unittest import mock

import torch

from noisefloor_tests.support.base_folders import KEPT, edit, reweigh, write_base
from pytest_noisefloor._files import disk, read_toml
from pytest_noisefloor.data.contamination import check_contamination
from pytest_noisefloor.data.users import Slice, load_users
from pytest_noisefloor.models.loading import open_base
from pytest_noisefloor.runs.ledger import Ledger, read_ledger
from pytest_noisefloor.runs.request import Request
from pytest_noisefloor.training.methods.norm_only import NormOnly

AGAIN = "run the same command again"
FINISHED = "every finished adapter and score"
ALL = "everything: nothing was trained yet"


@dataclass
class Bench:
    """What a fault is brought about on: a runner whose store has an adapter, and a folder."""

    folder: Path
    new_runner: object
    ann: object
    write_users: object
    build: object

    def __post_init__(self):
        self.runner = self.new_runner(self.folder / "store", stack_size=1)
        self.first, self.second = (Request(self.ann, arm) for arm in ("real", "random"))
        self.runner.complete([self.first])

    def train(self, **changes):
        """Train a second adapter."""
        self.new_runner(self.folder / "store", stack_size=1, **changes).complete([self.second])

    def base(self):
        """The folder of a base."""
        where = self.folder / "base"
        where.mkdir()
        write_base(where, self.build("Llama", tie_word_embeddings=True))
        return where


@contextmanager
def refused(number, place=os, name="fsync"):
    """Let the operating system refuse."""

    def fail(*_, **__):
        raise OSError(number, os.strerror(number))

    with mock.patch.object(place, name, fail):
        yield


def a_full_disk(bench):
    with refused(errno.ENOSPC):
        bench.train()


def a_read_only_store(bench):
    with refused(errno.EROFS, disk.tempfile, "mkstemp"):
        bench.train()


def too_many_open_files(bench):
    with refused(errno.EMFILE, disk.tempfile, "mkstemp"):
        bench.train()


def a_file_in_place_of_a_folder(bench):
    for file in (locks := bench.folder / "store" / "locks").iterdir():
        file.unlink()
    locks.rmdir()
    locks.write_text("a file")
    bench.train()


def a_damaged_record(bench):
    (path,) = bench.runner.store._files("adapters")
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    bench.runner.adapter(bench.first)


def a_damaged_ledger(bench):
    folder = bench.folder / "store" / "ledger"
    folder.mkdir()
    (folder / "a.jsonl").write_text("{}\n")
    Ledger(bench.runner.store).lines()


def too_little_memory(bench):
    with mock.patch.object(torch.optim.AdamW, "step", side_effect=MemoryError):
        bench.train()


def a_method_that_leaves_a_hook(bench):
    class Own(NormOnly):
        name = "own"

        @contextmanager
        def attached(self, model):
            with super().attached(model) as tensors:
                yield tensors
            model.model.norm.register_forward_hook(lambda _, __, output: output + 1)

    bench.train(method=Own(), base=replace(bench.runner.base))


def a_text_that_is_too_short(bench):
    bench.second = Request(replace(bench.ann, train="short"), "random")
    bench.train()


def a_window_beyond_the_bases_positions(bench):
    long = tuple(replace(piece, text=piece.text * 2) for piece in bench.ann.heldout)
    bench.second = Request(replace(bench.ann, heldout=long), "random")
    bench.train(scoring=replace(bench.runner.scoring, window=600, stride=300))


def held_out_text_in_the_training_text(bench):
    words = " ".join(f"w{n}" for n in range(100))
    check_contamination((replace(bench.ann, train=words, heldout=(Slice("one", words),)),))


def a_pipe_among_a_users_texts(bench):
    folder = bench.write_users(bench.folder / "users", "ann")
    (path := folder / "ann" / "train.txt").unlink()
    os.mkfifo(path)
    load_users(folder)


def a_bet_in_utf_16(bench):
    (path := bench.folder / "bet.toml").write_bytes('id = "a"'.encode("utf-16"))
    read_toml(path)


def weights_that_are_left_over(bench):
    edit((base := bench.base()) / "config.json", num_hidden_layers=1)
    open_base(str(base)).model("cpu")


def weights_that_are_no_numbers(bench):
    reweigh((base := bench.base()) / KEPT, **{"model.norm.weight": torch.full((16,), torch.nan)})
    open_base(str(base)).model("cpu")


def an_adapter_beside_a_base(bench):
    edit((base := bench.base()) / "adapter_config.json", peft_type="LORA")
    open_base(str(base))


def a_base_that_changes_meanwhile(bench):
    opened = open_base(str(base := bench.base()))
    reweigh(base / KEPT, **{"model.norm.weight": torch.full((16,), 2.0)})
    opened.model("cpu")


def an_interrupted_ledger(bench):
    (path := bench.folder / "half.jsonl").write_text('{"bet": ')
    read_ledger(path)


FAULTS = {
    a_full_disk: (FINISHED, f"free some space; {AGAIN}"),
    a_read_only_store: (FINISHED, "name another folder by `--noisefloor-out`, or allow writing"),
    too_many_open_files: (FINISHED, f"raise `ulimit -n`; {AGAIN}"),
    a_file_in_place_of_a_folder: (FINISHED, f"move the file; {AGAIN}"),
    a_damaged_record: ("all other records", f"delete the file; {AGAIN}"),
    a_damaged_ledger: (FINISHED, "restore the folder `ledger`, or move it aside"),
    an_interrupted_ledger: (FINISHED, "the same"),
    too_little_memory: (FINISHED, "a smaller batch or sequence, in a bet of your own"),
    a_method_that_leaves_a_hook: ("what other methods made", "mend the method, raise its version"),
    a_text_that_is_too_short: (ALL, "more text"),
    a_window_beyond_the_bases_positions: (ALL, "a shorter window, in a bet of your own"),
    held_out_text_in_the_training_text: (ALL, "take the text out of one of the two"),
    a_pipe_among_a_users_texts: (ALL, "a file in its place"),
    a_bet_in_utf_16: (ALL, "save the file as UTF-8"),
    weights_that_are_left_over: (ALL, "a config that describes the weights"),
    weights_that_are_no_numbers: (ALL, "other weights"),
    an_adapter_beside_a_base: (ALL, "merge the adapter, or move it"),
    a_base_that_changes_meanwhile: (ALL, AGAIN),
}
"""What brings a fault about, what is kept then, and what to do."""
