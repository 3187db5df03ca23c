"""``tapewire validate placebo``: a capture's own orders, sent again."""

import json
import os
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt
from rich.console import Console
from rich.table import Table

from tapewire.errors import ConfigError, NoDataError
from tapewire.inputs.inspection import book_limits
from tapewire.inputs.telling import Steps, iso, say, tell
from tapewire.market.records import F_TOB, MBO_DTYPE
from tapewire.processes.signals import interruptible
from tapewire.replay import ReplayPlan, open_source
from tapewire.validation import CLASSES, ClassCount, PlaceboCounts, PlaceboPass
from tapewire.validation.placebo import warm_up

_CHUNK_RECORDS: Final = 65_536
#: Differences that are told in full.
EXAMPLES_MAX: Final = 100
_PERCENT: Final = 100
_WORDS: Final = {
    "orders": "orders that rested",
    "traded_orders": "of them filled",
    "lots": "lots filled at rest",
    "takers": "orders that took",
    "taken_lots": "lots taken, but for icebergs and implied",
}
#: What a class means; ``docs/placebo.md`` says more.
_CLASS_WORDS: Final = {
    "auction": "the venue cleared at one price",
    "closed": "the book was locked or crossed",
    "own_trade": "the real order took, as it was modified",
    "iceberg": "an order showed its next clip meanwhile",
    "implied": "more was traded than orders of the data were filled",
    "self_match": "an order left unfilled in the middle of a trade",
    "unexplained": "nothing unusual",
}


@dataclass(frozen=True)
class PlaceboReport:
    """What `validate_placebo` found.

    Attributes
    ----------
    path : str
    records : int
    counts : PlaceboCounts
    examples : list of dict
        The first differences: ``ts_event`` (ns), ``publisher_id``, ``instrument_id``, ``symbol``,
        ``order_id``, ``side``, ``price`` (1e-9), ``real_lots``, ``ghost_lots``, ``taker``,
        ``class``.
    differences : int
        How many there are.
    """

    path: str
    records: int
    counts: PlaceboCounts
    examples: list[dict[str, Any]] = field(default_factory=list)
    differences: int = 0

    @property
    def shares(self) -> dict[str, float | None]:
        """Shares that agree, 0 to 1; see `PlaceboCounts.shares`."""
        return self.counts.shares

    def falls_short(self, percent: float) -> list[str]:
        """Return the shares that are below so many percent."""
        return [
            f"{_WORDS[name]}: {_percent(share)}"
            for name, share in self.shares.items()
            if share is not None and share * _PERCENT < percent and name != "takers"
        ]

    def to_dict(self) -> dict[str, Any]:
        """Everything as it goes into JSON."""
        return {
            "path": self.path,
            "records": self.records,
            "shares": self.shares,
            **asdict(self.counts),
            "differences": self.differences,
            "examples": self.examples,
        }


def validate_placebo(
    path: str | os.PathLike[str],
    *,
    symbols: Sequence[str] = (),
    publishers: Sequence[int] = (),
    instruments: Sequence[int] = (),
) -> PlaceboReport:
    """Send a capture's own orders again, each directly ahead of itself, and compare the fills.

    Parameters
    ----------
    path
        A ``.dbn`` or ``.dbn.zst`` file of schema ``mbo``.
    symbols, publishers, instruments : sequences, optional
        Only these; instruments by their ids.

    Returns
    -------
    PlaceboReport
        See ``docs/placebo.md``.

    Raises
    ------
    ConfigError
        If a filter is not as it should be.
    InputError
        If the file can't be used, or has no orders to send again.
    InterruptedRunError
        If the user stopped it.
    """
    plan = ReplayPlan(
        files=(os.fspath(path),), symbols=tuple(symbols), publishers=tuple(publishers)
    )
    for number in instruments:
        if not 0 <= number < 2**32:
            raise ConfigError(f"instrument: expected 0 to {2**32 - 1}, found {number}")
    wanted = np.array(instruments, np.uint32)
    chunk = np.empty(_CHUNK_RECORDS, MBO_DTYPE)
    warm_up(say)
    placebo = PlaceboPass()
    records = orders = 0
    with (
        interruptible(),
        book_limits(path),
        open_source(plan) as source,
        Steps("sending orders again, records read", None) as steps,
    ):
        if made_of := source.headers[0].made_of:
            raise ConfigError(
                f"{os.fspath(path)}: expected the orders of a market (schema mbo), found levels "
                f"({made_of}): there is nothing to send again"
            )
        names = {m.instrument_id: m.raw_symbol for m in source.info.mappings}
        while n := source.fill(chunk):
            given = chunk[:n]
            if wanted.size:
                given = given[np.isin(given["instrument_id"], wanted)]
            records += len(given)
            orders += int(np.count_nonzero((given["flags"] & F_TOB) == 0))
            placebo.feed(given)
            steps(source.events)
    placebo.finish()
    counts = placebo.counts
    if not counts.orders and not counts.takers:
        raise NoDataError(f"{os.fspath(path)}: {_nothing(records, orders)}")
    return PlaceboReport(
        path=os.fspath(path),
        records=records,
        counts=counts,
        examples=_examples(placebo.differences[:EXAMPLES_MAX], placebo.keys, names),
        differences=placebo.difference_n,
    )


def _nothing(records: int, orders: int) -> str:
    """Why there is nothing to send."""
    if not records:
        return "has no records of what was asked for; `tapewire data inspect` tells what it has"
    if not orders:
        return "has top-of-book quotes only, which have no orders to send again"
    return f"none of the orders of its {records:,} records was filled, replaced or canceled"


def _examples(
    rows: npt.NDArray[Any], keys: list[tuple[int, int]], names: dict[int, str]
) -> list[dict[str, Any]]:
    """Differences in words."""
    found = []
    for row in rows:
        publisher_id, instrument_id = keys[int(row["book"])]
        found.append(
            {
                "ts_event": int(row["ts_event"]),
                "publisher_id": publisher_id,
                "instrument_id": instrument_id,
                "symbol": names.get(instrument_id, str(instrument_id)),
                "order_id": int(row["order_id"]),
                "side": "BUY" if row["side"] > 0 else "SELL",
                "price": int(row["price"]),
                "real_lots": int(row["real_lots"]),
                "ghost_lots": int(row["ghost_lots"]),
                "taker": bool(row["taker"]),
                "class": CLASSES[int(row["kind"])],
            }
        )
    return found


def print_placebo(report: PlaceboReport, console: Console, *, as_json: bool = False) -> None:
    """Print a report: a table of shares and one of what differs, or one JSON object."""
    if as_json:
        console.out(json.dumps(report.to_dict(), indent=2), highlight=False)
        return
    counts = report.counts
    tell(console, f"{report.path}: {report.records:,} records")
    table = Table(title="sent again", title_justify="left")
    for name in ("what", "real", "same", "ghosts' alone", "share"):
        table.add_column(name, justify="left" if name == "what" else "right")
    rows = {
        "orders": (counts.orders, counts.same_orders, None),
        "traded_orders": (counts.traded_orders, counts.same_traded_orders, None),
        "lots": (counts.lots, counts.same_lots, counts.extra_lots),
        "takers": (counts.takers, counts.same_takers, None),
        "taken_lots": (counts.taken_lots, counts.same_taken_lots, counts.extra_taken_lots),
    }
    for name, (real, same, extra) in rows.items():
        alone = "" if extra is None else f"{extra:,}"
        share = report.shares[name]
        table.add_row(_WORDS[name], f"{real:,}", f"{same:,}", alone, _percent(share))
    console.print(table)
    _print_classes(counts.classes, "differs at rest", console)
    _print_classes(counts.taker_classes, "differs in taking", console)
    for name, n in counts.not_sent.items():
        if n:
            tell(console, f"not sent again: {name.replace('_', ' ')} {n:,}")
    for one in report.examples:
        if one["class"] == "unexplained":
            tell(
                console,
                f"unexplained: {iso(one['ts_event'])} {one['symbol']} order {one['order_id']}: "
                f"{one['real_lots']} lots, its ghost {one['ghost_lots']}",
            )


def _print_classes(classes: dict[str, ClassCount], title: str, console: Console) -> None:
    if not classes:
        return
    table = Table(title=title, title_justify="left")
    for name in ("class", "what was unusual", "orders", "lots missed", "lots alone"):
        table.add_column(name, justify="left" if name in ("class", "what was unusual") else "right")
    for name, count in classes.items():
        table.add_row(
            name, _CLASS_WORDS[name], f"{count.orders:,}", f"{count.missed_lots:,}",
            f"{count.extra_lots:,}",
        )  # fmt: skip
    console.print(table)


def _percent(share: float | None) -> str:
    return "–" if share is None else f"{share * _PERCENT:.3f} %"
