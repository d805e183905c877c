"""Say in one line that a step of a training does not fit into memory."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

from pytest_noisefloor.errors import NoisefloorError

from .context import RunContext

_ALLOCATION = re.compile(
    r"out of memory|can't allocate memory|not enough memory|invalid buffer size"
)
"""What torch says of memory on CUDA, on a CPU and on MPS; on a CPU it is a bare RuntimeError."""


@contextmanager
def enough_memory(context: RunContext, adapters: int) -> Iterator[None]:
    """Turn torch's error of too little memory into one line.

    ``adapters`` is how many train as one batch.

    Raises:
        NoisefloorError: torch found too little memory.
    """
    try:
        yield
    except (MemoryError, RuntimeError) as error:
        if isinstance(error, RuntimeError) and not _ALLOCATION.search(str(error).lower()):
            raise
        recipe = context.recipe
        several = f"{adapters} × " if adapters > 1 else ""
        raise NoisefloorError(
            f"a step of {several}{recipe.batch} × {recipe.sequence} tokens does not fit into the "
            f"memory of {context.device}; expected a smaller batch or sequence"
        ) from None
