"""Command-line options and ini options, read into typed settings."""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import NoReturn

import pytest

from pytest_noisefloor._files import SystemRefusal, expanded
from pytest_noisefloor.specs import DEVICES, MATMULS, SHARED_OPTIONS


@dataclass(frozen=True)
class Settings:
    """What the command line or the ini file asks for.

    ``bet`` is a name or a path. ``seeds`` is None if the bet's own apply. ``matmul`` is the dtype
    of matrix products during training, or None if the bet's own applies. ``out`` is the folder of
    results and store.
    """

    bet: str
    base: str
    users: str
    device: str
    seeds: tuple[int, ...] | None
    matmul: str | None
    out: Path


_OPTIONS = {
    **SHARED_OPTIONS,
    "seeds": (
        "",
        "seeds to train each arm with, as 0,1,2 (default: those of the bet); with any "
        "others, results are marked UNREGISTERED",
    ),
    "matmul": (
        "",
        "dtype of matrix products in training: float32 or bfloat16; trained values, optimiser and "
        "scores are always fp32 (default: those of the bet; with any other, results are marked "
        "UNREGISTERED)",
    ),
}


def add_options(parser: pytest.Parser) -> None:
    """Add a command-line option and an ini option for each setting to a parser."""
    group = parser.getgroup("noisefloor", "noisefloor: negative controls for adapters")
    for name, (default, text) in _OPTIONS.items():
        about = f"{text} (default: {default})" if default else text
        group.addoption(f"--noisefloor-{name}", metavar=name.upper(), default=None, help=about)
        parser.addini(f"noisefloor_{name}", about, type="string", default=None)


def read_settings(config: pytest.Config) -> Settings:
    """Read the settings of a session.

    Raises:
        pytest.UsageError: an option has a value that it cannot have.
    """
    _refuse_detached_paths(config)
    return Settings(
        bet=_bet(*_given(config, "bet")),
        base=_base(*_given(config, "base")),
        users=_users(*_given(config, "users")),
        device=_one_of("device", _given(config, "device")[0], DEVICES),
        seeds=_seeds(_given(config, "seeds")[0]),
        matmul=_matmul(_given(config, "matmul")[0]),
        out=_out(*_given(config, "out")),
    )


def given(config: pytest.Config, name: str) -> tuple[str | None, Path]:
    """An option's value, if it is given, and the folder that a path in it is relative to.

    This is the ini file's folder if the value is from the ini file, and the current folder
    otherwise.
    """
    here = config.invocation_params.dir
    value = config.getoption(f"noisefloor_{name}")
    if value is None and (value := config.getini(f"noisefloor_{name}")) is not None:
        here = config.inipath.parent if config.inipath else here
    return value, here


def _given(config: pytest.Config, name: str) -> tuple[str, Path]:
    """The same, with the default where the option is not given."""
    value, here = given(config, name)
    return _OPTIONS[name][0] if value is None else str(value), here


def _base(value: str, here: Path) -> str:
    if not value.strip():
        _usage("base", value, "a name")
    if here == Path.cwd():
        return value
    from pytest_noisefloor.models import locate  # not always, since it imports NumPy

    return locate(value, here)


def _bet(value: str, here: Path) -> str:
    file = here / _expanded("bet", value)
    if file.suffix != ".toml" and value.strip():
        return value
    if not file.is_file():
        _usage("bet", value, "no such file; expected a registered bet, as bet60, or a bet file")
    return str(file)


def _users(value: str, here: Path) -> str:
    if value == "shipped":
        return value
    folder = here / _expanded("users", value)
    if not value.strip() or not folder.is_dir():
        expected = "'shipped', or a folder with <user>/train.txt and <user>/heldout/"
        _usage("users", value, f"no such folder; expected {expected}")
    return str(folder)


def _out(value: str, here: Path) -> Path:
    folder = here / _expanded("out", value)
    if not value.strip() or (folder.exists() and not folder.is_dir()):
        _usage("out", value, "a folder")
    return folder


def _expanded(name: str, value: str) -> Path:
    try:
        return expanded(value)
    except SystemRefusal as error:
        raise pytest.UsageError(f"--noisefloor-{name} (or noisefloor_{name}): {error}") from None


def _one_of(name: str, value: str, known: tuple[str, ...]) -> str:
    if value not in known:
        _usage(name, value, f"one of {', '.join(known)}")
    return value


def _matmul(value: str) -> str | None:
    return _one_of("matmul", value, MATMULS) if value.strip() else None


def _seeds(value: str) -> tuple[int, ...] | None:
    if not value.strip():
        return None
    try:
        seeds = tuple(int(part) for part in value.split(","))
    except ValueError:
        seeds = (-1,)
    if min(seeds) < 0 or len(set(seeds)) != len(seeds):
        _usage("seeds", value, "different whole numbers of 0 or more, as 0,1,2")
    return seeds


def _usage(name: str, value: str, expected: str) -> NoReturn:
    raise pytest.UsageError(f"--noisefloor-{name} (or noisefloor_{name}) = {value!r}: {expected}")


def _refuse_detached_paths(config: pytest.Config) -> None:
    """Insist on ``=`` before a path, because pytest sets its rootdir before it knows our options.

    ``--noisefloor-out results`` would make ``results`` the rootdir, and pytest would silently
    ignore the project's own configuration.
    """
    words = map(os.fspath, config.invocation_params.args)
    for option, value in pairwise(words):
        takes_value = option.startswith("--noisefloor-") and option != "--noisefloor-train"
        if takes_value and "=" not in option and Path(value).exists():
            raise pytest.UsageError(
                f"write {option}={value}: with '=', or pytest moves its rootdir"
            )
