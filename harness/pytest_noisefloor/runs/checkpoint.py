"""Unfinished trainings as records, from which they resume bitwise."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_noisefloor._typing import Tensors

from .record import Record

if TYPE_CHECKING:
    from pytest_noisefloor.training import TrainingState


def pack(state: TrainingState) -> Record:
    """An unfinished training as a record."""
    arrays = {f"tensors/{name}": value for name, value in state.tensors.items()}
    arrays |= {f"moments/{name}": value for name, value in state.moments.items()}
    return Record(arrays, {"losses": list(state.losses), "seconds": state.seconds})


def unpack(record: Record) -> TrainingState:
    """The unfinished training in a record, bitwise as it was packed."""
    from pytest_noisefloor.training import TrainingState

    def part(prefix: str) -> Tensors:
        return {
            name.removeprefix(prefix): value
            for name, value in record.arrays.items()
            if name.startswith(prefix)
        }

    return TrainingState(
        tensors=part("tensors/"),
        moments=part("moments/"),
        losses=tuple(record.facts["losses"]),
        seconds=record.facts["seconds"],
    )
