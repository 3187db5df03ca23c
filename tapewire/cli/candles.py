"""``tapewire candles …``: strategies on bars."""

from pathlib import Path
from typing import Annotated

import typer

from tapewire.cli import candles_indicators
from tapewire.cli.options import refuse_idle
from tapewire.cli.remote import AtServer, bars_there, known_server, refuse_here, wait_for

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
MaybeStrategy = Annotated[
    str | None,
    typer.Option(
        "-s", "--strategy", help="sma_cross or barra_elefante; none with -d.", show_default=False
    ),
]
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
Data = Annotated[
    list[Path] | None,
    typer.Option(
        "-d", "--data", metavar="FILE", show_default=False,
        help="Bars for strategies declared as JSON, which stand first then.",
    ),
]  # fmt: skip
Session = Annotated[
    str | None,
    typer.Option(
        "--session", metavar="TIMES", show_default=False,
        help="Of declared strategies' longer bars: '17:00-16:00 America/Chicago'; default 00:00.",
    ),
]  # fmt: skip
AsJson = Annotated[bool, typer.Option("--json", help="Print one JSON object.")]


@app.command(
    epilog="[bold]Example[/bold]\n\n"
    "tapewire candles run bars.csv -s sma_cross -p fast=10 -p slow=30 --set commission_rate=0.0002"
    "\n\ntapewire candles run strategy.json -d bars.csv -o traded"
    "\n\ntapewire candles run strategy.json -d bars.csv --engine event --latency-ms 250 "
    "--volume-share 0.1"
)
def run(
    file: Annotated[
        Path,
        typer.Argument(
            metavar="FILE",
            help="Bars, trades or MBO records in DBN; bars in Parquet or CSV. With -d: a strategy "
            "declared as JSON.",
        ),
    ],
    strategy: MaybeStrategy = None,
    data: Data = None,
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
    engine: Annotated[
        str, typer.Option("--engine", help="With -d: vectorised, or event for bar by bar.")
    ] = "vectorised",
    latency_ms: Annotated[
        float | None,
        typer.Option("--latency-ms", help="With event: until an order is there."),
    ] = None,
    spread_ticks: Annotated[
        float | None, typer.Option("--spread-ticks", help="With event: of the simulated book.")
    ] = None,
    units_per_level: Annotated[
        float | None, typer.Option("--units-per-level", help="With event: of the simulated book.")
    ] = None,
    volume_share: Annotated[
        float | None,
        typer.Option("--volume-share", help="With event: of each bar's volume, 0.1 is a tenth."),
    ] = None,
    session: Session = None,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="A folder for tables and the report."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace an earlier one in it.")] = False,
    as_json: AsJson = False,
) -> None:
    """Trade one strategy on one file and print its metrics."""
    from rich.console import Console

    from tapewire.errors import ConfigError
    from tapewire.inputs.candles import CandleRequest, run_candles

    request = CandleRequest(
        strategy or "", parameters or (), settings or (), symbol, interval, tick_size, faults
    )
    if _is_declared(file, strategy, data):
        from tapewire.runs.declared import EngineChoice, run_declared_file

        if data is None or len(data) != 1:
            raise ConfigError(f"expected one file of bars (-d), found {len(data or ())}; see batch")
        choice = EngineChoice(engine, latency_ms, spread_ticks, units_per_level, volume_share)
        run_declared_file(
            file, data[0], request, choice, session=session, output=output, force=force,
            trades=trades, equity=equity, as_json=as_json, console=Console(),
        )  # fmt: skip
        return
    for given, option in (
        (session, "--session"), (engine != "vectorised" or None, "--engine"),
        (latency_ms, "--latency-ms"), (spread_ticks, "--spread-ticks"),
        (units_per_level, "--units-per-level"), (volume_share, "--volume-share"),
    ):  # fmt: skip
        if given is not None:
            raise ConfigError(f"{option}: expected with a declared strategy and -d only")
    if output is not None:
        from tapewire.runs.candle_folders import run_named_file

        run_named_file(
            file, request, output, force=force, trades=trades, equity=equity, as_json=as_json,
            console=Console(),
        )  # fmt: skip
        return
    run_candles(file, request, trades=trades, equity=equity, as_json=as_json, console=Console())


@app.command(
    epilog="[bold]Example[/bold]\n\n"
    "tapewire candles optimize bars.csv -s sma_cross -p fast=5:50:5 -p slow=60:200:10 --top 5"
    "\n\ntapewire candles optimize bars.csv -s sma_cross -p fast=5:50:5 -p slow=60:200:10 "
    "--train 20 --test 5"
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
    train: Annotated[
        int | None,
        typer.Option(
            "--train",
            show_default=False,
            help="Walk forward: sessions (days, UTC) to choose by, again and again.",
        ),
    ] = None,
    test: Annotated[
        int | None, typer.Option("--test", help="Sessions that follow.", show_default=False)
    ] = None,
    anchored: Annotated[
        bool, typer.Option("--anchored", help="Choose by all sessions from the first on.")
    ] = False,
    purge: Annotated[int, typer.Option("--purge", help="Sessions left out between the two.")] = 0,
    embargo: Annotated[
        int, typer.Option("--embargo", help="Sessions after each test that none later chooses by.")
    ] = 0,
    by: Annotated[
        str, typer.Option("--by", help="net_pnl, sharpe or max_drawdown (the least).")
    ] = "net_pnl",
    server: AtServer = None,
    as_json: AsJson = False,
) -> None:
    """Trade every combination of parameters on one file and print the best."""
    from rich.console import Console

    from tapewire.inputs.candles import BestVariants, CandleRequest, optimize_candles

    walk = None
    if train is not None or test is not None:
        walk = {
            "train": train or 0, "test": test or 0, "anchored": anchored, "purge": purge,
            "embargo": embargo, "by": by,
        }  # fmt: skip
    else:
        refuse_idle("with --train and --test: nothing is walked forward without", {
            "--anchored": anchored, "--purge": purge or None, "--embargo": embargo or None,
            "--by": None if by == "net_pnl" else by,
        })  # fmt: skip
    if server is not None:
        refuse_here(server, jobs=jobs, output=output)
        there = bars_there(file, symbol, interval, tick_size, faults, None, None)
        with known_server(server) as client:
            job = client.optimize(
                there, strategy, parameters or [], assumptions=settings, objective=objective,
                top=top, walk=walk,
            )  # fmt: skip
            BestVariants.of_json(wait_for(client, job)).say(Console(), as_json=as_json)
        return

    request = CandleRequest(
        strategy, parameters or (), settings or (), symbol, interval, tick_size, faults
    )
    optimize_candles(
        file, request, objective=objective, top=top, jobs=jobs, output=output, walk=walk,
        as_json=as_json, console=Console(),
    )  # fmt: skip


@app.command(
    epilog="[bold]Example[/bold]\n\n"
    "tapewire candles batch a.csv b.csv -s barra_elefante -p min_amplitude=1.5:3:0.5 "
    "-o results.parquet"
    "\n\ntapewire candles batch strategies.jsonl -d a.csv -d b.csv -o results.parquet --checkpoint"
)
def batch(
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILES...",
            help="As of run. With -d: strategies, .json, .jsonl with one a line, or folders.",
        ),
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="The .parquet of all results.")],
    strategy: MaybeStrategy = None,
    data: Data = None,
    parameters: Parameters = None,
    settings: Settings = None,
    symbol: Symbol = None,
    interval: Interval = "1m",
    tick_size: Tick = None,
    faults: Faults = "error",
    session: Session = None,
    jobs: Jobs = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    checkpoint: Annotated[
        bool,
        typer.Option(
            "--checkpoint", help="Keep what is done as it is done, so that --resume can go on."
        ),
    ] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a batch that was stopped.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Trade every combination on every file; results stream to one Parquet file."""
    from rich.console import Console

    from tapewire.errors import ConfigError
    from tapewire.inputs.candle_batches import batch_candles
    from tapewire.inputs.candles import CandleRequest

    request = CandleRequest(
        strategy or "", parameters or (), settings or (), symbol, interval, tick_size, faults
    )
    if _is_declared(files[0], strategy, data):
        from tapewire.runs.declared import batch_declared

        batch_declared(
            files, data or (), request, output, session=session, jobs=jobs, force=force,
            checkpoint=checkpoint, resume=resume, as_json=as_json, console=Console(),
        )  # fmt: skip
        return
    if session is not None:
        raise ConfigError("--session: expected with declared strategies and -d only")
    batch_candles(
        files, request, output, jobs=jobs, force=force, checkpoint=checkpoint, resume=resume,
        as_json=as_json, console=Console(),
    )  # fmt: skip


def _is_declared(file: Path, strategy: str | None, data: list[Path] | None) -> bool:
    """Whether strategies stand in files, and bars behind -d; refuse what is neither or both."""
    from tapewire.errors import ConfigError

    if data is None and file.suffix in (".json", ".jsonl"):
        raise ConfigError(f"{file}: expected bars for a declared strategy (-d FILE), found none")
    if data is not None and strategy is not None:
        raise ConfigError(f"expected a declared strategy or -s {strategy}, found both")
    if data is None and strategy is None:
        raise ConfigError(
            "expected a strategy: -s sma_cross, -s barra_elefante, or a JSON file with -d FILE"
        )
    return data is not None


candles_indicators.add_to(app)
