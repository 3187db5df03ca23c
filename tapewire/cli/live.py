"""A run as it goes, on a terminal: rates, accounts, orders at the exchange, warnings."""

import time
from decimal import Decimal
from types import TracebackType
from typing import TYPE_CHECKING, Final, TextIO

from tapewire.analytics.formats import count, duration, number
from tapewire.cli.display import Display, figures, rate_text
from tapewire.runs.turns import Turns
from tapewire.wire.codec import printable

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.live import Live
    from rich.table import Table

    from tapewire.runs.hooks import RunProgress
    from tapewire.runs.standing import Standing

#: Shortest time between two pictures on a terminal, and between two plain lines elsewhere (s).
_PICTURE_INTERVAL_S: Final = 0.25
_LINE_INTERVAL_S: Final = 10.0
#: What is shown at most, where the terminal is tall enough; below that it is cut by its height.
_LINES_MAX: Final = 12
_ORDERS_MAX: Final = 12
_WARNINGS_MAX: Final = 4


class LiveDisplay(Display):
    """Shows where a run stands, four times a second at most; plain lines where no terminal is.

    Drawing takes about a hundredth of the time: where one picture takes long, they are fewer.
    """

    def __init__(self, *, stream: TextIO | None = None) -> None:
        super().__init__(quiet=False, stream=stream)
        self._turns = Turns(_PICTURE_INTERVAL_S if self._terminal else _LINE_INTERVAL_S)
        self._live = _make_live(self._stream) if self._terminal else None
        self._before: tuple[float, int] | None = None  # time and events at the last picture

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is None:
            return
        try:
            if kind is None and self._last is not None:
                self._show(self._live, self._last)
        finally:
            self._live.stop()

    def announce(self, text: str) -> None:
        """Say something above the picture."""
        if self._live is None:
            super().announce(text)
        else:
            self._live.console.print(printable(text), markup=False, highlight=False)

    def progress(self, progress: "RunProgress") -> None:
        """Show where the run stands, if it is time."""
        if self._before is None:
            self._before = time.monotonic(), progress.events
            if not self._terminal:  # a line is for runs that take longer than one interval
                self._turns.begin()
                self._turns.end()
        self._last = progress
        if not self._turns.begin():
            return
        if self._live is not None:
            self._show(self._live, progress)
        else:
            print("  ".join(_words(progress)), file=self._stream, flush=True)
        self._turns.end()

    def _show(self, live: "Live", progress: "RunProgress") -> None:
        live.start()
        live.update(self._picture(progress), refresh=True)

    def _picture(self, progress: "RunProgress") -> "RenderableType":
        from rich.console import Group
        from rich.text import Text

        standing = progress.standing()
        parts: list[RenderableType] = [Text(self._headline(progress, standing), "bold")]
        if len(standing):
            parts.append(_accounts(standing))
        if standing.orders:
            parts.append(_orders(standing))
        warnings = standing.warnings[-_WARNINGS_MAX:]
        parts += [Text(printable(f"warning {text}"), "yellow", no_wrap=True) for text in warnings]
        if more := len(standing.warnings) - len(warnings):
            parts.append(Text(f"{more:,} more warnings", "yellow"))
        return Group(*parts)

    def _headline(self, progress: "RunProgress", standing: "Standing") -> str:
        now_s = time.monotonic()
        shown = figures(progress)
        if self._before is not None and now_s > self._before[0]:
            shown["rate"] = rate_text(
                (progress.events - self._before[1]) / (now_s - self._before[0])
            )
        self._before = now_s, progress.events
        if 0 < progress.events <= progress.events_total:
            shown["events"] += f" ({100 * progress.events // progress.events_total} %)"
        shown["events"] += " events"
        shown["pnl"] = f"P&L {standing.pnl:,.2f}"
        shown["took"] = duration(progress.elapsed_s)
        if progress.feed is not None:
            shown["feed"] = progress.feed().words()
        return "  ".join(shown.values())


def _make_live(stream: TextIO) -> "Live":
    from rich.console import Console
    from rich.live import Live

    console = Console(file=stream)
    with console.capture():  # what drawing loads takes a moment, which is to be before the run
        console.print(_table("", *_right("")))
    return Live(console=console, auto_refresh=False)


def _words(progress: "RunProgress") -> list[str]:
    """Return the same in one line."""
    standing = progress.standing()
    held = sum(line.position != 0 for line in standing.lines())
    return [
        *figures(progress).values(),
        f"positions {held:,}",
        f"orders {standing.counts['orders_sent']:,}",
        f"open {len(standing.orders):,}",
        f"fills {standing.fills:,}",
        f"warnings {len(standing.warnings):,}",
        *([] if progress.feed is None else [progress.feed().words()]),
    ]


def _accounts(standing: "Standing") -> "Table":
    table = _table(
        "strategy", "symbol", *_right("position", "mark", "P&L", "fees", "fills", "open")
    )
    open_n: dict[tuple[str, int, int], int] = {}
    for order in standing.orders:
        key = order.strategy_id, order.publisher_id, order.instrument_id
        open_n[key] = open_n.get(key, 0) + 1
    for line in standing.lines(_LINES_MAX):
        key = line.strategy_id, line.publisher_id, line.instrument_id
        _row(
            table, line.strategy_id, line.symbol, count(line.position), _price(line.mark),
            number(line.pnl), number(line.fees), count(line.fills), count(open_n.get(key, 0)),
        )  # fmt: skip
    _say_more(table, len(standing) - _LINES_MAX, "of less volume")
    return table


def _orders(standing: "Standing") -> "Table":
    table = _table("order of", "symbol", "side", *_right("price", "lots", "ahead"))
    for order in standing.orders[:_ORDERS_MAX]:
        ahead = "" if order.ahead is None else count(order.ahead)
        _row(
            table, order.strategy_id, order.symbol, order.side, _price(order.price),
            count(order.leaves), ahead,
        )  # fmt: skip
    _say_more(table, len(standing.orders) - _ORDERS_MAX, "at the exchange")
    return table


def _price(price: int | None) -> str:
    return "" if price is None else f"{Decimal(price).scaleb(-9).normalize():,f}"


def _right(*names: str) -> list[tuple[str, str]]:
    return [(name, "right") for name in names]


def _table(*columns: str | tuple[str, str]) -> "Table":
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, padding=(0, 1), pad_edge=False)
    for column in columns:
        name, justify = (column, "left") if isinstance(column, str) else column
        table.add_column(name, justify=justify, no_wrap=True)  # type: ignore[arg-type]
    return table


def _row(table: "Table", *cells: str) -> None:
    """Add a row of texts as they are: what a name holds is no markup."""
    from rich.text import Text

    table.add_row(*(Text(printable(cell)) for cell in cells))


def _say_more(table: "Table", more: int, what: str) -> None:
    if more > 0:
        _row(table, f"{more:,} more {what}", *[""] * (len(table.columns) - 1))
