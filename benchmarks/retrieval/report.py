"""Figures as tables."""

from collections.abc import Mapping
from typing import Any

from workload import SHARES

_CATEGORIES = ("all", *SHARES)
_OURS = ("all, right after", "all, store", "bank 1 %", "prompt", "text", "text, s4", "template")


def tables(figures: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> str:
    """Return every table as markdown: a comparison a cell, then our own further reads."""
    parts = []
    for cell, stores in figures.items():
        parts.append(f"## {cell}\n\n{_comparison(stores)}\n\n{_further(stores)}")
    return "\n\n".join(parts)


def _comparison(stores: Mapping[str, Mapping[str, Any]]) -> str:
    heads = ["store", "fill s (CPU)", *(f"{c}: p10 / p50 ms (CPU) recall" for c in _CATEGORIES)]
    lines = [[*heads, "p50 all, ÷ ours", "load"], ["---"] * (len(heads) + 2)]
    ours = stores["skillbank"]
    for name, figures in stores.items():
        if "failed" in figures:
            lines.append([name, figures["failed"], *["-"] * len(_CATEGORIES), "-", ""])
            continue
        fill = figures["fill"]
        spent = f"{fill['wall']:.2f} ({fill['client'] + fill['server']:.2f})"
        if "optimize" in figures and figures["optimize"]["wall"] > 0.1:
            spent += f" + index {figures['optimize']['wall']:.1f}"
        ratio = figures["all"]["p50"] / ours["all"]["p50"]
        cells = [_cell(figures[category]) for category in _CATEGORIES]
        load = f"{figures['load before']} to {figures['load after']}"
        lines.append([name, spent, *cells, f"{ratio:.2f}", load])
    return _table(lines)


def _further(stores: Mapping[str, Mapping[str, Any]]) -> str:
    lines = [["read of skillbank", "p10 ms", "p50 ms", "client CPU", "server CPU", "recall"]]
    lines.append(["---"] * 6)
    for what in _OURS:
        figures = stores["skillbank"].get(what)
        if figures is not None:
            found = figures.get("recall")
            times = [f"{figures[part]:.2f}" for part in ("p10", "p50", "client", "server")]
            lines.append([what, *times, "-" if found is None else f"{found:.4f}"])
    return _table(lines)


def _cell(figures: Mapping[str, float]) -> str:
    cpu = figures["client"] + figures["server"]
    return f"{figures['p10']:.2f} / {figures['p50']:.2f} ({cpu:.2f}) {figures['recall']:.3f}"


def _table(lines: list[list[str]]) -> str:
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
