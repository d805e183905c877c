"""Reading and writing result files."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from pytest_noisefloor._files import read_toml, write_atomically
from pytest_noisefloor.errors import BetError, NoisefloorError


def write_result(path: Path, content: dict[str, Any]) -> None:
    """Write a result file whole or not at all."""
    text = json.dumps(content, indent=1, ensure_ascii=False)
    write_atomically(path, f"{text}\n".encode())


class ResultError(NoisefloorError):
    """A file that cannot be judged."""


def read_file(path: Path) -> Any:
    """The content of a result file (.json) or a published table (.toml), or of what is neither.

    Raises:
        ResultError: not readable, or not of its format.
    """
    try:
        if path.suffix == ".toml":
            return read_toml(path)
        return json.loads(path.read_text(encoding="utf-8"))
    except BetError as error:
        raise ResultError(str(error)) from None
    except OSError as error:
        raise ResultError(f"{path}: {error.strerror}") from None
    except ValueError as error:
        raise ResultError(f"{path}: not JSON ({error})") from None


@contextmanager
def errors_about(path: Path) -> Iterator[None]:
    """Whatever is found wrong with a file's content, said of the file.

    Raises:
        ResultError: for any error of this project, and any that content of another shape gives.
    """
    try:
        yield
    except KeyError as error:
        raise ResultError(f"{path}: key {error} is missing") from None
    except (TypeError, ValueError, AttributeError, OverflowError) as error:
        raise ResultError(f"{path}: not a result file or published table ({error})") from None
    except NoisefloorError as error:
        raise ResultError(f"{path}: {error}") from None
