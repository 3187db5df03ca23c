"""How the variants of a grid look on a terminal: the best few, with what varies."""

from decimal import Decimal
from typing import Any, Final

from tapewire.runs.result_display import HEADINGS, figures_row

#: Variants with a line of their own; all are in ``variants.parquet`` and the report.
_SHOWN_MAX: Final = 10


def without_variants(manifest: dict[str, Any]) -> dict[str, Any]:
    """Return the results of a run but for its variants; the total has them."""
    names = {variant["strategy_id"] for variant in manifest.get("variants", ())}
    results = manifest["results"]
    strategies = {k: v for k, v in results["strategies"].items() if k not in names}
    return {**results, "strategies": strategies}


def variant_rows(manifest: dict[str, Any]) -> list[tuple[str, ...]]:
    """Return headings and figures of the best variants by net P&L, as text; none where none are."""
    figures = manifest["results"]["strategies"]
    called = [v for v in manifest.get("variants", ()) if v["strategy_id"] in figures]
    if not called:
        return []
    called.sort(key=lambda v: -Decimal(figures[v["strategy_id"]]["net_pnl"]))
    names = list(dict.fromkeys(name for variant in called for name in variant["parameters"]))
    rows = [("variant", *names, *HEADINGS[1:])]
    for variant in called[:_SHOWN_MAX]:
        name, *texts = figures_row(variant["strategy_id"], figures[variant["strategy_id"]])
        values = (variant["parameters"].get(name) for name in names)
        rows.append((name, *map(_text, values), *texts))
    if len(called) > _SHOWN_MAX:
        more = f"… and {len(called) - _SHOWN_MAX:,} more in variants.parquet"
        rows.append((more, *[""] * (len(rows[0]) - 1)))
    return rows


def _text(value: object) -> str:
    if value is None:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)
