"""Find methods: the shipped ones by name, a project's own by import path."""

from __future__ import annotations

from collections.abc import Callable

from pytest_noisefloor._import_path import imported, is_import_path
from pytest_noisefloor.errors import MethodError, NoisefloorError

from .base import Method
from .full import Full
from .lora import Lora
from .norm_only import NormOnly
from .temperature import Temperature

METHODS: dict[str, Method] = {
    method.name: method for method in (NormOnly(), Full(), Temperature(), Lora(rank=4))
}
"""The methods that noisefloor ships, by name."""


def is_method(words: str) -> bool:
    """Whether ``words`` are the name of a shipped method or an import path."""
    return words in METHODS or is_import_path(words)


def open_method(words: str) -> Method:
    """A shipped method by its name, or a project's own by import path, ``package.module:object``.

    Raises:
        MethodError: there is no such method, the object is no method, or it has the name of a
            shipped one.
    """
    if words in METHODS:
        return METHODS[words]
    try:
        members = {"name": str, "version": int, "attached": Callable}
        found: Method = imported(words, members, METHODS)
    except NoisefloorError as error:
        raise MethodError(f"method {error}") from error.__cause__
    return found
