"""What each fill model says of one order that is sent again, alone."""

import csv
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from tapewire.config.loading import make_config
from tapewire.config.schema import RunConfig, StrategyEntry
from tapewire.config.variants import checked_variants
from tapewire.errors import ConfigError
from tapewire.execution.codes import FillReason
from tapewire.execution.models import REGISTRIES
from tapewire.runs.queue_story import Placing

_COLUMNS: Final = (
    "ts_ns", "action", "client_order_id", "symbol", "publisher_id", "side", "order_type", "price",
    "quantity", "time_in_force",
)  # fmt: skip
#: Of an order with such terms no other run is made.
_TERMS: Final = (
    "post_only", "trigger_price", "expires", "min_quantity", "display_quantity", "peg_offset",
    "group",
)  # fmt: skip
_NO_LATENCY: Final = {"type": "fixed", "network_latency_us": 0, "processing_latency_us": 0}
OWN: Final = "as the run had it"


@dataclass
class WhatIf:
    """What a fill model says of an order, sent again alone to arrive when it did.

    Attributes
    ----------
    model : str
    filled : int
        Lots.
    fills : list of (ts_event, price, lots, reason)
        ns, 1e-9.
    """

    model: str
    filled: int = 0
    fills: list[tuple[int, int, int, str]] = field(default_factory=list)


def fills_under_models(
    config: RunConfig, order: Mapping[str, Any], placings: list[Placing]
) -> tuple[list[WhatIf], str]:
    """Send an order again under the run's models, and under each built-in fill and queue model.

    Returns
    -------
    list of WhatIf
        The run's own first.
    str
        Why there is none, or which models are left out; else empty.
    """
    terms = [name for name in _TERMS if order.get(name) is not None]
    if terms or order.get("reduce_only") or not placings:
        return [], "other fill models are not asked about orders with terms of their own"
    wanted: dict[str, dict[str, Any]] = {OWN: {}}
    for name in REGISTRIES["fill"]:
        wanted[f"fill model {name}"] = {"type": name}
    default = next(iter(REGISTRIES["fill"]))
    for name in list(REGISTRIES["queue"])[1:]:
        wanted[f"fill model {default}, queue {name}"] = {
            "type": default, "queue_position_model": name,
        }  # fmt: skip
    with tempfile.TemporaryDirectory(prefix="tapewire-") as folder:
        log = Path(folder) / "order.csv"
        _write_log(log, order, placings)
        own = execution_of_its_own(config, str(order["strategy_id"]))
        content = _content_of(config)
        entries: dict[str, dict[str, Any]] = {}
        left_out = []
        for label, fill_model in wanted.items():
            execution = {**own, "fill_model": fill_model} if fill_model else own
            entry = {
                "type": "order_log", "name": f"model-{len(entries)}",
                "parameters": {"path": str(log)}, "execution": execution,
            }  # fmt: skip
            try:
                make_config({**content, "strategy": [entry]})
            except ConfigError:  # it has parameters without a default
                left_out.append(label)
            else:
                entries[label] = entry
        results = [WhatIf(label) for label in entries]
        _play(make_config({**content, "strategy": list(entries.values())}), order, results)
    remark = f"not asked, for want of parameters: {', '.join(left_out)}" if left_out else ""
    return results, remark


def execution_of_its_own(config: RunConfig, strategy_id: str) -> dict[str, Any]:
    """Return what of the execution was the strategy's own, but for its latency."""
    entries: list[StrategyEntry] = [
        entry
        for i, entry in enumerate(config.strategy)
        if any(variant.name == strategy_id for variant in checked_variants(entry, ("strategy", i)))
    ]
    if not entries or entries[0].execution is None:
        return {}
    own = entries[0].execution.model_dump(mode="python", exclude_none=True)
    own.pop("latency_model", None)
    return own


def _content_of(config: RunConfig) -> dict[str, Any]:
    """Return a run's configuration without latency, limits and strategies."""
    content = config.model_dump(mode="python", exclude_none=True)
    backtest = content["backtest"]
    backtest.pop("risk_limits", None)
    backtest.pop("portfolio_limits", None)
    backtest.pop("output", None)
    backtest["replay"].pop("days", None)  # one order, of one day, hangs on no other
    backtest["replay"].pop("workers", None)
    backtest["execution"]["latency_model"] = _NO_LATENCY
    return content


def _write_log(path: Path, order: Mapping[str, Any], placings: list[Placing]) -> None:
    rows = []
    for k, placing in enumerate(placings):
        row = {
            "ts_ns": placing.ts,
            "action": "replace" if k else "new",
            "client_order_id": "it",
            "symbol": order["symbol"],
            "publisher_id": order["publisher_id"],
            "side": order["order_side"],
            "order_type": order["order_type"],
            "price": "" if placing.price is None else str(Decimal(placing.price).scaleb(-9)),
            "quantity": placing.quantity,
            "time_in_force": order["time_in_force"],
        }
        rows.append(row)
    if order["status"] == "CANCELED" and order["ts_closed"] is not None:
        rows.append({"ts_ns": order["ts_closed"], "action": "cancel", "client_order_id": "it"})
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, _COLUMNS)
        writer.writeheader()
        writer.writerows(rows)


def _play(config: RunConfig, order: Mapping[str, Any], results: list[WhatIf]) -> None:
    """Run the data of the order's book; each strategy's fills go to its result."""
    from tapewire.runs import wiring
    from tapewire.runs.contracts import contracts_of
    from tapewire.runs.records import FileRecords

    records = FileRecords(config)
    try:
        simulation = wiring.make_simulation(
            config, records.info, contracts=contracts_of(config, records.info, records.rolls)
        )

        def take() -> None:
            numbers = {leg.leg: int(leg.strategy_id.split("-")[1]) for leg in simulation.legs}
            for fill in simulation.drain().fills:
                reason = FillReason(int(fill["reason"])).name
                lots = int(fill["last_qty"])
                result = results[numbers[int(fill["leg"])]]
                result.fills.append((int(fill["ts_event"]), int(fill["last_px"]), lots, reason))
                result.filled += lots

        while len(batch := records.ahead()):
            records.take(len(batch))
            mine = batch[
                (batch["publisher_id"] == order["publisher_id"])
                & (batch["instrument_id"] == order["instrument_id"])
            ]
            if mine.size:
                simulation.feed(mine)
                take()
        simulation.finish()
        take()
    finally:
        records.close()
