"""``tapewire factory …``: strategies made by rule."""

from pathlib import Path
from typing import Annotated, Any

import typer

from tapewire.cli import factory_convert, factory_store
from tapewire.cli.factory_options import (
    DatasetName,
    Faults,
    Guards,
    Interval,
    Jobs,
    MaybeBars,
    Session,
    Settings,
    StoreUrl,
    Symbol,
    Tick,
    bars_of,
)
from tapewire.cli.options import names_in
from tapewire.cli.remote import AtServer, bars_there, refuse_here

app = typer.Typer(
    name="factory",
    help="Make strategies by rule, try, judge and keep them, by thousands.",
    no_args_is_help=True,
    rich_markup_mode="rich",
)


@app.command(
    epilog="[bold]Examples[/bold]\n\n"
    "tapewire factory generate -n 1000 -d bars.parquet --seed 7 --timeframes 15m,1h\n\n"
    "tapewire factory generate --method genetic --population 200 --generations 50 -d bars.parquet"
    "\n\n"
    "tapewire factory generate -n 200 -o trends.jsonl --indicators sma,ema,close,adx "
    "--max-conditions 4 --timeframes 5m,1h\n\n"
    "tapewire candles batch trends.jsonl -d bars.csv -o results.parquet"
)
def generate(
    data: MaybeBars = None,
    output: Annotated[
        Path | None,
        typer.Option(
            "-o",
            "--output",
            show_default=False,
            help="Without bars: a .jsonl file, one strategy a line.",
        ),
    ] = None,
    count: Annotated[
        int | None,
        typer.Option(
            "-n",
            "--count",
            show_default="1000",
            help="How many; of genetic, generations of the population.",
        ),
    ] = None,
    method: Annotated[str, typer.Option("--method", help="random, genetic or grammar.")] = "random",
    seed: Annotated[int, typer.Option("--seed", help="The same seed makes the same ones.")] = 0,
    population: Annotated[
        int | None,
        typer.Option("--population", show_default="100", help="Of genetic: of a generation."),
    ] = None,
    generations: Annotated[
        int | None,
        typer.Option("--generations", show_default="50", help="Of genetic: how many."),
    ] = None,
    grammar: Annotated[
        Path | None,
        typer.Option(
            "--grammar",
            metavar="FILE",
            show_default=False,
            help="Of grammar: a BNF file; default: the one that comes along.",
        ),
    ] = None,
    indicators: Annotated[
        list[str] | None,
        typer.Option(
            "--indicators",
            metavar="NAMES",
            show_default=False,
            help="Only these, comma-separated; see tapewire candles indicators.",
        ),
    ] = None,
    timeframes: Annotated[
        list[str] | None,
        typer.Option(
            "--timeframes",
            metavar="NAMES",
            show_default=False,
            help="The primary one first, which has to be the shortest; default: 1h,4h,1d.",
        ),
    ] = None,
    max_indicators: Annotated[
        int, typer.Option("--max-indicators", help="The same of another period is another.")
    ] = 5,
    max_conditions: Annotated[
        int, typer.Option("--max-conditions", help="Stops and targets are none.")
    ] = 10,
    max_timeframes: Annotated[int, typer.Option("--max-timeframes", help="Of one strategy.")] = 3,
    max_complexity: Annotated[
        float,
        typer.Option(
            "--complexity-score-max",
            help="5 a condition, 6 an indicator, 10 a timeframe beside the primary one.",
        ),
    ] = 100.0,
    objective: Annotated[
        str,
        typer.Option("--objective", help="What fitness is: a metric, or walk_forward for folds."),
    ] = "sharpe_annualised",
    guards: Guards = None,
    judges: Annotated[
        bool, typer.Option("--judge/--no-judge", help="Hold the best against the guards.")
    ] = True,
    trades_min: Annotated[
        int, typer.Option("--trades-min", help="With fewer closed trades there is no fitness.")
    ] = 10,
    holdout: Annotated[
        float, typer.Option("--holdout", help="Last share of the days, closed to the search.")
    ] = 0.25,
    batch: Annotated[
        int, typer.Option("--batch", help="So many are kept at once; of genetic, a generation.")
    ] = 500,
    store: StoreUrl = None,
    settings: Settings = None,
    symbol: Symbol = None,
    interval: Interval = "1m",
    tick_size: Tick = None,
    faults: Faults = "error",
    session: Session = None,
    dataset: DatasetName = None,
    jobs: Jobs = None,
    server: AtServer = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a file that is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Make strategies within bounds: into a file, or tried on bars and kept in the store."""
    from rich.console import Console

    from tapewire.errors import ConfigError
    from tapewire.generator import StrategyConstraints
    from tapewire.generator.drawing import TIMEFRAMES

    if (data is None) == (output is None):
        raise ConfigError(
            "expected bars to try strategies on (-d FILE) or a file to write them to (-o FILE), "
            f"found {'neither' if data is None else 'both'}"
        )
    bounds: dict[str, Any] = {
        "max_indicators": max_indicators, "max_conditions": max_conditions,
        "max_timeframes": max_timeframes, "allowed_indicators": names_in(indicators) or None,
        "complexity_score_max": max_complexity,
    }  # fmt: skip
    frames = names_in(timeframes) or TIMEFRAMES
    if server is not None and data is not None:
        from tapewire.cli.factory_display import say_generation
        from tapewire.cli.factory_remote import generate_there
        from tapewire.factory.methods import grammar_text

        refuse_here(server, jobs=jobs)
        settings_there = {
            "method": method, "count": count, "seed": seed, "batch": batch,
            "population": population, "generations": generations,
            "grammar": grammar_text(grammar), "timeframes": frames, "constraints": bounds,
            "objective": objective, "assumptions": settings, "trades_min": trades_min,
            "holdout_share": holdout, "guards": guards,
        }  # fmt: skip
        asked_bars = bars_there(data, symbol, interval, tick_size, faults, session, dataset)
        found = generate_there(server, asked_bars, settings_there, judges=judges)
        say_generation(found, Console(), as_json=as_json)
        return
    constraints = StrategyConstraints(**bounds)
    if output is not None:
        from tapewire.runs.generated import generate_file

        if method == "genetic":
            raise ConfigError("--method genetic: expected bars to search on (-d FILE), found none")
        made = generate_file(
            output, 1_000 if count is None else count, seed=seed, constraints=constraints,
            timeframes=frames, method=method, grammar=grammar, force=force,
        )  # fmt: skip
        made.say(Console(), as_json=as_json)
        return
    assert data is not None
    from tapewire.cli.factory_display import say_generation
    from tapewire.factory.asked import FactorySettings, sizes_of
    from tapewire.factory.methods import grammar_text
    from tapewire.factory.searching import generate as search

    asked = FactorySettings(
        method, **sizes_of(method, count, population, generations), seed=seed, batch=batch,
        grammar=grammar_text(grammar), timeframes=tuple(frames), constraints=constraints,
        objective=objective, assumptions=tuple(settings or ()), trades_min=trades_min,
        holdout_share=holdout, guards=tuple(guards or ()),
    )  # fmt: skip
    bars = bars_of(data, symbol, interval, tick_size, faults, session, dataset)
    result = search(bars, asked, store=store, jobs=jobs, judges=judges)
    say_generation(result, Console(), as_json=as_json)


factory_store.add_to(app)
factory_convert.add_to(app)
