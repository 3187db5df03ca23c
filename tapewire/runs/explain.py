"""``tapewire explain``: one order's story, from a run's tables and the data it ran over.

Nothing is kept for it while a run goes on: the stretch of the data around the order is read again,
once its files are known to be the same. What was sent when is in the run's tables; only an order
that was replaced needs the log of its changes.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import numpy.typing as npt

from tapewire.config.loading import load_config
from tapewire.config.schema import RunConfig
from tapewire.errors import ConfigError, MissingFileError
from tapewire.market.records import ACTION_ADD, ACTION_MODIFY, ACTION_TRADE
from tapewire.runs.queue_story import Placing, QueueStory
from tapewire.runs.same_inputs import check_inputs
from tapewire.runs.what_if import WhatIf, fills_under_models

if TYPE_CHECKING:
    import pyarrow as pa

    from tapewire.analytics import Run

_COMPANY: Final = (
    "in the run, other orders of the strategy stood ahead of it, or had taken lots that it meets "
    "alone"
)
_GUESSED: Final = (
    "the data have no orders in this book: its place was guessed from sizes of levels, of which "
    "only what showed as it came is told here"
)
#: Sides of records that come in across an order.
_ACROSS: Final = {"BUY": "A", "SELL": "B"}


@dataclass
class Cause:
    """The record that a fill came from.

    Attributes
    ----------
    what : str
        ``trade``: a T at the order's price or through it; ``order``: one that came in across it.
    ts_event, ts_recv : int
        ns.
    sequence, order_id : int
    price, lots : int
        1e-9; lots of all trades of that event there.
    side : str
        Of the aggressor: ``B``, ``A``, or ``N`` where it is not told.
    """

    what: str
    ts_event: int
    ts_recv: int
    sequence: int
    order_id: int
    price: int
    lots: int
    side: str


@dataclass
class OrderStory:
    """What happened to an order.

    Attributes
    ----------
    order : dict
        Its row of ``orders.parquet``.
    fills : list of dict
        Its rows of ``fills.parquet``.
    causes : list of Cause or None
        What each fill came from; None for one that took.
    placings : list of Placing
        Each place that it came to, what was ahead there and what became of that.
    changes : list of dict
        Its rows of ``events.parquet``, where the run has that.
    what_if : list of WhatIf
        What each fill model says of the order, sent again alone.
    remarks : list of str
    """

    order: dict[str, Any]
    fills: list[dict[str, Any]]
    placings: list[Placing]
    changes: list[dict[str, Any]]
    causes: list[Cause | None] = field(default_factory=list)
    what_if: list[WhatIf] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)

    def is_as(self, what_if: WhatIf) -> bool:
        """Whether it was filled in the run as a model says of it alone."""
        real = [(fill["ts_event"], fill["last_px"], fill["last_qty"]) for fill in self.fills]
        return real == [row[:3] for row in what_if.fills]

    def to_dict(self) -> dict[str, Any]:
        """Everything as it goes into JSON; prices in 1e-9, times in ns."""
        from dataclasses import asdict

        return asdict(self)

    def __str__(self) -> str:
        from tapewire.runs.story_text import story_text

        return story_text(self)


def explain_order(
    run: "Run", order_id: str | int, *, strategy: str | None = None, symbol: str | None = None
) -> OrderStory:
    """Tell one order's story.

    Parameters
    ----------
    run
        A finished run.
    order_id
        Its ``client_order_id``.
    strategy, symbol
        Whose, and where, if several strategies or books have orders of that id.

    Raises
    ------
    ConfigError
        If there is no such order, or several.
    MissingFileError, FormatError
        If the run's data are gone or have changed, or the order was replaced and the run has no
        log of changes.
    """
    order = _order_row(run, str(order_id), strategy, symbol)
    changes = _rows_of(run.events, order) if "events.parquet" in _files(run) else []
    fills = _rows_of(run.fills, order)
    story = OrderStory(order, fills, _placings(run, order, changes), changes)
    if order["ts_arrived"] is None:
        return story  # it never reached the exchange
    config = _config_of(run)
    remark = check_inputs(run)
    if remark:
        story.remarks.append(remark)
    _read_data(config, story)
    book = (order["publisher_id"], order["instrument_id"])
    guessed = [one for one in run.manifest.get("queues", ()) if not one["has_orders"]]
    if book in [(one["publisher_id"], one["instrument_id"]) for one in guessed]:
        story.remarks.append(_GUESSED)
    story.what_if, remark = fills_under_models(config, order, story.placings)
    if remark:
        story.remarks.append(remark)
    if story.what_if and not story.is_as(story.what_if[0]):
        story.remarks.append(_COMPANY)
    return story


def _files(run: "Run") -> Mapping[str, Any]:
    files: Mapping[str, Any] = run.manifest.get("files", {})
    return files


def _order_row(
    run: "Run", order_id: str, strategy: str | None, symbol: str | None
) -> dict[str, Any]:
    import pyarrow.compute as pc

    table = _plain(run.orders)
    rows = table.filter(pc.equal(table["client_order_id"], order_id)).to_pylist()
    if not rows:
        raise ConfigError(
            f"order: expected a client_order_id of {run.path / 'orders.parquet'}, which has "
            f"{table.num_rows:,} orders, found {order_id!r}"
        )
    for name, key, wanted in (
        ("strategy", "strategy_id", strategy),
        ("symbol", "symbol", symbol),
    ):
        known = list(dict.fromkeys(row[key] for row in rows))
        if wanted is not None:
            rows = [row for row in rows if row[key] == wanted]
            if not rows:
                raise ConfigError(
                    f"{name}: expected one of {', '.join(known)}, which have an order {order_id}, "
                    f"found {wanted!r}"
                )
        elif len(known) > 1:
            raise ConfigError(
                f"order {order_id}: expected one, found one of each of {', '.join(known)}; choose "
                f"with --{name}"
            )
    return dict(rows[0])


def _rows_of(table: "pa.Table", order: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the rows of a table that are about an order."""
    import pyarrow.compute as pc

    table = _plain(table)
    mask = pc.equal(table["client_order_id"], order["client_order_id"])
    for key in ("strategy_id", "symbol", "publisher_id"):
        mask = pc.and_(mask, pc.equal(table[key], order[key]))
    return [dict(row) for row in table.filter(mask).to_pylist()]


def _placings(run: "Run", order: Mapping[str, Any], changes: list[dict[str, Any]]) -> list[Placing]:
    """Return where the order came to, by the run's tables."""
    if order["ts_arrived"] is None:
        return []
    arrived = int(order["ts_arrived"])
    if not order["replaces"]:
        return [Placing("arrived", arrived, order["price"], order["quantity"])]
    if not changes:
        raise MissingFileError(
            f"order {order['client_order_id']} was replaced {order['replaces']} times, and "
            f"{run.path} has no log of changes: run again with output: {{explain: true}}"
        )
    placings = []
    for change in changes:
        ts = int(change["ts_event"]) if change["ts_event"] is not None else 0
        if change["event"] == "ACCEPTED":
            placings.append(Placing("arrived", ts, change["price"], change["quantity"]))
        elif change["event"] == "REPLACED":
            keeps = (
                change["price"] == change["old_price"]
                and change["quantity"] <= change["old_quantity"]
            )
            if not keeps:
                placings.append(Placing("replaced", ts, change["price"], change["quantity"]))
    return placings


def _plain(table: "pa.Table") -> "pa.Table":
    """Return a table with times as ns and words as text."""
    import pyarrow as pa

    for k, column in enumerate(table.schema):
        if pa.types.is_timestamp(column.type):
            table = table.set_column(k, column.name, table[column.name].cast(pa.int64()))
        elif pa.types.is_dictionary(column.type):
            table = table.set_column(k, column.name, table[column.name].cast(pa.string()))
    return table


def _config_of(run: "Run") -> RunConfig:
    path = run.path / "config.yaml"
    if not path.is_file():
        raise MissingFileError(f"expected {path}, found no file")
    return load_config(path)


# --- the data ------------------------------------------------------------------------------------


def _read_data(config: RunConfig, story: OrderStory) -> None:
    """Read the data up to the order's end: its queue, and what filled it."""
    from tapewire.runs.records import FileRecords

    order = story.order
    book = (int(order["publisher_id"]), int(order["instrument_id"]))
    closed = order["ts_closed"]
    ends = int(closed) if closed is not None else 2**63 - 1
    queue = QueueStory(str(order["order_side"]), book, story.placings, ends)
    moments = np.array(sorted({int(fill["ts_event"]) for fill in story.fills}), np.int64)
    seen: list[tuple[npt.NDArray[np.int64], npt.NDArray[Any]]] = []
    records = FileRecords(config)
    clock = 0
    try:
        while len(batch := records.ahead()) and not queue.done:
            records.take(len(batch))
            mine = batch[(batch["publisher_id"] == book[0]) & (batch["instrument_id"] == book[1])]
            if not mine.size:
                continue
            clocks = np.maximum.accumulate(np.maximum(mine["ts_event"].astype(np.int64), clock))
            clock = int(clocks[-1])
            chosen = np.isin(clocks, moments)
            seen.append((clocks[chosen], mine[chosen]))
            queue.feed(mine)
    finally:
        records.close()
    if not queue.done:
        queue.finish()
    story.causes = [_cause(order, fill, seen) for fill in story.fills]


def _cause(
    order: Mapping[str, Any],
    fill: Mapping[str, Any],
    seen: list[tuple[npt.NDArray[np.int64], npt.NDArray[Any]]],
) -> Cause | None:
    """Find the record that a fill came from."""
    if fill["liquidity_side"] == "TAKER":
        return None
    ts, price = int(fill["ts_event"]), int(fill["last_px"])
    sign = 1 if order["order_side"] == "BUY" else -1
    across = _ACROSS[str(order["order_side"])]
    now = np.concatenate([records[clocks == ts] for clocks, records in seen])
    reaches = (now["price"] - price) * sign <= 0
    trades = now[(now["action"] == ACTION_TRADE) & reaches]
    if fill["reason"] == "CROSSED" or not trades.size:
        comes = (now["action"] == ACTION_ADD) | (now["action"] == ACTION_MODIFY)
        came = now[comes & reaches & (now["side"] == ord(across))]
        return _cause_of("order", came[0], int(came[0]["size"])) if came.size else None
    first = trades[0]
    same = trades[trades["ts_event"] == first["ts_event"]]
    return _cause_of("trade", first, int(same["size"].sum()))


def _cause_of(what: str, record: Any, lots: int) -> Cause:
    return Cause(
        what=what,
        ts_event=int(record["ts_event"]),
        ts_recv=int(record["ts_recv"]),
        sequence=int(record["sequence"]),
        order_id=int(record["order_id"]),
        price=int(record["price"]),
        lots=lots,
        side=chr(record["side"]),
    )
