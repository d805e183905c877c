"""What is printed of a part's figures."""

from __future__ import annotations

from typing import Any

from tabulate import tabulate


def show(part: str, found: dict[str, Any]) -> str:
    """A part's table, with what belongs under it."""
    return {
        "steps": _steps,
        "memory": _memory,
        "scoring": _scoring,
        "many": _many,
        "store": _store,
        "claims": _claims,
        "check": _check,
        "bfloat16": _bfloat16,
        "plugin": _plugin,
        "tiers": _tiers,
    }[part](found)


def _steps(found: dict[str, Any]) -> str:
    roof = found["roofline"]
    tables = []
    for name, shape in found["shapes"].items():
        rows = [row for row in found["rows"] if row["shape"] == name]
        slowest = rows[0]
        head = (
            "contender | ms a step | quartiles | tokens/s | of the roofline | peak over base, MB | "
            f"s for {slowest['steps']} steps | speed, by step | speed, whole | gains off plain by"
        )
        lines = [
            [
                row["contender"],
                f"{1e3 * row['step_s']['median']:.0f}",
                f"{1e3 * row['step_s']['q1']:.0f}–{1e3 * row['step_s']['q3']:.0f}",
                f"{row['tokens_per_s']:.0f}",
                f"{row['roofline_share']:.0%}",
                f"{row['peak_over_base_mb']:.0f}",
                f"{row['adapter_s']:.1f}",
                f"{slowest['step_s']['median'] / row['step_s']['median']:.2f} ×",
                f"{slowest['adapter_s'] / row['adapter_s']:.2f} ×",
                f"{row['largest_gain_difference_to_plain']:.1e}",
            ]
            for row in rows
        ]
        gflop = shape["step_flops"]["total"] / 1e9
        title = (
            f"{name} shape: {shape['batch']} × {shape['sequence']} tokens, {rows[0]['gains']:,} "
            f"gains, {gflop:.1f} GFLOP a step ({gflop / roof['gflops']:.3f} s at the roofline)"
        )
        tables.append(f"{title}\n\n{table(head, lines)}")
    ways = sorted({way for row in roof["before"]["products"] for way in row["gflops"]})
    products = [
        [f"{a['product']} ({a['m']} × {a['k']} × {a['n']})"]
        + [f"{r['gflops'][way]:.0f}" for way in ways for r in (a, b)]
        for a, b in zip(roof["before"]["products"], roof["after"]["products"], strict=True)
    ]
    head = " | ".join(["fp32 matmul, GFLOP/s", *(f"{w}{x}" for w in ways for x in ("", ", after"))])
    tables.append(
        f"Roofline: {roof['gflops']:.0f} GFLOP/s, the best of these\n{table(head, products)}"
    )
    return "\n\n".join(tables)


def _claims(found: dict[str, Any]) -> str:
    lines = [
        [f"{row['claims']:,}", f"{row['read_s']:.2f}", f"{row['adjust_s']:.2f}"]
        for row in found["rows"]
    ]
    return table("claims | s to read | s to adjust", lines)


def _memory(found: dict[str, Any]) -> str:
    lines = [
        [
            row["contender"],
            str(row["batch"]),
            f"{row['vocabulary']:,}",
            f"{row['peak_over_base_mb']:.0f}",
            f"{4e-6 * row['batch'] * 256 * row['vocabulary']:.0f}",
        ]
        for row in found["rows"]
    ]
    head = "contender | batch × 256 | vocabulary | peak over base, MB | one copy of all logits, MB"
    return table(head, lines)


def _scoring(found: dict[str, Any]) -> str:
    lines = [
        [
            f"{row['shape']} shape, slice of {row['tokens']:,} tokens",
            f"{row['slice_s']['median']:.2f}",
            f"{row['slice_s']['q1']:.2f}–{row['slice_s']['q3']:.2f}",
            f"{row['tokens_per_s']:.0f}",
            f"{row['peak_over_base_mb']:.0f}",
        ]
        for row in found["rows"]
    ]
    return table("held-out scoring | s | quartiles | tokens/s | peak over base, MB", lines)


def _many(found: dict[str, Any]) -> str:
    slowest = found["rows"][0]
    lines = [
        [
            row["what"],
            str(row["group"]),
            f"{1e3 * row['step_s']['median']:.0f}",
            f"{row['seconds_per_adapter']:.2f}",
            f"{row['adapters_per_s']:.4f}",
            f"{row['adapters_per_s'] / slowest['adapters_per_s']:.2f} ×",
            f"{row['peak_over_base_mb']:.0f}",
            f"{row['file_bytes']:,}",
        ]
        for row in found["rows"]
    ]
    head = (
        "contender | adapters at once | ms a step | s an adapter | adapters/s | speed | "
        "peak over base, MB | bytes a file"
    )
    title = f"An adapter is {found['registered_steps']} steps; few of them are timed."
    return f"{table(head, lines)}\n{title}"


def _store(found: dict[str, Any]) -> str:
    lines = [
        [
            f"{row['records']:,}, {row['group']} at a time",
            f"{1e3 * row['write_s']:.2f}",
            f"{row['first_look_s']:.2f}",
            f"{1e6 * row['find_s']:.0f}",
            f"{1e6 * row['miss_s']:.0f}",
            f"{row['list_s']:.3f}",
            f"{1e3 * row['read_s']:.2f}",
            f"{row['files']:,}",
            f"{row['bytes']:.0f}",
            f"{row['bytes'] - row['payload_bytes']:.0f}",
            f"{row['facts_bytes']:.0f}",
        ]
        for row in found["rows"]
    ]
    head = (
        "adapters | ms to write one | s to the first look-up | µs to find | µs to miss | "
        "s to list | ms to read | files | bytes each | over payload | of it facts"
    )
    return table(head, lines)


def _check(found: dict[str, Any]) -> str:
    lines = [
        [
            f"{row['adapters']} on {found['base']}",
            f"{row['check_s']:.1f}",
            f"{row['score_s']:.1f}",
            f"{row['tokens']:,}",
            f"{row['applied']}",
            f"{row['swapped']}",
        ]
        for row in found["rows"]
    ]
    heads = (
        "adapters | s to check | s to score | held-out tokens | applied | pairs named as swapped"
    )
    return table(heads, lines)


def _bfloat16(found: dict[str, Any]) -> str:
    lines = [
        [
            matmul,
            f"{found[matmul]['delta']:.6f}",
            ", ".join(f"{seconds:.1f}" for seconds in found[matmul]["adapter_s"]),
            found[matmul]["kernel"],
        ]
        for matmul in ("float32", "bfloat16")
    ]
    head = "matrix products in | Δ, nats/token | s for the random, the real adapter | kernel"
    return (
        table(head, lines)
        + f"\nΔ moved by {found['deviation']:+.1e} nats/token ({found['user']}, {found['base']})."
    )


def _plugin(found: dict[str, Any]) -> str:
    lines = [
        [
            row["what"],
            f"{1e3 * row['s']['median']:.0f}",
            f"{1e3 * row['s']['q1']:.0f}–{1e3 * row['s']['q3']:.0f}",
            str(row["s"]["n"]),
        ]
        for row in found["rows"]
    ]
    torch = "imported" if found["torch_imported"] else "not imported"
    return (
        table("start of pytest | ms | quartiles | starts", lines)
        + f"\ntorch in the other project: {torch}. Here: {found['collected']}."
    )


def _tiers(found: dict[str, Any]) -> str:
    lines = [[row["what"], f"{row['s']:.1f}", row["outcome"]] for row in found["rows"]]
    return table("session | s | outcome", lines)


def table(head: str, lines: list[list[str]]) -> str:
    """A Markdown table; all columns but the first lean right."""
    headings = head.split(" | ")
    align = ["left"] + ["right"] * (len(headings) - 1)
    return tabulate(lines, headings, tablefmt="pipe", colalign=align, disable_numparse=True)
