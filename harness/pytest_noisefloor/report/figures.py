"""Draw the summary's pictures if matplotlib is installed: the ladder and the budget curve.

With the same version of matplotlib, equal results give equal files, byte for byte.
"""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Mapping, Sequence
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from pytest_noisefloor.results import FIGURES, NOT_RUN, REAL, BudgetPoint, LadderRung
from pytest_noisefloor.specs import UNTRAINED

if TYPE_CHECKING:
    from matplotlib.axes import Axes

NO_MATPLOTLIB = (
    "No pictures: they need matplotlib, which pip install 'pytest-noisefloor[catalogue]' brings."
)
FORMATS = ("png", "svg")
NATS = "nats per token"
STYLE: Any = {"svg.hashsalt": "noisefloor", "font.size": 9.0, "text.parse_math": False}
COLOURS = dict(zip(FIGURES, ("C0", "C3", "C2", "0.5"), strict=True))
WORDS = {"oracle_help": "oracle's help"}
LINEAR = 1e-3
"""Within this many nats per token of 0, the budget curve's axis is linear, not logarithmic."""


def can_draw() -> bool:
    """Whether matplotlib is installed, so that pictures can be drawn."""
    return find_spec("matplotlib") is not None


def draw_ladders(ladders: Mapping[str, Mapping[str, Sequence[LadderRung]]]) -> dict[str, bytes]:
    """Draw the ladders, one row per base and one column per user. Returns files by format."""
    columns = max(map(len, ladders.values()))

    def draw(axes: Any) -> None:
        for row, (base, by_user) in zip(axes, ladders.items(), strict=True):
            for ax, (user, rungs) in zip(row, by_user.items(), strict=False):
                _ladder(ax, f"{user}, {base}", rungs)
            for ax in row[len(by_user) :]:
                ax.set_axis_off()
            row[0].set_yticks(range(len(rungs)), [rung.name for rung in rungs])

    return _drawn(draw, len(ladders), columns, sharey="row")


def _ladder(ax: Axes, title: str, rungs: Sequence[LadderRung]) -> None:
    """Draw gains as points with their 95 % intervals, the base at the bottom, the oracle on top."""
    ax.axvline(0, color="0.8", linewidth=0.8)
    for height, rung in enumerate(rungs):
        if rung.gain is None:
            ax.annotate(NOT_RUN, (0, height), color="0.6", va="center", xytext=(4, 0), **_OFFSET)
            continue
        colour = "C3" if rung.name == REAL else "C0"
        if rung.interval:
            ax.plot([rung.interval.low, rung.interval.high], [height] * 2, color=colour)
        ax.plot(rung.gain, height, "o", color=colour, markersize=4)
        if rung.share is not None and rung.name != UNTRAINED:
            at = (rung.gain, height)
            ax.annotate(f"{rung.share:.0%}", at, ha="center", xytext=(0, 5), fontsize=7, **_OFFSET)
    ax.set_ylim(-0.5, len(rungs) - 0.2)
    ax.set_title(title)
    ax.locator_params(axis="x", nbins=5)
    ax.margins(x=0.1)
    ax.set_xlabel(f"gain over the base, {NATS}")


_OFFSET: dict[str, Any] = {"textcoords": "offset points"}


def draw_budget(points: Mapping[str, Sequence[BudgetPoint]]) -> dict[str, bytes]:
    """Draw the budget curves, one row per base and one column per user. Returns files by format."""
    users = {base: list(dict.fromkeys(p.user for p in of)) for base, of in points.items()}
    columns = max(map(len, users.values()))

    def draw(axes: Any) -> None:
        for row, (base, of) in zip(axes, points.items(), strict=True):
            for ax, user in zip(row, users[base], strict=False):
                _budget(ax, [point for point in of if point.user == user])
                ax.set_title(f"{user}, {base}")
            for ax in row[len(users[base]) :]:
                ax.set_axis_off()
            row[0].set_ylabel(f"logarithm of the quotient, {NATS}")
        handles, labels = axes[0][0].get_legend_handles_labels()
        axes[0][0].figure.legend(handles, labels, loc="outside lower center", ncols=len(FIGURES))

    return _drawn(draw, len(points), columns, sharey=False)


def _budget(ax: Axes, points: Sequence[BudgetPoint]) -> None:
    """Draw a line for each number of steps: filled points for the fewest, hollow for the others."""
    ax.set_xscale("log")
    ax.set_yscale("symlog", linthresh=LINEAR)
    steps = sorted({point.steps for point in points})
    ax.axhline(0, color="0.8", linewidth=0.8)
    for name, colour in COLOURS.items():
        for of in steps:
            drawn = [point for point in points if point.steps == of and name in point.figures]
            label = f"{WORDS.get(name, name)}, {of:,} steps"
            ax.plot(
                [point.budget for point in drawn],
                [math.log(point.figures[name]["value"]) for point in drawn],
                "o-",
                color=colour,
                markersize=4,
                markerfacecolor=colour if of == steps[0] else "white",
                label=label if drawn else None,
            )
            for point in drawn:
                if bounds := point.figures[name]["interval"]:
                    ax.plot([point.budget] * 2, list(map(math.log, bounds)), color=colour)
    ax.set_xlabel("learning rate × steps")


def _drawn(
    draw: Callable[[Any], None], rows: int, columns: int, *, sharey: Any
) -> dict[str, bytes]:
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context():
        mpl.rcdefaults()
        mpl.rcParams.update(STYLE)
        figure = Figure(figsize=(3.2 * columns + 0.8, 3.4 * rows), layout="constrained", dpi=150)
        draw(figure.subplots(rows, columns, squeeze=False, sharey=sharey))
        files = {}
        for kind in FORMATS:
            file = io.BytesIO()
            metadata = {"Date": None} if kind == "svg" else None
            figure.savefig(file, format=kind, metadata=metadata)
            files[kind] = file.getvalue()
    return files
