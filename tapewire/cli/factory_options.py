"""Options that several commands of ``tapewire factory`` have."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from tapewire.factory.datasets import FactoryBars

StoreUrl = Annotated[
    str | None,
    typer.Option(
        "--store", metavar="URL", envvar="TAPEWIRE_STORE", show_default="tapewire.db",
        help="Where strategies are kept: a file, or postgresql://HOST/NAME.",
    ),
]  # fmt: skip
Bars = Annotated[
    Path,
    typer.Option(
        "-d", "--data", metavar="FILE",
        help="Bars, trades or MBO records in DBN; bars in Parquet or CSV.",
    ),
]  # fmt: skip
MaybeBars = Annotated[
    Path | None,
    typer.Option(
        "-d", "--data", metavar="FILE", show_default=False,
        help="Bars to search on: DBN, Parquet or CSV; what is found goes to the store.",
    ),
]  # fmt: skip
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE",
        help="Of every backtest: commission_rate=0.0002, slippage_bps=1, quantity=1, …",
    ),
]  # fmt: skip
Symbol = Annotated[str | None, typer.Option("--symbol", help="Which, where there are several.")]
Interval = Annotated[
    str, typer.Option("--interval", help="Of bars made of trades or MBO: 1s, 1m, 1h or 1d.")
]
Tick = Annotated[
    str | None,
    typer.Option("--tick-size", help="Default: the largest step that all prices are on."),
]
Faults = Annotated[
    str, typer.Option("--faults", help="Bars that can't be: error, or repair and count.")
]
Session = Annotated[
    str | None,
    typer.Option(
        "--session", metavar="TIMES", show_default=False,
        help="When days begin: '17:00-16:00 America/Chicago'; default 00:00.",
    ),
]  # fmt: skip
DatasetName = Annotated[
    str | None,
    typer.Option(
        "--dataset", metavar="NAME", show_default=False,
        help="What the store calls these bars; default: file, symbol, length, clock.",
    ),
]  # fmt: skip
Guards = Annotated[
    list[str] | None,
    typer.Option(
        "--guard", metavar="KEY=VALUE",
        help="Of verdicts: trades_min=20, judged=10, folds=3, off=costs, …",
    ),
]  # fmt: skip
Jobs = Annotated[
    int | None,
    typer.Option("-j", "--jobs", min=1, help="Threads; default: all cores.", show_default=False),
]
Force = Annotated[bool, typer.Option("--force", help="Replace a file that is there.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


def bars_of(
    path: Path,
    symbol: str | None,
    interval: str,
    tick_size: str | None,
    faults: str,
    session: str | None,
    dataset: str | None,
) -> "FactoryBars":
    """Read the bars that options name."""
    from tapewire.factory.datasets import read_bars
    from tapewire.inputs.candles import CandleRequest

    request = CandleRequest(
        "", symbol=symbol, interval=interval, tick_size=tick_size, faults=faults
    )
    return read_bars(path, request, session=session, name=dataset)
