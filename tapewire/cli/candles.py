"""``tapewire candles …``: strategies on bars."""

from pathlib import Path
from typing import Annotated

import typer

from tapewire.cli import candles_indicators

app = typer.Typer(
    name="candles",
    help="Trade strategies on bars: one, a grid, a grid on many files.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)

File = Annotated[
    Path,
    typer.Argument(
        metavar="FILE", help="Bars, trades or MBO records in DBN; bars in Parquet or CSV."
    ),
]
Strategy = Annotated[str, typer.Option("-s", "--strategy", help="sma_cross or barra_elefante.")]
Parameters = Annotated[
    list[str] | None,
    typer.Option(
        "-p", "--parameter", metavar="NAME=VALUES",
        help="Of the strategy: fast=10, or several: fast=5,10,20 or fast=5:50:5.",
    ),
]  # fmt: skip
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", metavar="KEY=VALUE",
        help="Of the backtest: commission_rate=0.0002, stop_loss=2%, within_bar=pessimistic, …",
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
Jobs = Annotated[
    int | None,
    typer.Option("-j", "--jobs", min=1, help="Threads; default: all cores.", show_default=False),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command(
    epilog="[bold]Example[/bold]\n\n"
    "tapewire candles run bars.csv -s sma_cross -p fast=10 -p slow=30 --set commission_rate=0.0002"
)
def run(
    file: File,
    strategy: Strategy,
    parameters: Parameters = None,
    settings: Settings = None,
    symbol: Symbol = None,
    interval: Interval = "1m",
    tick_size: Tick = None,
    faults: Faults = "error",
    trades: Annotated[
        Path | None, typer.Option("--trades", help="Write its trades here, a .parquet.")
    ] = None,
    equity: Annotated[
        Path | None, typer.Option("--equity", help="Write its equity here, a .parquet.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Trade one strategy on one file and print its metrics."""
    from rich.console import Console

    from tapewire.inputs.candles import CandleRequest, run_candles

    request = CandleRequest(
        strategy, parameters or (), settings or (), symbol, interval, tick_size, faults
    )
    run_candles(file, request, trades=trades, equity=equity, as_json=as_json, console=Console())


@app.command(
    epilog="[bold]Example[/bold]\n\n"
    "tapewire candles optimize bars.csv -s sma_cross -p fast=5:50:5 -p slow=60:200:10 --top 5"
)
def optimize(
    file: File,
    strategy: Strategy,
    parameters: Parameters = None,
    settings: Settings = None,
    symbol: Symbol = None,
    interval: Interval = "1m",
    tick_size: Tick = None,
    faults: Faults = "error",
    objective: Annotated[
        str, typer.Option("--objective", help="A metric; the highest is best.")
    ] = "sharpe_annualised",
    top: Annotated[int, typer.Option("--top", min=1, help="How many are printed.")] = 10,
    jobs: Jobs = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Write all of them here, a .parquet.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Trade every combination of parameters on one file and print the best."""
    from rich.console import Console

    from tapewire.inputs.candles import CandleRequest, optimize_candles

    request = CandleRequest(
        strategy, parameters or (), settings or (), symbol, interval, tick_size, faults
    )
    optimize_candles(
        file, request, objective=objective, top=top, jobs=jobs, output=output, as_json=as_json,
        console=Console(),
    )  # fmt: skip


@app.command(
    epilog="[bold]Example[/bold]\n\n"
    "tapewire candles batch a.csv b.csv -s barra_elefante -p min_amplitude=1.5:3:0.5 "
    "-o results.parquet"
)
def batch(
    files: Annotated[list[Path], typer.Argument(metavar="FILES...", help="As of run.")],
    strategy: Strategy,
    output: Annotated[Path, typer.Option("-o", "--output", help="The .parquet of all results.")],
    parameters: Parameters = None,
    settings: Settings = None,
    symbol: Symbol = None,
    interval: Interval = "1m",
    tick_size: Tick = None,
    faults: Faults = "error",
    jobs: Jobs = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    as_json: AsJson = False,
) -> None:
    """Trade every combination on every file; results stream to one Parquet file."""
    from rich.console import Console

    from tapewire.inputs.candles import CandleRequest, batch_candles

    request = CandleRequest(
        strategy, parameters or (), settings or (), symbol, interval, tick_size, faults
    )
    batch_candles(
        files, request, output, jobs=jobs, force=force, as_json=as_json, console=Console()
    )


candles_indicators.add_to(app)
