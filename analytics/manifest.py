"""What ``manifest.json`` says of a run, complete or not."""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

from tapewire.analytics.analysis import Analysis
from tapewire.analytics.ledger import Leg
from tapewire.analytics.schemas import SCHEMA_VERSION

#: What the manifest of a complete run must get from the caller; the collector adds the rest.
REQUIRED_KEYS: Final = (
    "digest",
    "digests",
    "events",
    "elapsed_s",
    "events_per_s",
    "config",
    "versions",
    "inputs",
    "counts",
    "stages",
    "warnings",
)

#: What the manifest of a run that failed says of the tables it has.
ROWS_KEPT: Final = (
    "the tables have the rows up to the failure: orders that were open then are not among them, "
    "accounts were not checked, and there are no metrics"
)


def missing_keys(given: Mapping[str, Any] | None) -> list[str]:
    """Return which of `REQUIRED_KEYS` are not given."""
    return [key for key in REQUIRED_KEYS if key not in (given or {})]


def complete_manifest(
    given: Mapping[str, Any],
    rows: Mapping[str, int],
    conservation: Mapping[str, Any],
    analysis: Analysis,
    legs: list[dict[str, Any]],
) -> dict[str, Any]:
    """Return the manifest of a complete run, but for its files."""
    total, *others = analysis.rows
    headline = analysis.metrics.headline
    return {
        "status": "complete",
        "schema_version": SCHEMA_VERSION,
        **{k: v for k, v in given.items() if k != "status"},
        "rows": dict(rows),
        "conservation": conservation,
        "results": {
            "total": headline(total),
            "strategies": {
                r["strategy_id"]: headline(r) for r in others if r["scope"] == "strategy"
            },
        },
        "instrument_totals": [one.to_dict() for one in analysis.instruments],
        "legs": legs,
    }


def unfinished_manifest(
    status: str, reason: str, given: Mapping[str, Any] | None, rows: Mapping[str, int]
) -> dict[str, Any]:
    """Return the manifest of a run without results."""
    return {
        "status": status,
        "reason": reason,
        "schema_version": SCHEMA_VERSION,
        **{k: v for k, v in (given or {}).items() if k not in ("status", "reason")},
        "rows": dict(rows),
        "files": {},
    }


def leg_table(legs: Sequence[Leg], active: Iterable[int]) -> list[dict[str, Any]]:
    """Return what the manifest says of the legs that have rows."""
    return [
        {
            "leg": i,
            "strategy_id": legs[i].strategy_id,
            "publisher_id": int(legs[i].publisher_id),
            "instrument_id": int(legs[i].instrument_id),
            "symbol": legs[i].symbol,
            "multiplier_num": int(legs[i].multiplier_num),
            "multiplier_den": int(legs[i].multiplier_den),
            "tick_size": int(legs[i].tick_size),
        }
        for i in sorted(active)
    ]


def manifest_text(manifest: Mapping[str, Any]) -> str:
    """Return the manifest as JSON text; keys in the order given, no NaN or infinity."""
    return (
        json.dumps(manifest, indent=2, ensure_ascii=False, allow_nan=False, default=_plain) + "\n"
    )


def _plain(value: object) -> object:
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"expected a manifest value that JSON can hold, found {type(value).__name__}")
