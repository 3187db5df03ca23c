"""Grids of exactly two parameters as maps: a row and a column per value, a colour per result."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from tapewire.analytics.metrics import Registry

#: Cells of one map; a larger grid is in the table alone.
CELLS_MAX: Final = 2_500


def heat_maps(
    variants: Sequence[Mapping[str, Any]],
    figures: Mapping[str, Mapping[str, Any]],
    metrics: Registry,
) -> list[dict[str, Any]]:
    """Return a map per entry of the configuration that varies exactly two parameters.

    Parameters
    ----------
    variants
        ``strategy_id``, ``variant_of`` and ``parameters``, those that vary, of each.
    figures
        Metrics by strategy; one that never had a book has none.
    metrics
        What may be shown: those of them that have a short name.
    """  # fmt: skip
    entries: dict[str, list[Mapping[str, Any]]] = {}
    for variant in variants:
        entries.setdefault(variant["variant_of"], []).append(variant)
    found = [_map(name, mine, figures, metrics) for name, mine in entries.items()]
    return [one for one in found if one is not None]


def _map(
    name: str,
    variants: Sequence[Mapping[str, Any]],
    figures: Mapping[str, Mapping[str, Any]],
    metrics: Registry,
) -> dict[str, Any] | None:
    names = list(dict.fromkeys(p for variant in variants for p in variant["parameters"]))
    if len(names) != 2 or any(len(variant["parameters"]) != 2 for variant in variants):
        return None
    down, across = names
    rows = _values(variant["parameters"][down] for variant in variants)
    columns = _values(variant["parameters"][across] for variant in variants)
    if min(len(rows), len(columns)) < 2 or len(rows) * len(columns) > CELLS_MAX:
        return None
    at = {
        (_key(v["parameters"][down]), _key(v["parameters"][across])): v["strategy_id"]
        for v in variants
    }
    if len(at) != len(variants):
        return None
    places = [[at.get((_key(r), _key(c)), "") for c in columns] for r in rows]
    shown = []
    for metric in metrics:
        if not metric.compact:
            continue
        values = [[figures.get(s, {}).get(metric.column) for s in row] for row in places]
        most = max((abs(v) for row in values for v in row if v is not None), default=0) or 1
        cells = [[_cell(metric.format.text(v), v, most) for v in row] for row in values]
        shown.append({"name": metric.label, "cells": cells})
    return {
        "title": f"{name}: {down} and {across}",
        "corner": f"{down} \N{DOWNWARDS ARROW} {across} \N{RIGHTWARDS ARROW}",
        "rows": [_text(r) for r in rows],
        "columns": [_text(c) for c in columns],
        "metrics": shown,
    }


def _cell(text: str, value: Any, most: Any) -> tuple[str, int]:
    """Return text and share of the strongest colour in percent, below 0 for a negative value."""
    return ("", 0) if value is None else (text, round(100 * (value / most)))


def _values(given: Any) -> list[Any]:
    """Return each value once; numbers ascending, anything else in the order of the grid."""
    unique = list({_key(value): value for value in given}.values())
    numbers = all(isinstance(v, int | float) and not isinstance(v, bool) for v in unique)
    return sorted(unique) if numbers else unique


def _key(value: Any) -> str:
    return f"{type(value).__name__} {value}"


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
