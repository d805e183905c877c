"""Records by number, for tests; the processes that tests start import them too."""

import numpy as np

from pytest_noisefloor.runs.record import Record


def key(number):
    return f"{number:064x}"


def record(number, size=3):
    """A record that no other number has."""
    gain = np.arange(size, dtype=np.float32) + number / 8
    return Record({"gain": gain, "last": gain[:1] * 2}, {"user": f"u{number}", "losses": [0.5]})


def records(*numbers):
    return {key(number): record(number) for number in numbers}


def same(found, expected):
    """Whether a record was found and is the expected one bitwise: NaN and −0 too."""
    return (
        found is not None
        and found.facts == expected.facts
        and found.arrays.keys() == expected.arrays.keys()
        and all(
            (found.arrays[n].dtype, found.arrays[n].shape, found.arrays[n].tobytes())
            == (array.dtype, array.shape, array.tobytes())
            for n, array in expected.arrays.items()
        )
    )


def holds(store, numbers, kind="adapters"):
    """Whether a store gives every one of these back as it was put."""
    assert all(store.has(kind, key(number)) for number in numbers)
    return all(same(store.get(kind, key(number)), record(number)) for number in numbers)


def files(store, kind="adapters"):
    """Of their own, and shards."""
    folder = store.root / kind
    return [*folder.glob("*.safetensors")], [*folder.glob("shards/*.safetensors")]
