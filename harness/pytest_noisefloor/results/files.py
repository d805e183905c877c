"""Read and write result files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pytest_noisefloor._files import read_toml, write_atomically
from pytest_noisefloor.errors import BetError, NoisefloorError

from .errors import ResultError


def write_result(path: Path, content: Mapping[str, Any]) -> None:
    """Write a result file's content whole or not at all."""
    write_atomically(path, f"{json.dumps(content, indent=1, ensure_ascii=False)}\n".encode())


def read_file(path: Path) -> Any:
    """Read a result file (.json) or a published table (.toml), without checking its content.

    Raises:
        ResultError: the file cannot be read, or is not JSON or TOML.
    """
    try:
        if path.suffix == ".toml":
            return read_toml(path)
        return json.loads(path.read_text(encoding="utf-8"))
    except BetError as error:
        raise ResultError(str(error)) from None
    except OSError as error:
        raise ResultError(f"{path}: {error.strerror}") from None
    except (ValueError, RecursionError) as error:
        raise ResultError(f"{path}: not JSON ({error})") from None


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
