"""Lay out tables, with tabulate: for a terminal, and in Markdown."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from pytest_noisefloor.errors import plain

Row = TypeVar("Row")

_FILLER = "\u200b"
"""A character without width, which stands beside a wide one while columns are measured."""


@dataclass(frozen=True)
class Column(Generic[Row]):
    """One column of a table: its heading, and what it says of a row. Words lean ``left``."""

    heading: str
    cell: Callable[[Row], str]
    left: bool = False


def terminal_table(columns: Sequence[Column[Row]], rows: Iterable[Row]) -> str:
    """Lay out a table for a terminal."""
    return _tabulated(
        [column.heading for column in columns],
        [[plain(column.cell(row)) for column in columns] for row in rows],
        style="simple",
        align=["left" if column.left else "right" for column in columns],
    )


def markdown_table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Lay out a table in Markdown that also reads well in a terminal."""
    escaped = [[as_markdown(cell) for cell in row] for row in (headings, *rows)]
    return _tabulated(escaped[0], escaped[1:], style="github", align=["left"] * len(headings))


_MARKS = re.compile(r"[|*]|(?<!\w)_|_(?!\w)|\](?=[(\[:])")


def as_markdown(cell: str) -> str:
    """A cell's text as Markdown shows it: no mark-up, no link, no end of the cell."""
    one_line = " ".join(plain(cell).split("\n")).replace("&", "&amp;").replace("<", "&lt;")
    return _MARKS.sub(lambda found: f"\\{found[0]}", one_line)


def _tabulated(
    headings: Sequence[str], rows: Sequence[Sequence[str]], *, style: str, align: Sequence[str]
) -> str:
    """Lay out cells as they are: none is taken for a number.

    A wide character takes two places of a terminal. tabulate knows that only if wcwidth is
    installed. With a filler beside it, it is measured the same with and without wcwidth.
    """
    from tabulate import tabulate

    filled = [[_filled(cell) for cell in row] for row in (headings, *rows)]
    laid_out: str = tabulate(
        filled[1:], headers=filled[0], tablefmt=style, colalign=align, disable_numparse=True
    )
    return laid_out.replace(_FILLER, "")


def _filled(cell: str) -> str:
    wide = sum(unicodedata.east_asian_width(character) in "WF" for character in cell)
    return cell + _FILLER * wide
