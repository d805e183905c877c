"""Read and write result files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pytest_noisefloor._files import (
    SystemRefusal,
    decoded,
    parse_toml,
    read_bytes,
    refuse_hidden,
    write_atomically,
)
from pytest_noisefloor.errors import BetError, NoisefloorError

from .errors import ResultError

_OF_THE_MOMENT = {"environment", "times", "seal"}
"""Parts of a result file that two sessions with the same result have otherwise."""


def write_result(path: Path, content: Mapping[str, Any]) -> None:
    """Write a result file's content whole or not at all.

    Where the file cannot be written, because its folder is read-only, it is enough that it already
    holds this result.

    Raises:
        SystemRefusal: the file cannot be written, and does not hold this result.
    """
    try:
        write_atomically(path, f"{json.dumps(content, indent=1, ensure_ascii=False)}\n".encode())
    except SystemRefusal:
        if not path.is_file() or _result(read_file(path)) != _result(content):
            raise


def _result(content: Mapping[str, Any]) -> Any:
    kept = {key: value for key, value in content.items() if key not in _OF_THE_MOMENT}
    return json.loads(json.dumps(kept))


def read_file(path: Path) -> Any:
    """Read a result file (.json) or a published table (.toml), without checking its content.

    Raises:
        ResultError: the file cannot be read, or is not JSON or TOML.
    """
    content = read_bytes(path, ResultError)
    try:
        if path.suffix == ".toml":
            return parse_toml(content, path)
        found = json.loads(decoded(content, path, ResultError))
        refuse_hidden(found, path, ResultError)
    except BetError as error:
        raise ResultError(str(error)) from None
    except (ValueError, RecursionError) as error:
        raise ResultError(f"{path}: not JSON ({error})") from None
    return found


@contextmanager
def errors_about(path: Path) -> Iterator[None]:
    """Put a file's name in front of what a user can mend in it.

    Raises:
        ResultError: for any error of this project. Other errors are ours, and stay as they are.
    """
    try:
        yield
    except NoisefloorError as error:
        raise ResultError(f"{path}: {error}") from None
